#pragma once

// Numbers: text to number and back, bit for bit the way Redis does it, because clients compare the
// text and because integer-looking values choose the compact encodings.
//
// Promises: every Parse accepts the whole text or nothing; every Format result parses back.
// Ownership: a returned view points into the caller's buffer (or, for ParseX, nothing is kept).
// Threads:  pure functions; the C locale is assumed, as everywhere in the server.
// Errors:   nullopt for text that Redis would reject.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace terrace::base {

inline constexpr size_t kInt64CharsMax = 20;  // "-9223372036854775808"
inline constexpr size_t kDoubleCharsMax = 32;
inline constexpr size_t kFixedCharsMax = 48;

using Int64Text = std::array<char, kInt64CharsMax>;
using DoubleText = std::array<char, kDoubleCharsMax>;
using FixedText = std::array<char, kFixedCharsMax>;

// The canonical decimal form only: no spaces, no '+', no leading zeros, no "-0". So that
// FormatInt64 of the result gives back the very same text.
[[nodiscard]] std::optional<int64_t> ParseInt64(std::string_view text);

// A decimal or hexadecimal float, or inf/infinity in any case and with a sign. No spaces around it,
// no NaN, and neither overflow to infinity nor underflow to zero.
[[nodiscard]] std::optional<double> ParseDouble(std::string_view text);

// The same for long double (INCRBYFLOAT and HINCRBYFLOAT work on these).
[[nodiscard]] std::optional<long double> ParseLongDouble(std::string_view text);

// The value as an integer when that loses nothing, for doubles up to 2^62.
[[nodiscard]] std::optional<int64_t> ExactInt64(double value);

std::string_view FormatInt64(int64_t value, Int64Text& buffer);

// The shortest text that parses back to the same double: plain digits where they are short,
// otherwise d.ddde+x; "inf", "-inf", "nan", "-0". Used for scores and RESP3 doubles.
std::string_view FormatDouble(double value, DoubleText& buffer);

// With 17 significant digits, as printf's %.17g writes it: exact, but longer than needed.
std::string_view FormatDouble17(double value, DoubleText& buffer);

// Rounded to the given number of decimals, trailing zeros kept (geo distances).
// REQUIRES: 1 <= decimals <= 17 and |value| * 10^decimals < 2^63.
std::string_view FormatFixed(double value, int decimals, FixedText& buffer);

// Never exponential, at most 17 decimals, trailing zeros removed.
std::string FormatLongDouble(long double value);

}  // namespace terrace::base
