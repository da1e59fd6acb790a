#pragma once

// Body: the one pointer of a hash, set or sorted set, with two low bits that say which
// representation it points to; so the object around it takes 16 bytes.
//
// Ownership: none of its own; the object frees what it points to. View and Borrowed lend it to the
// class that understands the bytes (Listpack, Intset) for the life of the guard.

#include <cstdint>
#include <utility>

#include "base/check.h"

namespace terrace::keyspace {

// A representation that is one block of bytes, read in place.
template <typename Block>
class View {
 public:
  explicit View(uint8_t* data) : block_(Block::Adopt(data)) {}
  ~View() { block_.Release(); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  const Block* operator->() const { return &block_; }
  const Block& operator*() const { return block_; }

 private:
  Block block_;
};

class Body {
 public:
  Body(void* pointer, unsigned kind)
      : word_(reinterpret_cast<uintptr_t>(pointer) | static_cast<uintptr_t>(kind)) {
    TERRACE_CHECK((reinterpret_cast<uintptr_t>(pointer) & kKindMask) == 0);
  }

  unsigned kind() const { return static_cast<unsigned>(word_ & kKindMask); }

  template <typename T>
  T* As() const {
    return reinterpret_cast<T*>(word_ & ~kKindMask);
  }

  template <typename Block>
  View<Block> Read() const {
    return View<Block>(As<uint8_t>());
  }

  // Lends the block for changing; it may move meanwhile.
  template <typename Block>
  class Borrowed {
   public:
    explicit Borrowed(Body& body) : body_(body), block_(Block::Adopt(body.As<uint8_t>())) {}
    ~Borrowed() { body_ = Body(block_.Release(), body_.kind()); }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Block* operator->() { return &block_; }
    Block& operator*() { return block_; }

   private:
    Body& body_;
    Block block_;
  };

  template <typename Block>
  Borrowed<Block> Edit() {
    return Borrowed<Block>(*this);
  }

 private:
  static constexpr uintptr_t kKindMask = 3;
  uintptr_t word_;
};

}  // namespace terrace::keyspace
