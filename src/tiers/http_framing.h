#pragma once

// What the headers of an HTTP response say about its body, where they must not be taken on trust:
// lenient readers differ in what they make of it, and one of them would be wrong.
// The texts are the values of a header, repeated ones joined with ", ".

#include <string>
#include <string_view>

namespace terrace::tiers {

// Why it cannot be told where the body ends, or "". Lengths must agree (RFC 9112, 6.3), and
// "chunked" is the only transfer coding whose end can be checked.
std::string FramingProblem(std::string_view content_length, std::string_view transfer_encoding);

// The one encoding of the body, or "" when it has none. What is no single name is given as it is.
std::string ContentEncodingOf(std::string_view content_encoding);

}  // namespace terrace::tiers
