#include "sim/fake_regional.h"

#include <algorithm>
#include <utility>

namespace terrace::sim {

using tiers::Failure;

namespace {

std::string Bulk(const std::string& value) {
  return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}
std::string Integer(int64_t value) { return ":" + std::to_string(value) + "\r\n"; }

}  // namespace

// ---- The interface -----------------------------------------------------------------------------

void FakeRegional::Get(tiers::GetRequest request, tiers::GetDone done) {
  auto result = std::make_shared<tiers::GetResult>();
  const int64_t asked_us = loop_->now_us();
  const int64_t asked_ms = loop_->clock().NowMs();
  gets_in_flight[request.key].insert(asked_us);
  auto command = std::make_shared<Command>();
  command->execute = [this, key = request.key, asked_ms, result] {
    const Item* item = Find(key);
    result->outcome = item == nullptr ? tiers::Outcome::kAbsent : tiers::Outcome::kValue;
    if (item == nullptr) return;
    result->value.bytes = item->value;
    if (item->deadline_ms >= 0) {
      result->value.deadline_ms = asked_ms + item->deadline_ms - loop_->clock().NowMs();
    }
    if (!healed_ && rng_->Below(100) == 0) {
      result->value.form = tiers::Value::Form::kDump;
      result->value.bytes = "nonsense";
    }
  };
  command->finish = [this, asked_us, key = request.key, result,
                     done = std::move(done)](Failure why) mutable {
    gets_in_flight[key].erase(gets_in_flight[key].find(asked_us));
    if (why != Failure::kNone) *result = {.outcome = tiers::Outcome::kFailed, .failure = why};
    done(*result);
  };
  Submit(std::move(command), request.deadline_us);
}

void FakeRegional::Put(tiers::PutRequest request, tiers::PutDone done) {
  auto result = std::make_shared<tiers::PutResult>();
  const int64_t deadline_us = request.deadline_us;
  auto command = std::make_shared<Command>();
  command->execute = [this, request = std::move(request), result] {
    if (request.only_if_absent && Find(request.key) != nullptr) {
      result->stored = false;
      return;
    }
    int64_t deadline_ms = request.value.deadline_ms;
    // The server's clock is known to the millisecond, and never errs towards the later.
    if (deadline_ms != keyspace::kNoDeadline) deadline_ms -= static_cast<int64_t>(rng_->Below(2));
    items_[request.key] = {request.value.bytes, deadline_ms};
  };
  command->finish = [result, done = std::move(done)](Failure why) mutable {
    result->failure = why;
    done(*result);
  };
  Submit(std::move(command), deadline_us);
}

void FakeRegional::Invalidate(int, std::string key, int64_t deadline_us, tiers::PutDone done) {
  auto command = std::make_shared<Command>();
  command->execute = [this, key = std::move(key)] { items_.erase(key); };
  command->finish = [done = std::move(done)](Failure why) mutable {
    done(tiers::PutResult{.failure = why});
  };
  Submit(std::move(command), deadline_us);
}

void FakeRegional::Relay(tiers::RelayRequest request, tiers::RelayDone done) {
  const int64_t deadline_us = request.deadline_us;
  SubmitRelay(
      deadline_us, [this, request = std::move(request)] { return Execute(request.args); },
      std::move(done));
}

// At one moment: it is received as a whole, or it does not execute.
void FakeRegional::RelayTransaction(tiers::TransactionRequest request, tiers::RelayDone done) {
  const int64_t deadline_us = request.deadline_us;
  SubmitRelay(
      deadline_us,
      [this, request = std::move(request)] {
        std::string reply = "*" + std::to_string(request.commands.size()) + "\r\n";
        for (const auto& args : request.commands) reply += Execute(args);
        return reply;
      },
      std::move(done));
}

void FakeRegional::SubmitRelay(int64_t deadline_us, base::Function<std::string()> execute,
                               tiers::RelayDone done) {
  auto result = std::make_shared<tiers::RelayResult>();
  auto command = std::make_shared<Command>();
  command->execute = [execute = std::move(execute), result]() mutable {
    result->reply = execute();
    result->is_error = result->reply.starts_with("-");
  };
  command->finish = [result, done = std::move(done)](Failure why) mutable {
    result->failure = why;
    done(*result);
  };
  Submit(std::move(command), deadline_us);
}

// ---- The connection ----------------------------------------------------------------------------

int64_t FakeRegional::Delay() {
  return 1 + static_cast<int64_t>(rng_->Below(rng_->Below(10) == 0 ? 20'000 : 1'500));
}

void FakeRegional::Submit(CommandPtr command, int64_t deadline_us) {
  const int64_t left_us = std::max<int64_t>(1, deadline_us - loop_->now_us());
  loop_->AfterUs(left_us, [this, command] {
    // Not sent and too late: it never will be. Sent: it executes all the same.
    std::erase(unsent_, command);
    Finish(command, Failure::kTimeout);
  });
  if (connected_) return SendNow(std::move(command));
  if (rng_->Below(2) == 0) {
    unsent_.push_back(std::move(command));
  } else {
    loop_->Post([this, command] { Finish(command, Failure::kUnreachable); });
  }
}

void FakeRegional::SendNow(CommandPtr command) {
  sent_.push_back(std::move(command));
  next_us_ = std::max(next_us_, loop_->now_us() + Delay());
  loop_->AfterUs(next_us_ - loop_->now_us(), [this, generation = generation_] {
    if (generation != generation_ || !connected_) return;
    CommandPtr head = std::move(sent_.front());
    sent_.pop_front();
    head->execute();
    executed_.push_back(std::move(head));
    next_answer_us_ = std::max(next_answer_us_, loop_->now_us() + Delay());
    loop_->AfterUs(next_answer_us_ - loop_->now_us(), [this, generation] {
      if (generation != generation_ || !connected_) return;
      const CommandPtr answered = std::move(executed_.front());
      executed_.pop_front();
      Finish(answered, Failure::kNone);
    });
  });
}

void FakeRegional::Finish(const CommandPtr& command, Failure failure) {
  if (!std::exchange(command->finished, true)) command->finish(failure);
}

void FakeRegional::Connect() {
  ++generation_;
  connected_ = true;
  next_us_ = next_answer_us_ = loop_->now_us();
  if (on_new_generation_) on_new_generation_(generation_);
  std::deque<CommandPtr> waiting;
  waiting.swap(unsent_);
  for (CommandPtr& command : waiting) SendNow(std::move(command));
}

void FakeRegional::Lose(int64_t down_us) {
  if (!connected_) return;
  connected_ = false;
  std::deque<CommandPtr> failed = std::move(executed_);
  executed_.clear();
  // The first so many were received by the server and execute while nobody listens.
  const size_t received = sent_.empty() ? 0 : rng_->Below(sent_.size() + 1);
  auto orphans = std::make_shared<std::deque<CommandPtr>>();
  for (size_t i = 0; i < sent_.size(); ++i) {
    failed.push_back(sent_[i]);
    if (i >= received) continue;
    orphans->push_back(sent_[i]);
    loop_->AfterUs(static_cast<int64_t>(rng_->Below(static_cast<uint64_t>(down_us))),
                   [this, orphans] {
                     if (connected_ || orphans->empty()) return;
                     orphans->front()->execute();
                     orphans->pop_front();
                   });
  }
  sent_.clear();
  for (const CommandPtr& command : failed) {
    loop_->Post([this, command] { Finish(command, Failure::kUnreachable); });
  }
  loop_->AfterUs(down_us + SimLoop::kGridUs, [this, orphans] {
    orphans->clear();
    Connect();
  });
}

// ---- The server --------------------------------------------------------------------------------

FakeRegional::Item* FakeRegional::Find(const std::string& key) {
  const auto found = items_.find(key);
  if (found == items_.end()) return nullptr;
  if (found->second.deadline_ms >= 0 && found->second.deadline_ms <= loop_->clock().NowMs()) {
    items_.erase(found);
    return nullptr;
  }
  return &found->second;
}

std::string FakeRegional::Execute(const std::vector<std::string>& args) {
  const std::string& name = args[0];
  if (name == "MSET") {
    for (size_t i = 1; i + 1 < args.size(); i += 2) items_[args[i]] = {args[i + 1]};
    return "+OK\r\n";
  }
  const std::string& key = args[1];
  Item* item = Find(key);
  if (name == "SET") {
    const std::string option = args.size() > 3 ? args[3] : "";
    if (option == "NX" && item != nullptr) return "$-1\r\n";
    items_[key] = {args[2], option == "PX" ? loop_->clock().NowMs() + std::stoll(args[4]) : -1};
    return "+OK\r\n";
  }
  if (name == "GET") return item == nullptr ? "$-1\r\n" : Bulk(item->value);
  if (name == "EXISTS") return Integer(item != nullptr ? 1 : 0);
  if (name == "DEL") return Integer(item != nullptr && items_.erase(key) == 1 ? 1 : 0);
  if (name == "GETDEL") {
    if (item == nullptr) return "$-1\r\n";
    const std::string value = item->value;
    items_.erase(key);
    return Bulk(value);
  }
  if (name == "PEXPIRE") {
    if (item == nullptr) return Integer(0);
    item->deadline_ms = loop_->clock().NowMs() + std::stoll(args[2]);
    return Integer(1);
  }
  if (item == nullptr) item = &items_[key];
  if (name == "INCR") {
    const int64_t number = (item->value.empty() ? 0 : std::stoll(item->value)) + 1;
    item->value = std::to_string(number);
    return Integer(number);
  }
  if (name == "APPEND") {
    item->value += args[2];
    return Integer(static_cast<int64_t>(item->value.size()));
  }
  return "-ERR the fake regional tier does not know " + name + "\r\n";
}

}  // namespace terrace::sim
