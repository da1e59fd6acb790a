#include "sim/client.h"

#include <charconv>
#include <utility>

namespace terrace::sim {
namespace {

// How many bytes the first reply takes; 0 while it is not complete.
size_t ReplySize(std::string_view bytes) {
  const size_t line = bytes.find("\r\n");
  if (line == bytes.npos) return 0;
  int64_t count = 0;
  std::from_chars(bytes.data() + 1, bytes.data() + line, count);
  size_t size = line + 2;
  if (bytes[0] == '$' && count >= 0) {
    size += static_cast<size_t>(count) + 2;
  } else if (bytes[0] == '*') {
    for (int64_t i = 0; i < count; ++i) {
      if (size >= bytes.size()) return 0;
      const size_t part = ReplySize(bytes.substr(size));
      if (part == 0) return 0;
      size += part;
    }
  }
  return size <= bytes.size() ? size : 0;
}

// The text of a bulk or simple string; none for null.
std::optional<std::string> TextOf(std::string_view reply) {
  const size_t line = reply.find("\r\n");
  if (reply[0] == '+') return std::string(reply.substr(1, line - 1));
  if (reply.starts_with("$-1")) return std::nullopt;
  return std::string(reply.substr(line + 2, reply.size() - line - 4));
}

}  // namespace

void Client::Connect(std::shared_ptr<Wire> wire) {
  wire_ = std::move(wire);
  received_.clear();
  last_answer_us_ = board_->loop->now_us();
  wire_->on_bytes = [this](std::string_view bytes) { OnBytes(bytes); };
}

void Client::Disconnect() {
  wire_->on_bytes = nullptr;
  wire_->Hangup();
  wire_ = nullptr;
  board_->lost_replies += asked_.size();
  for (Asked& asked : asked_) {
    for (Part& part : asked.parts) {
      if (!part.is_foreign) board_->history->Add(std::move(part.operation));
    }
  }
  asked_.clear();
}

// ---- Asking ------------------------------------------------------------------------------------

std::string Client::NewValue() {
  return std::to_string(number_) + "." + std::to_string(++board_->next_value) + ";";
}

Client::Part Client::PartOf(const HotKey& key, Kind kind, std::string argument,
                            int64_t lifetime_us) {
  Part part;
  part.operation.kind = kind;
  part.operation.key = key.name;
  part.operation.argument = std::move(argument);
  part.operation.lifetime_us = lifetime_us;
  part.operation.asked_us = board_->loop->now_us();
  part.is_foreign = key.key_class == KeyClass::kForeign;
  if (part.is_foreign) part.state = board_->acknowledged[key.name];
  return part;
}

void Client::Send(std::vector<std::string> args, Asked asked) {
  std::string bytes = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) {
    bytes += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  }
  asked.asked_us = board_->loop->now_us();
  asked_.push_back(std::move(asked));
  wire_->Send(bytes);
}

void Client::SendOne(std::vector<std::string> args, Part part) {
  Asked asked;
  asked.parts.push_back(std::move(part));
  Send(std::move(args), std::move(asked));
}

void Client::Read(const HotKey& key) { SendOne({"GET", key.name}, PartOf(key, Kind::kGet)); }

void Client::Ask() {
  base::Rng& rng = *board_->rng;
  if (rng.Below(10) == 0) return rng.Below(2) == 0 ? AskMany() : AskTransaction();
  AskAbout(board_->keys[rng.Below(board_->keys.size())]);
}

void Client::AskAbout(const HotKey& key) {
  switch (key.key_class) {
    case KeyClass::kForeign:
      return AskForeign(key);
    case KeyClass::kCounter:
      return AskCounter(key);
    default:
      return AskString(key);
  }
}

void Client::Overwrite(const HotKey& key, int64_t lifetime_ms) {
  if (key.key_class == KeyClass::kForeign) return AskForeign(key);
  if (key.key_class == KeyClass::kCounter)
    return SendOne({"INCR", key.name}, PartOf(key, Kind::kIncr));
  const std::string value = key.name + "=" + NewValue();
  std::vector<std::string> args = {"SET", key.name, value};
  if (lifetime_ms == 0) return SendOne(std::move(args), PartOf(key, Kind::kSet, value));
  args.insert(args.end(), {"PX", std::to_string(lifetime_ms)});
  SendOne(std::move(args), PartOf(key, Kind::kSet, value, lifetime_ms * 1000));
}

void Client::AskString(const HotKey& key) {
  base::Rng& rng = *board_->rng;
  if (key.name.starts_with("q:")) return AskBuiltUpon(key);
  // What is made of an origin's value lasts only where no copy of it comes back with a lifetime.
  const bool lasts = key.key_class == KeyClass::kString || key.name.starts_with("l:");
  const uint64_t choice = rng.Below(lasts ? 100 : 80);
  if (choice < 40) return Read(key);
  if (choice < 58) return Overwrite(key, 0);
  if (choice < 66) return SendOne({"DEL", key.name}, PartOf(key, Kind::kDel));
  if (choice < 72) return SendOne({"EXISTS", key.name}, PartOf(key, Kind::kExists));
  const auto lifetime_ms = 1 + static_cast<int64_t>(rng.Below(30));
  if (choice < 80) return Overwrite(key, lifetime_ms);
  if (choice < 85) return SetNew(key);
  if (choice < 91) return Append(key);
  if (choice < 95) return SendOne({"GETDEL", key.name}, PartOf(key, Kind::kGetDel));
  SendOne({"PEXPIRE", key.name, std::to_string(lifetime_ms)},
          PartOf(key, Kind::kExpire, "", lifetime_ms * 1000));
}

void Client::SetNew(const HotKey& key) {
  const std::string value = key.name + "=" + NewValue();
  SendOne({"SET", key.name, value, "NX"}, PartOf(key, Kind::kSetNx, value));
}

void Client::Append(const HotKey& key) {
  const std::string more = NewValue();
  SendOne({"APPEND", key.name, more}, PartOf(key, Kind::kAppend, more));
}

// Writes below that build on the origin's value. Nothing is deleted: a key that goes after it was
// brought in is absent to them.
void Client::AskBuiltUpon(const HotKey& key) {
  const uint64_t choice = board_->rng->Below(100);
  if (choice < 45) return Read(key);
  if (choice < 55) return SendOne({"EXISTS", key.name}, PartOf(key, Kind::kExists));
  if (choice < 60) return Overwrite(key, 0);
  if (choice < 75) return SetNew(key);
  Append(key);
}

void Client::AskCounter(const HotKey& key) {
  const uint64_t choice = board_->rng->Below(100);
  if (choice < 60) return SendOne({"INCR", key.name}, PartOf(key, Kind::kIncr));
  if (choice < 90) return Read(key);
  if (choice < 95) return SendOne({"EXISTS", key.name}, PartOf(key, Kind::kExists));
  SendOne({"DEL", key.name}, PartOf(key, Kind::kDel));
}

void Client::AskForeign(const HotKey& key) {
  const uint64_t choice = board_->rng->Below(100);
  if (choice < 75) return Read(key);
  if (choice < 85) return SendOne({"EXISTS", key.name}, PartOf(key, Kind::kExists));
  board_->origin->Change(key.name);
  Part part = PartOf(key, Kind::kDel);
  part.state = board_->origin->states(key.name).size() - 1;
  SendOne({"DEL", key.name}, std::move(part));
}

void Client::AskMany() {
  base::Rng& rng = *board_->rng;
  const bool is_write = rng.Below(3) == 0;
  Asked asked;
  asked.is_multiple = true;
  std::vector<std::string> args = {is_write ? "MSET" : "MGET"};
  const size_t first = rng.Below(board_->keys.size());
  for (size_t i = 0; i < board_->keys.size() && args.size() < 6; i += 1 + rng.Below(4)) {
    const HotKey& key = board_->keys[(first + i) % board_->keys.size()];
    if (!is_write) {
      args.push_back(key.name);
      asked.parts.push_back(PartOf(key, Kind::kGet));
    } else if (key.key_class != KeyClass::kForeign && key.key_class != KeyClass::kCounter) {
      const std::string value = key.name + "=" + NewValue();
      args.push_back(key.name);
      args.push_back(value);
      asked.parts.push_back(PartOf(key, Kind::kSet, value));
    }
  }
  if (!asked.parts.empty()) Send(std::move(args), std::move(asked));
}

// Keys without an origin: what runs below sees only what the regional tier has at that moment.
void Client::AskTransaction() {
  base::Rng& rng = *board_->rng;
  Asked exec;
  exec.is_multiple = exec.is_exec = true;
  std::vector<std::vector<std::string>> queue;
  for (const HotKey& key : board_->keys) {
    if (!key.name.starts_with("f:") || rng.Below(4) == 0) continue;
    if (rng.Below(2) == 0) {
      queue.push_back({"GET", key.name});
      exec.parts.push_back(PartOf(key, Kind::kGet));
    } else if (key.key_class == KeyClass::kCounter) {
      queue.push_back({"INCR", key.name});
      exec.parts.push_back(PartOf(key, Kind::kIncr));
    } else {
      const std::string value = key.name + "=" + NewValue();
      queue.push_back({"SET", key.name, value});
      exec.parts.push_back(PartOf(key, Kind::kSet, value));
    }
  }
  if (queue.empty()) return;
  Asked preparation;
  preparation.is_preparation = true;
  Send({"MULTI"}, preparation);
  for (auto& args : queue) Send(std::move(args), preparation);
  Send({"EXEC"}, std::move(exec));
}

// ---- Answers -----------------------------------------------------------------------------------

void Client::OnBytes(std::string_view bytes) {
  received_ += bytes;
  while (!received_.empty()) {
    const size_t size = ReplySize(received_);
    if (size == 0) return;
    OnReply(std::string_view(received_).substr(0, size));
    received_.erase(0, size);
  }
}

void Client::OnReply(std::string_view reply) {
  ++board_->replies;
  if (asked_.empty()) return board_->Wrong("a reply that nobody asked for: " + std::string(reply));
  Asked asked = std::move(asked_.front());
  asked_.pop_front();
  const int64_t now_us = board_->loop->now_us();
  const int64_t waited_us = now_us - std::max(asked.asked_us, last_answer_us_);
  last_answer_us_ = now_us;
  board_->slowest_us = std::max(board_->slowest_us, waited_us);
  if (waited_us > kAnswerBoundUs) {
    board_->Wrong("answered after " + std::to_string(waited_us) + " us: " + NameOf(asked));
  }
  if (asked.is_preparation) {
    if (reply[0] != '+' && !reply.starts_with("-OOM ")) {
      board_->Wrong("not queued: " + std::string(reply));
    }
    return;
  }
  if (reply[0] == '-') return OnError(asked, reply);
  if (!asked.is_multiple) return Answer(asked.parts[0], reply);
  if (reply[0] == '+') {
    for (Part& part : asked.parts) Answer(part, reply);
    return;
  }
  if (!reply.starts_with("*" + std::to_string(asked.parts.size()) + "\r\n")) {
    return board_->Wrong("wrong number of parts: " + std::string(reply));
  }
  reply.remove_prefix(reply.find("\r\n") + 2);
  for (Part& part : asked.parts) {
    const size_t size = ReplySize(reply);
    Answer(part, reply.substr(0, size));
    reply.remove_prefix(size);
  }
}

void Client::Answer(Part& part, std::string_view reply) {
  if (part.is_foreign) return AnswerForeign(part, reply);
  Operation& operation = part.operation;
  operation.answered_us = board_->loop->now_us();
  const Kind kind = operation.kind;
  const bool is_number = kind == Kind::kExists || kind == Kind::kIncr || kind == Kind::kAppend ||
                         kind == Kind::kDel || kind == Kind::kExpire;
  if (is_number != (reply[0] == ':')) {
    return board_->Wrong("an answer of another kind, " + std::string(reply) + ", to " +
                         operation.ToString());
  }
  if (is_number) {
    std::from_chars(reply.data() + 1, reply.data() + reply.size(), operation.number);
  } else {
    operation.value = TextOf(reply);
  }
  board_->history->Add(std::move(operation));
}

void Client::AnswerForeign(const Part& part, std::string_view reply) {
  const std::string& key = part.operation.key;
  if (part.operation.kind == Kind::kDel) {
    size_t& acknowledged = board_->acknowledged[key];
    acknowledged = std::max(acknowledged, part.state);
    return;
  }
  const FakeOrigin::States& states = board_->origin->states(key);
  for (size_t i = part.state; i < states.size(); ++i) {
    if (part.operation.kind == Kind::kGet ? reply[0] != ':' && states[i] == TextOf(reply)
                                          : reply == (states[i] ? ":1\r\n" : ":0\r\n")) {
      return;
    }
  }
  board_->Wrong("a stale or foreign value, " + std::string(reply) + ", asked at " +
                std::to_string(part.operation.asked_us) + " when state " +
                std::to_string(part.state) + " of " + key + " was acknowledged and " +
                std::to_string(states.size() - 1) + " was the newest");
}

void Client::OnError(Asked& asked, std::string_view reply) {
  ++board_->errors;
  const bool oom =
      reply.starts_with("-OOM ") || (asked.is_exec && reply.starts_with("-EXECABORT "));
  if (!oom && !reply.starts_with("-TIER ")) {
    return board_->Wrong("an error nothing explains, " + std::string(reply) + ", to " +
                         NameOf(asked));
  }
  // Parts of an MSET may have been written before another failed.
  const bool has_parts = asked.is_multiple && !asked.is_exec;
  const bool is_unknown = !oom && (reply.find("may or may not") != reply.npos || has_parts);
  if (!is_unknown) return;
  for (Part& part : asked.parts) {
    if (!part.is_foreign) board_->history->Add(std::move(part.operation));
  }
}

std::string Client::NameOf(const Asked& asked) {
  return asked.parts.empty() ? "MULTI" : asked.parts[0].operation.ToString();
}

std::string Client::Oldest() const { return NameOf(asked_.front()); }

}  // namespace terrace::sim
