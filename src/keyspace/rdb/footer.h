#pragma once

// The end of a payload of DUMP and FUNCTION DUMP: the version of its format and a checksum.
//
// Threads: pure functions.

#include <cstdint>
#include <string>
#include <string_view>

namespace terrace::keyspace::rdb {

void AppendFooter(uint16_t version, std::string* payload);
// Is there a footer, of a version that can be read, whose checksum is right?
[[nodiscard]] bool HasValidFooter(std::string_view payload);

}  // namespace terrace::keyspace::rdb
