#include "replication/command_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <vector>

#include "base/buffer.h"
#include "base/letters.h"
#include "resp/request_parser.h"

namespace terrace::replication {
namespace {

constexpr size_t kLogStepBytes = 256 << 10;
// A command names the size of what follows; believe it so much at a time.
constexpr size_t kLogStepBytesMax = size_t{16} << 20;

class CommandLog {
 public:
  CommandLog(ByteInput* input, uint64_t offset, CommandSink* sink)
      : input_(input), sink_(sink), offset_(offset) {
    limits_.bulk_bytes_max = std::numeric_limits<int64_t>::max();
    result_.whole_bytes = offset;
  }

  CommandLogRead Read() {
    while (result_.error.empty() && Next()) {
    }
    return result_;
  }

 private:
  // Takes one command or line; false at the end.
  bool Next() {
    if (bytes_.empty() && !Fill()) return End(is_within_unit_);
    if (bytes_.view().front() == '#') return SkipLine();
    if (bytes_.view().front() != '*') return Fail("there is no command");
    arguments_.clear();
    size_t consumed = 0;
    switch (parser_.Parse(bytes_.view(), limits_, &arguments_, &consumed)) {
      case resp::RequestParser::Status::kIncomplete:
        return Fill() || End(true);
      case resp::RequestParser::Status::kError:
        return Fail(parser_.error());
      case resp::RequestParser::Status::kComplete:
        break;
    }
    if (!arguments_.empty() && !Take()) return false;
    Consume(consumed);
    if (!is_within_unit_) result_.whole_bytes = offset_;
    return true;
  }

  // There is no more.
  bool End(bool is_truncated) {
    result_.is_truncated = is_truncated && result_.error.empty();
    return false;
  }

  bool SkipLine() {
    const size_t end = bytes_.view().find('\n');
    if (end == std::string_view::npos) return Fill() || End(true);
    Consume(end + 1);
    if (!is_within_unit_) result_.whole_bytes = offset_;
    return true;
  }

  // What is between MULTI and EXEC waits for the EXEC.
  bool Take() {
    const std::string name = base::LowerCase(arguments_[0]);
    if (name == "multi" && arguments_.size() == 1) {
      if (is_within_unit_) return Fail("a transaction begins in another");
      is_within_unit_ = true;
      return true;
    }
    if (name == "exec" && arguments_.size() == 1) {
      if (!is_within_unit_) return Fail("a transaction ends that has not begun");
      is_within_unit_ = false;
      for (const auto& queued : unit_) {
        const std::vector<std::string_view> arguments(queued.begin(), queued.end());
        if (!Give(arguments)) return false;
      }
      unit_.clear();
      return true;
    }
    if (!is_within_unit_) return Give(arguments_);
    unit_.emplace_back(arguments_.begin(), arguments_.end());
    return true;
  }

  bool Give(std::span<const std::string_view> arguments) {
    ++result_.commands;
    const std::string error = sink_->OnCommand(arguments);
    return error.empty() || Fail(error);
  }

  bool Fail(const std::string& why) {
    result_.error = why + " at offset " + std::to_string(offset_);
    return false;
  }

  void Consume(size_t count) {
    bytes_.Consume(count);
    offset_ += count;
  }

  bool Fill() {
    const size_t wanted = parser_.bytes_wanted();
    const size_t missing = wanted > bytes_.size() ? wanted - bytes_.size() : 0;
    const size_t room = std::clamp(missing, kLogStepBytes, kLogStepBytesMax);
    const int64_t got = input_->Read(bytes_.Reserve(room), room);
    if (got < 0) result_.error = std::string("cannot be read: ") + std::strerror(errno);
    if (got > 0) bytes_.Commit(static_cast<size_t>(got));
    return got > 0;
  }

  ByteInput* const input_;
  CommandSink* const sink_;
  uint64_t offset_;  // of what is at the front of bytes_
  base::Buffer bytes_;
  resp::RequestParser parser_;
  resp::RequestLimits limits_;
  std::vector<std::string_view> arguments_;
  bool is_within_unit_ = false;
  std::vector<std::vector<std::string>> unit_;
  CommandLogRead result_;
};

}  // namespace

CommandLogRead ReadCommandLog(ByteInput* input, uint64_t offset, CommandSink* sink) {
  return CommandLog(input, offset, sink).Read();
}

}  // namespace terrace::replication
