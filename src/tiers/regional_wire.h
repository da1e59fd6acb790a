#pragma once

// The regional tier's side of the Redis protocol: commands as RESP2 bytes, replies as a small
// struct. Pure functions over bytes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::tiers {

// What a caller wants of the next reply.
enum class ReplyForm : uint8_t {
  kBare,    // bytes are the text or payload alone: no type byte, no length, no line ends
  kFramed,  // bytes are the complete reply encoded in RESP2
};

// One complete reply. An array is framed in either form.
struct RegionalReply {
  enum class Type : uint8_t { kStatus, kError, kInteger, kBulk, kNil, kArray };
  Type type = Type::kNil;
  int64_t integer = 0;
  std::string bytes;
};

// MULTI, the commands and EXEC, in one piece.
void AppendTransaction(std::string* out, const std::vector<std::vector<std::string>>& commands);

// Bytes a command takes beyond its longest argument, rounded up.
inline constexpr size_t kCommandBytes = 64;
// About what these take on the wire.
size_t BytesOf(const std::vector<std::string>& args);
size_t BytesOf(const std::vector<std::vector<std::string>>& transaction);

// The server's wall clock in ms, out of a reply of TIME; nothing when it is none.
std::optional<int64_t> ReadTime(std::string_view framed_reply);

// The first word of an error reply's text: "NOPERM", "ERR", ...
std::string_view ErrorCode(std::string_view text);

// Does this error code say that the server cannot serve anything at present? Then the command has
// not been executed, and the same one may succeed later.
bool SaysCannotServe(std::string_view code);

// Why this command may not travel over a connection shared by everybody, or empty when it may. It
// would change the connection's state (SELECT, HELLO, MULTI), send replies out of turn (SUBSCRIBE,
// CLIENT REPLY) or make everything behind it wait (BLPOP).
std::string_view WhyNotRelayed(const std::vector<std::string>& args);

}  // namespace terrace::tiers
