#pragma once

// List::Chain: the nodes of a list that outgrew one listpack. Private to the list.
//
// Promises:  no node is empty, except between EraseAt and DropEmptyNodes. The sums of elements and
//            of heap bytes are kept, not computed.
// Ownership: cursors address nodes by index and die with the next change.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/types/list.h"

namespace terrace::keyspace {

// What list-max-listpack-size means: n > 0 allows n elements (and 8 KiB), -1 to -5 allow 4 to
// 64 KiB.
class ListNodeLimit {
 public:
  explicit ListNodeLimit(const EncodingLimits& limits);

  bool Exceeds(size_t bytes, size_t count) const {
    return bytes > bytes_max_ || count > count_max_;
  }
  // Whether one node of this size may become the whole list again.
  bool AllowsOnePack(size_t bytes, size_t count, size_t divisor) const;
  // Large elements get a node of their own.
  bool IsLarge(std::string_view value) const { return value.size() > bytes_max_; }

 private:
  uint32_t bytes_max_;
  uint32_t count_max_;
  bool counts_;
};

struct List::Node {
  Node();  // a free slot
  explicit Node(Listpack packed);
  explicit Node(std::string_view element);
  Node(Node&&) noexcept = default;
  Node& operator=(Node&&) noexcept = default;
  Node(const Node& other);
  Node& operator=(const Node&) = delete;

  size_t heap_bytes() const;
  bool Allows(std::string_view value, const ListNodeLimit& limit) const;

  Listpack pack;                       // holds no block when plain is set
  std::unique_ptr<std::string> plain;  // the only element
  size_t count;
};

class List::Chain {
 public:
  // Nodes are as large as the limit of the moment allowed, also after it has changed, as in Redis.
  explicit Chain(const ListNodeLimit& limit) : limit_(limit) {}
  Chain(const Chain&) = default;
  Chain& operator=(const Chain&) = delete;
  ~Chain();

  size_t size() const { return size_; }
  size_t heap_bytes() const;
  size_t node_count() const { return nodes_.size() - head_; }
  const Node& node(size_t index) const { return nodes_[head_ + index]; }

  void Append(Node node) { InsertNode(node_count(), std::move(node)); }
  Listpack TakeOnlyPack();

  Cursor Seek(size_t index) const;
  void Push(ListEnd end, std::string_view value);
  void Replace(Cursor at, std::string_view value);
  void Insert(Cursor at, ListSide side, std::string_view value);
  void EraseRange(Cursor from, size_t count);
  // Returns the position after the erased element; the node may be left empty.
  Listpack::Position EraseAt(Cursor at);
  void DropEmptyNodes();

 private:
  Node& MutableNode(size_t index) { return nodes_[head_ + index]; }
  void InsertNode(size_t index, Node node);
  void EraseNodes(size_t first, size_t count);
  template <typename Change>
  auto ChangeNode(size_t index, Change change);
  // As the new node number index.
  void InsertAlone(size_t index, std::string_view value);
  void SplitNode(size_t index, Listpack::Position at);
  bool MergeWithNext(size_t index);

  // Slots before head_ are free, so that a queue gains and loses nodes at its head in O(1).
  std::vector<Node> nodes_;
  size_t head_ = 0;
  size_t size_ = 0;
  size_t node_bytes_ = 0;
  ListNodeLimit limit_;
};

}  // namespace terrace::keyspace
