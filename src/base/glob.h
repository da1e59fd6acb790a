#pragma once

// GlobMatch: the pattern language of KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET and ACL rules, to the
// letter as Redis matches it.
//
//   *       any run of bytes, also none        ?     any one byte
//   [abc]   one of them; [a-z] a range, either way round; [^...] none of them; a missing ']' is
//           taken as standing at the end of the pattern; []...] starts with an empty class
//   \x      x itself, inside a class too; a lone backslash at the end is a backslash
//   Anything else stands for itself. Any byte may occur, NUL included.
//   A pattern that needs more than a thousand stars, those at its end not counted, matches nothing.
//   The empty text is matched by the empty pattern only, not even by "*", as in Redis.
//
// Promises: time is at most pattern size times text size, whatever the pattern ("a*a*a*a*b" too);
//           no allocation, no recursion.
// Threads:  a pure function.

#include <cstdint>
#include <string_view>

namespace terrace::base {

enum class GlobCase : uint8_t { kSensitive, kInsensitive };

[[nodiscard]] bool GlobMatch(std::string_view pattern, std::string_view text,
                             GlobCase glob_case = GlobCase::kSensitive);

// Does the pattern hold any of the bytes that give it more than one meaning ("*?[\")?
[[nodiscard]] bool IsGlob(std::string_view pattern);

}  // namespace terrace::base
