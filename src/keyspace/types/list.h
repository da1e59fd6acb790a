#pragma once

// List: the value of LPUSH and its kin. One listpack while it is small, then a chain of listpacks
// ("quicklist") whose size list-max-listpack-size bounds; an element too large for a listpack is a
// node of its own.
//
// Promises:  pushes and pops at both ends are O(1) but for moving the bytes of one node; an index
//            costs one step per node; OBJECT ENCODING changes where Redis changes it.
// Ownership: elements are copied in; a Value and a Cursor die with the next change, except where a
//            function says otherwise.
// Units:     indexes are 0-based from the head; where a function says so, negative ones count from
//            the tail, -1 being the last.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "keyspace/object.h"
#include "keyspace/types/encoding_limits.h"
#include "keyspace/types/listpack.h"

namespace terrace::keyspace {

enum class ListEnd : uint8_t { kHead, kTail };
enum class ListSide : uint8_t { kBefore, kAfter };

class List final : public Object {
 public:
  using Value = Listpack::Value;

  // A place in the list; past either end it is not valid.
  struct Cursor {
    size_t node = 0;
    Listpack::Position at = Listpack::kNone;
    bool valid() const { return at != Listpack::kNone; }
  };

  List();
  ~List() override;

  Type type() const override { return Type::kList; }
  std::string_view encoding() const override;
  size_t bytes() const override;
  size_t size() const override;
  std::unique_ptr<Object> Clone() const override;
  size_t free_effort() const override;

  // index may be negative.
  Cursor Seek(int64_t index) const;
  Cursor Next(Cursor at) const;
  Cursor Previous(Cursor at) const;
  // These two REQUIRE a valid cursor.
  Value Get(Cursor at) const;
  bool Equals(Cursor at, std::string_view text) const;

  // One after the other: pushed to the head, the last of them is the new head.
  void Push(ListEnd end, std::span<const std::string_view> values, const EncodingLimits& limits);
  void Push(ListEnd end, std::string_view value, const EncodingLimits& limits);

  // index may be negative; false when there is no such element.
  bool Set(int64_t index, std::string_view value, const EncodingLimits& limits);

  // REQUIRES: at.valid().
  void Insert(Cursor at, ListSide side, std::string_view value, const EncodingLimits& limits);

  // Elements [start, start + count), as far as they exist. A list may become empty: whoever holds
  // it then drops the key. A small one gets its compact encoding back, even if nothing goes.
  void Erase(size_t start, size_t count, const EncodingLimits& limits);

  // LREM: up to |count| elements equal to value, from the tail when count < 0, all when it is 0.
  size_t Remove(int64_t count, std::string_view value, const EncodingLimits& limits);

  // For loading: takes over whole nodes, then chooses the encoding once.
  void AppendNode(Listpack node, const EncodingLimits& limits);
  void AppendPlainNode(std::string_view element, const EncodingLimits& limits);
  void FinishLoading(const EncodingLimits& limits);

 private:
  struct Node;
  class Chain;
  // The position of the only element of a plain node.
  static constexpr Listpack::Position kPlainPosition = 1;
  // A list must fall to half the limit to become one listpack, so that it does not convert to and
  // fro around the limit.
  static constexpr size_t kShrinkDivisor = 2;

  List(const List& other);

  const Listpack* PackAt(size_t node) const;  // nullptr for a plain node
  size_t node_count() const;
  void MakeChain(const EncodingLimits& limits);
  void MakeRoom(size_t added_bytes, size_t added_count, const EncodingLimits& limits);
  // divisor 1 allows the whole limit.
  void ShrinkIfSmall(const EncodingLimits& limits, size_t divisor);
  size_t RemoveForward(size_t count_max, std::string_view value);
  size_t RemoveBackward(size_t count_max, std::string_view value);
  // Returns the position behind it in its node, which may be left empty in a chain.
  Listpack::Position EraseAt(Cursor at);

  Listpack pack_;  // everything, while chain_ is null
  std::unique_ptr<Chain> chain_;
};

}  // namespace terrace::keyspace
