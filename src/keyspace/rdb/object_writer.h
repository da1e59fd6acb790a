#pragma once

// WriteObject: a value that is not a string, in the RDB format. The mirror of ReadObject.
//
// The encodings are the plain ones that every Redis since 5 reads, except for what they cannot
// carry: the deadlines of hash fields always, and the counters of streams if the reader may be as
// new as that.

#include <cstdint>
#include <string>

namespace terrace::keyspace {
class Hash;
class List;
class Object;
class Set;
class Stream;
class Zset;
}  // namespace terrace::keyspace

namespace terrace::keyspace::rdb {

// Appends the value, tag first. version_max is the newest RDB version that the reader understands.
// Returns the version it needs: kVersionWritten, or more for a newer encoding.
uint16_t WriteObject(const Object& object, uint16_t version_max, std::string* out);

uint16_t WriteStream(const Stream& stream, uint16_t version_max, std::string* out);

}  // namespace terrace::keyspace::rdb
