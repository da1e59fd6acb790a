#include "commands/stream_trim.h"

#include <algorithm>

#include "commands/stream_values.h"

namespace terrace::commands {
namespace {

using keyspace::StreamNewId;
using keyspace::StreamTrim;

class TrimParser {
 public:
  TrimParser(Call& call, StreamOptionsOf command)
      : call_(call), is_add_(command == StreamOptionsOf::kXadd) {}

  std::optional<StreamAddOptions> Parse() {
    size_t at = 2;
    while (at < call_.argc()) {
      const bool has_value = at + 1 < call_.argc();
      if (is_add_ && call_.args[at] == "*") break;
      if (has_value && (call_.Is(at, "maxlen") || call_.Is(at, "minid"))) {
        if (!ParseTrim(&at)) return std::nullopt;
      } else if (has_value && call_.Is(at, "limit")) {
        if (!ParseLimit(&at)) return std::nullopt;
      } else if (is_add_ && call_.Is(at, "nomkstream")) {
        options_.create = false;
        ++at;
      } else if (is_add_) {
        if (!ParseId(at)) return std::nullopt;
        break;
      } else {
        call_.reply.SyntaxError();
        return std::nullopt;
      }
    }
    options_.id_argument = at;
    if (!CheckLimit()) return std::nullopt;
    return options_;
  }

 private:
  bool Fail(std::string_view error) {
    call_.reply.Error(error);
    return false;
  }

  bool ParseTrim(size_t* at) {
    if (options_.trim) {
      return Fail("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    }
    StreamTrim trim;
    trim.by = call_.Is(*at, "maxlen") ? StreamTrim::By::kLength : StreamTrim::By::kMinId;
    size_t value = *at + 1;
    if (value + 1 < call_.argc() && (call_.args[value] == "~" || call_.args[value] == "=")) {
      if (call_.args[value] == "~") trim.precision = StreamTrim::Precision::kWholeNodes;
      ++value;
    }
    if (trim.by == StreamTrim::By::kLength) {
      const std::optional<int64_t> length = call_.Integer(value);
      if (!length) return false;
      if (*length < 0) return Fail("ERR The MAXLEN argument must be >= 0.");
      trim.length_max = static_cast<uint64_t>(*length);
    } else {
      const std::optional<keyspace::StreamId> id = ParseStreamId(call_, value);
      if (!id) return false;
      trim.min_id = *id;
    }
    options_.trim = trim;
    *at = value + 1;
    return true;
  }

  bool ParseLimit(size_t* at) {
    const std::optional<int64_t> limit = call_.Integer(*at + 1);
    if (!limit) return false;
    if (*limit < 0) return Fail("ERR The LIMIT argument must be >= 0.");
    limit_ = static_cast<uint64_t>(*limit);
    *at += 2;
    return true;
  }

  bool ParseId(size_t at) {
    std::string_view text = call_.args[at];
    options_.id.kind = StreamNewId::Kind::kGiven;
    if (text.ends_with("-*") && text.find('-') == text.size() - 2) {
      options_.id.kind = StreamNewId::Kind::kAutoSequence;
      text.remove_suffix(2);
    }
    const std::optional<keyspace::StreamId> id = ReadStreamId(text, 0);
    if (!id) return Fail("ERR Invalid stream ID specified as stream command argument");
    options_.id.id = *id;
    return true;
  }

  // A limit is for trimming by whole nodes, which has one anyway: the work of one command.
  bool CheckLimit() {
    if (limit_.value_or(0) != 0 && !options_.trim) {
      return Fail("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    }
    if (!is_add_ && !options_.trim) {
      return Fail("ERR syntax error, XTRIM must be called with a trimming strategy");
    }
    const bool whole_nodes =
        options_.trim && options_.trim->precision == StreamTrim::Precision::kWholeNodes;
    if (limit_ && !whole_nodes) {
      return Fail("ERR syntax error, LIMIT cannot be used without the special ~ option");
    }
    if (!whole_nodes) return true;
    constexpr uint64_t kNodesMax = 100;
    constexpr uint64_t kEntriesMax = 1'000'000;
    constexpr uint64_t kEntriesWithoutNodeLimit = 10'000;
    const uint64_t node_entries = call_.limits.encoding.stream_node_max_entries;
    const uint64_t usual = node_entries == 0 ? kEntriesWithoutNodeLimit
                                             : std::min(kNodesMax * node_entries, kEntriesMax);
    options_.trim->removed_max = limit_.value_or(usual);
    return true;
  }

  Call& call_;
  const bool is_add_;
  StreamAddOptions options_;
  std::optional<uint64_t> limit_;
};

}  // namespace

std::optional<StreamAddOptions> ParseStreamOptions(Call& call, StreamOptionsOf command) {
  return TrimParser(call, command).Parse();
}

}  // namespace terrace::commands
