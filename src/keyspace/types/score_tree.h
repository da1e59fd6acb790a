#pragma once

// ScoreTree: the members of a large sorted set in the order of (score, member), as a B+-tree whose
// inner nodes count what is below them; so ranks cost what lookups cost. It replaces the skip list
// that Redis uses: a third of the memory and a handful of cache lines per lookup.
//
// An inner node keeps, for each child, the smallest item under it; the first child's is not read.
// After an erase neighbours are joined when they fit together comfortably, and an almost empty node
// takes its share from a full neighbour; no leaf is empty, no inner node has a single child.
//
// Ownership: the records belong to the owner; the tree keeps pointers and never frees them.
// Units:     a rank counts from 0 in ascending order.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/background.h"

namespace terrace::keyspace {

// A member and its score in one block: score (8 bytes) | length | member.
struct ZsetRecord {
  static ZsetRecord* New(std::string_view member, double score);
  static void Free(ZsetRecord* record);
  static std::string_view Key(const ZsetRecord* record);
  static double Score(const ZsetRecord* record);
  static void SetScore(ZsetRecord* record, double score);
  // What its block costs.
  static size_t HeapBytes(const ZsetRecord* record);
};

class ScoreTree {
 public:
  struct Item {
    double score;
    ZsetRecord* record;
  };

  ScoreTree();
  ~ScoreTree();
  ScoreTree(const ScoreTree&) = delete;
  ScoreTree& operator=(const ScoreTree&) = delete;

  size_t size() const { return size_; }
  size_t heap_bytes() const { return heap_bytes_; }

  // REQUIRES: no item with this score and member is present.
  void Insert(Item item);
  // REQUIRES: the item is present.
  void Erase(Item item);
  // Moves an item to another score. REQUIRES: the item is present.
  void Update(Item item, double new_score);
  // REQUIRES: rank < size().
  Item At(size_t rank) const;

  // How many leading items satisfy the predicate, which must hold for a prefix of the order.
  template <typename Predicate>
  size_t CountWhile(Predicate predicate) const;

  // Visits `count` items from `rank` on, upwards or downwards. REQUIRES: they exist.
  template <typename Visitor>
  void VisitUp(size_t rank, size_t count, Visitor visit) const;
  template <typename Visitor>
  void VisitDown(size_t rank, size_t count, Visitor visit) const;

  // The order of the tree: by score, then by the bytes of the member.
  static bool Less(const Item& a, const Item& b) {
    if (a.score != b.score) return a.score < b.score;
    return a.record != b.record && ZsetRecord::Key(a.record) < ZsetRecord::Key(b.record);
  }

  // Verifies every invariant of the structure; for tests.
  void CheckInvariants() const;

 private:
  static constexpr size_t kLeafItems = 62;      // makes a leaf 1 KiB
  static constexpr size_t kInnerChildren = 63;  // makes an inner node 2 KiB
  static constexpr int kHeightMax = 12;

  struct Leaf {
    uint32_t count = 0;
    Leaf* previous = nullptr;
    Leaf* next = nullptr;
    double scores[kLeafItems];
    ZsetRecord* records[kLeafItems];
    Item item(size_t i) const { return {scores[i], records[i]}; }
  };
  struct Inner {
    uint32_t count = 0;
    void* children[kInnerChildren];
    size_t sizes[kInnerChildren];
    double scores[kInnerChildren];
    ZsetRecord* records[kInnerChildren];
    Item item(size_t i) const { return {scores[i], records[i]}; }
  };
  struct Step {
    Inner* node;
    size_t index;
  };
  struct Path {
    Step steps[kHeightMax];
    Leaf* leaf = nullptr;
  };
  struct Place {
    const Leaf* leaf;
    size_t index;
  };

  // The first of [first, count) whose item does not satisfy the predicate.
  template <typename Node, typename Predicate>
  static size_t PartitionPoint(const Node& node, size_t first, Predicate& predicate) {
    size_t low = first;
    size_t high = node.count;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (predicate(node.item(middle))) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  Path Descend(const Item& item) const;
  Place PlaceOf(size_t rank) const;
  Leaf* NewLeaf();
  Inner* NewInner();
  void FreeLeaf(Leaf* leaf);
  void FreeInner(Inner* inner);
  void FreeSubtree(void* node, int height, base::Turns& turns);
  static void PutChild(Inner& node, size_t at, void* child, size_t child_size, Item smallest);
  static void DropChild(Inner& node, size_t at);
  static void MoveChildren(Inner& from, size_t first, Inner& to);
  Leaf* SplitLeaf(Leaf* leaf, size_t insert_at);
  void InsertChild(Path& path, int level, void* child, size_t child_size, Item smallest);
  void Shrink(Path& path);
  bool BalanceLeaves(Inner& parent, size_t left_index);
  bool BalanceInners(Inner& parent, size_t left_index);
  size_t CheckSubtree(const void* node, int height, const Leaf** last_leaf) const;

  void* root_;      // a Leaf when height_ is 0, else an Inner
  int height_ = 0;  // inner levels above the leaves
  size_t size_ = 0;
  size_t heap_bytes_ = 0;
};

template <typename Predicate>
size_t ScoreTree::CountWhile(Predicate predicate) const {
  const void* node = root_;
  size_t before = 0;
  for (int level = 0; level < height_; ++level) {
    const Inner& inner = *static_cast<const Inner*>(node);
    const size_t index = PartitionPoint(inner, 1, predicate) - 1;
    for (size_t i = 0; i < index; ++i) before += inner.sizes[i];
    node = inner.children[index];
  }
  return before + PartitionPoint(*static_cast<const Leaf*>(node), 0, predicate);
}

template <typename Visitor>
void ScoreTree::VisitUp(size_t rank, size_t count, Visitor visit) const {
  if (count == 0) return;
  Place place = PlaceOf(rank);
  for (; count > 0; --count) {
    if (place.index == place.leaf->count) place = {place.leaf->next, 0};
    visit(place.leaf->item(place.index++));
  }
}

template <typename Visitor>
void ScoreTree::VisitDown(size_t rank, size_t count, Visitor visit) const {
  if (count == 0) return;
  Place place = PlaceOf(rank);
  while (true) {
    visit(place.leaf->item(place.index));
    if (--count == 0) return;
    if (place.index == 0) {
      place.leaf = place.leaf->previous;
      place.index = place.leaf->count;
    }
    --place.index;
  }
}

}  // namespace terrace::keyspace
