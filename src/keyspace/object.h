#pragma once

// Object: the value of a key that is not a plain string. It knows nothing of keys, shards or
// commands; the keyspace owns it and asks what it needs for accounting and freeing.
//
// Promises:  bytes() and size() are O(1), so the account can be kept at every write.
// Ownership: an object owns everything it reports; views it hands out die with the next mutation.
// Threads:   none inside; used under the lock of its shard.
// Units:     bytes of heap as the allocator rounds them, the object itself included.

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "keyspace/type.h"

namespace terrace::keyspace {

class Object {
 public:
  virtual ~Object() = default;
  virtual Type type() const = 0;
  virtual std::string_view encoding() const = 0;  // the name OBJECT ENCODING gives
  virtual size_t bytes() const = 0;
  virtual size_t size() const = 0;  // elements
  virtual std::unique_ptr<Object> Clone() const = 0;
  // How many pieces freeing costs; large values are freed off the request path.
  virtual size_t free_effort() const = 0;

  // Values may have parts that expire by themselves (fields of a hash). When the next one does, in
  // ms on NowMs time, or -1 for never; and how the parts that are due at now_ms leave, at most
  // count_max of them, each of which leaving is called with before. Returns how many left.
  using Leaving = std::function<void(std::string_view part)>;
  virtual int64_t next_part_deadline_ms() const { return -1; }
  virtual size_t RemoveDueParts(int64_t now_ms, size_t count_max, const Leaving& leaving) {
    return 0;
  }

 protected:
  Object() = default;
  Object(const Object&) = default;
  Object& operator=(const Object&) = default;
};

}  // namespace terrace::keyspace
