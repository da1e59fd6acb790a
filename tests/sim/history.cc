#include "sim/history.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace terrace::sim {
namespace {

// Deadlines are kept in whole milliseconds, and a batch of requests shares one moment.
constexpr int64_t kSlackUs = 2000;
// A search that has seen so many states of one key gives up: the many writes of unknown outcome
// around lost connections can make it endless. About one run in a thousand ends so.
constexpr size_t kStatesMax = 300'000;

// What one key holds, and between which moments that may run out.
struct State {
  std::optional<std::string> value;
  int64_t ends_from_us = kNever;
  int64_t ends_by_us = kNever;
  bool operator==(const State&) const = default;
};

int64_t After(int64_t at_us, int64_t span_us) {
  return at_us == kNever || span_us == kNever ? kNever : at_us + span_us;
}

// Applies an operation; false when it cannot have been answered like that in this state.
bool Apply(const Operation& operation, const std::optional<std::string>& when_absent,
           State* state) {
  const bool known = operation.answered_us != kNever;
  const bool present = state->value.has_value();
  const auto number_is = [&](int64_t number) { return !known || operation.number == number; };
  const auto value_is = [&](const std::optional<std::string>& value) {
    return !known || operation.value == value;
  };
  const auto clear = [&] { *state = State{when_absent, kNever, kNever}; };
  switch (operation.kind) {
    case Kind::kGet:
      return value_is(state->value);
    case Kind::kExists:
      return number_is(present ? 1 : 0);
    case Kind::kSet:
      *state = State{operation.argument, After(operation.asked_us, operation.lifetime_us),
                     After(operation.answered_us, operation.lifetime_us)};
      return true;
    case Kind::kSetNx:
      if (present) return value_is(std::nullopt);
      *state = State{operation.argument, kNever, kNever};
      return value_is("OK");
    case Kind::kIncr: {
      int64_t number = 0;
      if (present)
        std::from_chars(state->value->data(), state->value->data() + state->value->size(), number);
      state->value = std::to_string(number + 1);
      return number_is(number + 1);
    }
    case Kind::kAppend:
      state->value = state->value.value_or("") + operation.argument;
      return number_is(static_cast<int64_t>(state->value->size()));
    case Kind::kDel:
      clear();
      // With an origin behind the key, how many were deleted depends on where copies were.
      return when_absent.has_value() || number_is(present ? 1 : 0);
    case Kind::kGetDel: {
      const bool fits = value_is(state->value);
      clear();
      return fits;
    }
    case Kind::kExpire:
      if (!present) return number_is(0);
      state->ends_from_us = After(operation.asked_us, operation.lifetime_us);
      state->ends_by_us = After(operation.answered_us, operation.lifetime_us);
      return number_is(1);
  }
  return false;
}

// The search for an order, of one key. Operations whose outcome is unknown come only where they are
// needed: such a one can be put off until just before the first answer that tells of it, and where
// none does it may as well not have happened. So what comes after some of them must not be
// possible, with the same effect, before them.
class Search {
 public:
  Search(const std::vector<Operation>& operations, std::optional<std::string> when_absent)
      : when_absent_(std::move(when_absent)) {
    copies_.reserve(operations.size());
    for (const Operation& operation : operations) {
      // A read without an answer says nothing.
      if (operation.is_read() && operation.answered_us == kNever) continue;
      copies_.push_back(operation);
      // A value that nobody ever saw is as good as any other of its length.
      std::string& argument = copies_.back().argument;
      if (!WasSeen(operations, argument)) argument.assign(argument.size(), '?');
    }
    for (const Operation& operation : copies_) operations_.push_back(&operation);
    std::sort(operations_.begin(), operations_.end(), [](const auto* a, const auto* b) {
      return a->answered_us != b->answered_us ? a->answered_us < b->answered_us
                                              : a->asked_us < b->asked_us;
    });
    for (const auto* operation : operations_) left_ += operation->answered_us != kNever;
  }

  bool Run() {
    done_.assign(operations_.size(), '0');
    return Extend(State{when_absent_, kNever, kNever}, 0, nullptr);
  }
  bool gave_up() const { return seen_.size() > kStatesMax; }
  // The operation in front of which the longest order ended.
  const Operation* stuck() const { return stuck_; }

 private:
  // before_unknown: the state ahead of the unknown operations that this order ends with.
  bool Extend(const State& state, size_t first, const State* before_unknown) {
    if (left_ == 0) return true;
    while (done_[first] == '1') ++first;
    const size_t ordered = operations_.size() - left_;
    if (ordered >= best_) {
      best_ = ordered;
      stuck_ = operations_[first];
    }
    std::string seen = done_.substr(first) + "/" + std::to_string(first) + "/" +
                       state.value.value_or("(none)") + "/" + std::to_string(state.ends_from_us) +
                       "/" + std::to_string(state.ends_by_us);
    if (gave_up() || !seen_.insert(std::move(seen)).second) return false;
    // Sorted by the answer, so the first one left has the earliest: nothing asked after it may
    // come before it.
    const int64_t before_us = operations_[first]->answered_us;
    const auto may_come = [&](size_t i) {
      return done_[i] == '0' && operations_[i]->asked_us <= before_us;
    };
    // What fits and changes nothing may as well come now: no other choice is better.
    for (size_t i = first; i < operations_.size(); ++i) {
      if (may_come(i) && ChangesNothing(state, *operations_[i]))
        return Take(state, first, i, nullptr);
    }
    for (size_t i = first; i < operations_.size(); ++i) {
      if (may_come(i) && !HasTwin(i) && TryNext(state, first, i, before_unknown)) return true;
    }
    return false;
  }

  static bool WasSeen(const std::vector<Operation>& operations, const std::string& argument) {
    return std::any_of(operations.begin(), operations.end(), [&](const Operation& operation) {
      return operation.value && operation.value->find(argument) != std::string::npos;
    });
  }

  bool ChangesNothing(const State& state, const Operation& operation) const {
    if (operation.answered_us == kNever) return false;
    // A deletion that uncovers what was there already, or a value set again, may be needed later.
    if ((when_absent_ && !operation.is_read()) || operation.kind == Kind::kSet) return false;
    if (state.ends_by_us != kNever && operation.asked_us > state.ends_by_us + kSlackUs) {
      return false;
    }
    State next = state;
    return Apply(operation, when_absent_, &next) && next == state;
  }

  // Of unknown operations with the same effect, the one that was asked first stands for the others.
  bool HasTwin(size_t i) const {
    const auto is_deletion = [](Kind kind) { return kind == Kind::kDel || kind == Kind::kGetDel; };
    const Operation& mine = *operations_[i];
    if (mine.answered_us != kNever || mine.lifetime_us != kNever) return false;
    for (size_t j = i; j-- > 0 && operations_[j]->answered_us == kNever;) {
      const Operation& other = *operations_[j];
      const bool is_same = (is_deletion(other.kind) && is_deletion(mine.kind)) ||
                           (other.kind == mine.kind && other.argument == mine.argument &&
                            other.lifetime_us == kNever);
      if (done_[j] == '0' && is_same) return true;
    }
    return false;
  }

  bool Take(const State& state, size_t first, size_t i, const State* before_unknown) {
    const bool counts = operations_[i]->answered_us != kNever;
    done_[i] = '1';
    left_ -= counts;
    if (Extend(state, first, before_unknown)) return true;
    done_[i] = '0';
    left_ += counts;
    return false;
  }

  bool TryNext(const State& state, size_t first, size_t i, const State* before_unknown) {
    const Operation& operation = *operations_[i];
    const bool is_unknown = operation.answered_us == kNever;
    for (const bool ended : {false, true}) {
      const std::optional<State> next = Next(state, operation, ended);
      if (!next) continue;
      if (is_unknown && *next == state) continue;
      if (before_unknown != nullptr && (Next(*before_unknown, operation, false) == next ||
                                        Next(*before_unknown, operation, true) == next)) {
        continue;
      }
      const State* const before = !is_unknown                 ? nullptr
                                  : before_unknown == nullptr ? &state
                                                              : before_unknown;
      if (Take(*next, first, i, before)) return true;
    }
    return false;
  }

  // The state after an operation, whose key had or had not ended by then; nothing when it cannot
  // have been answered like that.
  std::optional<State> Next(const State& state, const Operation& operation, bool ended) const {
    const bool may_have_ended =
        state.ends_from_us != kNever &&
        (operation.answered_us == kNever || operation.answered_us + kSlackUs >= state.ends_from_us);
    const bool must_have_ended =
        state.ends_by_us != kNever && operation.asked_us > state.ends_by_us + kSlackUs;
    if (ended ? !may_have_ended : must_have_ended) return std::nullopt;
    State next = ended ? State{when_absent_, kNever, kNever} : state;
    if (!Apply(operation, when_absent_, &next)) return std::nullopt;
    return next;
  }

  const std::optional<std::string> when_absent_;
  std::vector<Operation> copies_;
  std::vector<const Operation*> operations_;
  std::string done_;
  size_t left_ = 0;
  size_t best_ = 0;
  const Operation* stuck_ = nullptr;
  std::unordered_set<std::string> seen_;
};

}  // namespace

std::string Operation::ToString() const {
  static constexpr const char* kNames[] = {"GET",    "EXISTS", "SET",    "SETNX", "INCR",
                                           "APPEND", "DEL",    "GETDEL", "EXPIRE"};
  std::string text = std::string(kNames[static_cast<size_t>(kind)]) + " " + key;
  if (!argument.empty()) text += " " + argument;
  if (lifetime_us != kNever) text += " for " + std::to_string(lifetime_us);
  text += " asked " + std::to_string(asked_us);
  if (answered_us == kNever) return text + ", outcome unknown";
  text += ", answered " + std::to_string(answered_us) + ": ";
  const bool is_number = kind == Kind::kExists || kind == Kind::kIncr || kind == Kind::kAppend ||
                         kind == Kind::kDel || kind == Kind::kExpire;
  return text + (is_number ? std::to_string(number) : value.value_or("(nil)"));
}

size_t History::size() const {
  size_t size = 0;
  for (const auto& [key, operations] : by_key_) size += operations.size();
  return size;
}

std::string History::Check() const {
  for (const auto& [key, operations] : by_key_) {
    std::optional<std::string> when_absent;
    if (const auto found = defaults_.find(key); found != defaults_.end()) {
      when_absent = found->second;
    }
    Search search(operations, when_absent);
    if (search.Run()) continue;
    if (search.gave_up()) return "history of " + key + " is " + std::string(kTooTangled);
    std::string text = "no order explains the history of " + key + "; stuck at\n    " +
                       search.stuck()->ToString() + "\n  around it:";
    for (const Operation& operation : operations) {
      const bool near = operation.answered_us == kNever ||
                        operation.answered_us + 100'000 >= search.stuck()->asked_us;
      if (near && operation.asked_us <= search.stuck()->answered_us) {
        text += "\n    " + operation.ToString();
      }
    }
    return text;
  }
  return "";
}

}  // namespace terrace::sim
