#pragma once

// RestoredValue: a payload restored into a keyspace of its own, for fuzz targets: commands of its
// type read and change it, and after that it must still be a value like any other.
//
// Threads: loop-confined.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "keyspace/digest.h"
#include "keyspace/dump.h"
#include "keyspace/rdb/footer.h"
#include "keyspace/rdb/format.h"
#include "support/command_runner.h"

namespace terrace::commands {

// What stands for parts of the value in a command line.
inline constexpr std::string_view kAnId = "ID";
inline constexpr std::string_view kAGroup = "GROUP-NAME";
inline constexpr std::string_view kAConsumer = "CONSUMER-NAME";

class RestoredValue : private CommandRunner {
 public:
  // body: the payload without its footer, which gets a right one here.
  RestoredValue(std::string_view body, const keyspace::EncodingLimits& encoding) {
    limits_.encoding = encoding;
    std::string payload(body);
    keyspace::rdb::AppendFooter(keyspace::rdb::kVersionMax, &payload);
    is_accepted_ = CommandRunner::Run({"RESTORE", "k", "0", payload}) == "+OK\r\n";
  }

  bool is_accepted() const { return is_accepted_; }
  std::string_view type() {
    const keyspace::Entry* const entry = Data().Peek(keyspace_.MakeKey("k"));
    return entry == nullptr ? "none" : keyspace::TypeName(entry->type());
  }

  // Runs command lines in both protocols, the first of them at `first`.
  void Play(const std::vector<std::string_view>& lines, size_t first = 0) {
    for (size_t i = 0; i < lines.size(); ++i) {
      protocol_ = (first + i) % 2 == 0 ? 2 : 3;
      RunWithParts(lines[(first + i) % lines.size()]);
    }
  }

  // A value must come back from its own payload and from COPY as it is.
  void CheckCopies() {
    protocol_ = 2;
    const keyspace::Entry* const entry = Data().Peek(keyspace_.MakeKey("k"));
    if (entry == nullptr) return;
    const std::string dumped = CommandRunner::Run("DUMP k");
    const size_t begin = dumped.find("\r\n") + 2;
    Restore("again", std::string_view(dumped).substr(begin, dumped.size() - begin - 2));
    // DUMP leaves out what Redis 5 does not know of a stream.
    if (type() == "stream") {
      Restore("again", keyspace::EncodeDump(*entry->object(), keyspace::DumpReader::kRedis72));
    }
    TERRACE_CHECK(DigestOf("again") == DigestOf("k"));
    TERRACE_CHECK(CommandRunner::Run("COPY k copy REPLACE") == ":1\r\n");
    TERRACE_CHECK(DigestOf("copy") == DigestOf("k"));
  }

  // A stream has as many entries in either direction as it says.
  void CheckRanges() {
    if (type() != "stream") return;
    const std::string length = Plain({"XLEN", "k"}).substr(1);
    const std::string head = "*" + length;
    TERRACE_CHECK(Plain({"XRANGE", "k", "-", "+"}).starts_with(head));
    TERRACE_CHECK(Plain({"XREVRANGE", "k", "+", "-"}).starts_with(head));
  }

  // When everything is gone, the account must say so.
  void CheckAccount() {
    CommandRunner::Run("DEL k again copy other");
    TERRACE_CHECK(Data().size() == 0);
    const int64_t used_bytes = keyspace_.used_bytes();
    // The first keys of all make the tables; after that, a key leaves nothing behind.
    for (const std::string_view key : {"k", "again", "copy", "other"}) {
      CommandRunner::Run({"SET", key, "v"});
      CommandRunner::Run({"DEL", key});
    }
    TERRACE_CHECK(keyspace_.used_bytes() == used_bytes);
  }

 private:
  keyspace::Digest DigestOf(std::string_view key) {
    const keyspace::Entry* const entry = Data().Peek(keyspace_.MakeKey(key));
    TERRACE_CHECK(entry != nullptr);
    return keyspace::DigestOfValue(*entry, clock_.now_ms);
  }

  void Restore(std::string_view key, std::string_view payload) {
    TERRACE_CHECK(CommandRunner::Run({"RESTORE", key, "0", payload, "REPLACE"}) == "+OK\r\n");
  }

  // The bulk string that follows this text in a reply; empty where there is none.
  static std::string BulkAfter(std::string_view reply, std::string_view text) {
    const size_t found = reply.find(text);
    if (found == std::string_view::npos) return {};
    reply.remove_prefix(found + text.size());
    if (!reply.starts_with('$')) return {};
    const size_t end = reply.find("\r\n");
    size_t size = 0;
    for (const char digit : reply.substr(1, end - 1)) {
      size = size * 10 + static_cast<size_t>(digit - '0');
    }
    return std::string(reply.substr(end + 2, size));
  }

  void RunWithParts(std::string_view line) {
    std::string id = BulkAfter(Plain({"XRANGE", "k", "-", "+", "COUNT", "1"}), "*2\r\n");
    if (id.empty()) id = "1-1";
    const std::string group = BulkAfter(Plain({"XINFO", "GROUPS", "k"}), "$4\r\nname\r\n");
    const std::string consumer =
        BulkAfter(Plain({"XINFO", "CONSUMERS", "k", group}), "$4\r\nname\r\n");
    std::vector<std::string_view> words;
    for (size_t at = 0; at <= line.size();) {
      const size_t end = std::min(line.find(' ', at), line.size());
      const std::string_view word = line.substr(at, end - at);
      words.push_back(word == kAnId        ? std::string_view(id)
                      : word == kAGroup    ? std::string_view(group)
                      : word == kAConsumer ? std::string_view(consumer)
                                           : word);
      at = end + 1;
    }
    CommandRunner::Run(words);
  }

  // What asks for the parts speaks RESP2, and only of streams.
  std::string Plain(const std::vector<std::string_view>& words) {
    if (type() != "stream") return {};
    const int protocol = std::exchange(protocol_, 2);
    std::string reply = CommandRunner::Run(words);
    protocol_ = protocol;
    return reply;
  }

  bool is_accepted_;
};

}  // namespace terrace::commands
