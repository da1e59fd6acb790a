#include "keyspace/types/score_tree.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"
#include "base/memory.h"
#include "keyspace/types/member_record.h"

namespace terrace::keyspace {
namespace {

// Two neighbours become one when they fill no more than this share of a node: not all of it, or the
// next insert would split them again.
constexpr size_t ComfortableFill(size_t room) { return room * 3 / 4; }
// With fewer than this a node takes entries from a full neighbour.
constexpr size_t FewEntries(size_t room) { return room / 8; }

template <typename T>
void ShiftUp(T* array, size_t from, size_t count) {
  std::memmove(array + from + 1, array + from, (count - from) * sizeof(T));
}

template <typename T>
void ShiftDown(T* array, size_t to, size_t count) {
  std::memmove(array + to, array + to + 1, (count - to - 1) * sizeof(T));
}

}  // namespace

ZsetRecord* ZsetRecord::New(std::string_view member, double score) {
  auto* const block = static_cast<uint8_t*>(
      base::Allocate(sizeof(double) + LengthBytes(member.size()) + member.size()));
  std::memcpy(block, &score, sizeof(score));
  uint8_t* const text = WriteLength(block + sizeof(double), member.size());
  if (!member.empty()) std::memcpy(text, member.data(), member.size());
  return reinterpret_cast<ZsetRecord*>(block);
}

std::string_view ZsetRecord::Key(const ZsetRecord* record) {
  uint64_t length;
  const uint8_t* const text =
      ReadLength(reinterpret_cast<const uint8_t*>(record) + sizeof(double), &length);
  return {reinterpret_cast<const char*>(text), length};
}

double ZsetRecord::Score(const ZsetRecord* record) {
  double score;
  std::memcpy(&score, record, sizeof(score));
  return score;
}

void ZsetRecord::SetScore(ZsetRecord* record, double score) {
  std::memcpy(static_cast<void*>(record), &score, sizeof(score));
}

size_t ZsetRecord::HeapBytes(const ZsetRecord* record) {
  const size_t length = Key(record).size();
  return base::AllocationSize(sizeof(double) + LengthBytes(length) + length);
}

void ZsetRecord::Free(ZsetRecord* record) { base::Free(record, HeapBytes(record)); }

ScoreTree::ScoreTree() : root_(NewLeaf()) {}
ScoreTree::~ScoreTree() {
  base::Turns turns(base::Turns::kSmallBlocks);
  FreeSubtree(root_, height_, turns);
}

ScoreTree::Leaf* ScoreTree::NewLeaf() {
  heap_bytes_ += base::AllocationSize(sizeof(Leaf));
  return new (base::Allocate(sizeof(Leaf))) Leaf;
}

ScoreTree::Inner* ScoreTree::NewInner() {
  heap_bytes_ += base::AllocationSize(sizeof(Inner));
  return new (base::Allocate(sizeof(Inner))) Inner;
}

void ScoreTree::FreeLeaf(Leaf* leaf) {
  heap_bytes_ -= base::AllocationSize(sizeof(Leaf));
  base::Free(leaf, sizeof(Leaf));
}

void ScoreTree::FreeInner(Inner* inner) {
  heap_bytes_ -= base::AllocationSize(sizeof(Inner));
  base::Free(inner, sizeof(Inner));
}

void ScoreTree::FreeSubtree(void* node, int height, base::Turns& turns) {
  turns.Step();
  if (height == 0) return FreeLeaf(static_cast<Leaf*>(node));
  auto* const inner = static_cast<Inner*>(node);
  for (size_t i = 0; i < inner->count; ++i) FreeSubtree(inner->children[i], height - 1, turns);
  FreeInner(inner);
}

// The way to the leaf that holds the item, or where it belongs.
ScoreTree::Path ScoreTree::Descend(const Item& item) const {
  const auto not_after = [&](const Item& other) { return !Less(item, other); };
  Path path;
  void* node = root_;
  for (int level = 0; level < height_; ++level) {
    auto* const inner = static_cast<Inner*>(node);
    const size_t index = PartitionPoint(*inner, 1, not_after) - 1;
    path.steps[level] = {inner, index};
    node = inner->children[index];
  }
  path.leaf = static_cast<Leaf*>(node);
  return path;
}

ScoreTree::Place ScoreTree::PlaceOf(size_t rank) const {
  TERRACE_CHECK(rank < size_);
  const void* node = root_;
  for (int level = 0; level < height_; ++level) {
    const Inner& inner = *static_cast<const Inner*>(node);
    size_t index = 0;
    for (; rank >= inner.sizes[index]; ++index) rank -= inner.sizes[index];
    node = inner.children[index];
  }
  return {static_cast<const Leaf*>(node), rank};
}

ScoreTree::Item ScoreTree::At(size_t rank) const {
  const Place place = PlaceOf(rank);
  return place.leaf->item(place.index);
}

void ScoreTree::PutChild(Inner& node, size_t at, void* child, size_t child_size, Item smallest) {
  ShiftUp(node.children, at, node.count);
  ShiftUp(node.sizes, at, node.count);
  ShiftUp(node.scores, at, node.count);
  ShiftUp(node.records, at, node.count);
  node.children[at] = child;
  node.sizes[at] = child_size;
  node.scores[at] = smallest.score;
  node.records[at] = smallest.record;
  ++node.count;
}

void ScoreTree::DropChild(Inner& node, size_t at) {
  ShiftDown(node.children, at, node.count);
  ShiftDown(node.sizes, at, node.count);
  ShiftDown(node.scores, at, node.count);
  ShiftDown(node.records, at, node.count);
  --node.count;
}

// Moves the children from `first` on to the end of another node.
void ScoreTree::MoveChildren(Inner& from, size_t first, Inner& to) {
  const size_t moved = from.count - first;
  std::copy_n(from.children + first, moved, to.children + to.count);
  std::copy_n(from.sizes + first, moved, to.sizes + to.count);
  std::copy_n(from.scores + first, moved, to.scores + to.count);
  std::copy_n(from.records + first, moved, to.records + to.count);
  to.count += static_cast<uint32_t>(moved);
  from.count = static_cast<uint32_t>(first);
}

// Makes room in a full leaf; returns the new right neighbour. At either end of the whole tree all
// items stay together: scores that only rise, or only fall, leave full leaves behind.
ScoreTree::Leaf* ScoreTree::SplitLeaf(Leaf* leaf, size_t insert_at) {
  size_t cut = kLeafItems / 2;
  if (insert_at == kLeafItems && leaf->next == nullptr) cut = kLeafItems;
  if (insert_at == 0 && leaf->previous == nullptr) cut = 0;
  Leaf* const right = NewLeaf();
  right->count = static_cast<uint32_t>(leaf->count - cut);
  std::copy_n(leaf->scores + cut, right->count, right->scores);
  std::copy_n(leaf->records + cut, right->count, right->records);
  leaf->count = static_cast<uint32_t>(cut);
  right->previous = leaf;
  right->next = leaf->next;
  if (right->next != nullptr) right->next->previous = right;
  leaf->next = right;
  return right;
}

void ScoreTree::Insert(Item item) {
  Path path = Descend(item);
  for (int level = 0; level < height_; ++level) {
    ++path.steps[level].node->sizes[path.steps[level].index];
  }
  ++size_;
  const auto before = [&](const Item& other) { return Less(other, item); };
  Leaf* leaf = path.leaf;
  Leaf* right = nullptr;
  size_t at = PartitionPoint(*leaf, 0, before);
  if (leaf->count == kLeafItems) {
    right = SplitLeaf(leaf, at);
    if (at > leaf->count || leaf->count == kLeafItems) {
      at -= leaf->count;
      leaf = right;
    }
  }
  ShiftUp(leaf->scores, at, leaf->count);
  ShiftUp(leaf->records, at, leaf->count);
  leaf->scores[at] = item.score;
  leaf->records[at] = item.record;
  ++leaf->count;
  if (right != nullptr) InsertChild(path, height_ - 1, right, right->count, right->item(0));
}

// Adds the right half of a split node beside its left half, at a level of the path (or above it).
void ScoreTree::InsertChild(Path& path, int level, void* child, size_t child_size, Item smallest) {
  for (; level >= 0; --level) {
    Inner& node = *path.steps[level].node;
    const size_t index = path.steps[level].index;
    node.sizes[index] -= child_size;
    if (node.count < kInnerChildren) {
      return PutChild(node, index + 1, child, child_size, smallest);
    }
    // At the end all but one stay; an inner node never has fewer than two children.
    const size_t cut = index + 1 == kInnerChildren ? kInnerChildren - 1 : kInnerChildren / 2;
    Inner* const right = NewInner();
    MoveChildren(node, cut, *right);
    if (index + 1 > node.count) {
      PutChild(*right, index + 1 - node.count, child, child_size, smallest);
    } else {
      PutChild(node, index + 1, child, child_size, smallest);
    }
    child = right;
    child_size = 0;
    for (size_t i = 0; i < right->count; ++i) child_size += right->sizes[i];
    smallest = right->item(0);
  }
  TERRACE_CHECK(height_ < kHeightMax);
  Inner* const root = NewInner();
  PutChild(*root, 0, root_, size_ - child_size, smallest);
  PutChild(*root, 1, child, child_size, smallest);
  root_ = root;
  ++height_;
}

void ScoreTree::Erase(Item item) {
  Path path = Descend(item);
  const auto before = [&](const Item& other) { return Less(other, item); };
  Leaf* const leaf = path.leaf;
  const size_t at = PartitionPoint(*leaf, 0, before);
  TERRACE_CHECK(at < leaf->count && leaf->records[at] == item.record);
  ShiftDown(leaf->scores, at, leaf->count);
  ShiftDown(leaf->records, at, leaf->count);
  --leaf->count;
  --size_;
  for (int level = 0; level < height_; ++level) {
    --path.steps[level].node->sizes[path.steps[level].index];
  }
  const Leaf* const follower = leaf->count > 0 ? leaf : leaf->next;
  if (at == 0 && follower != nullptr) {
    // The one ancestor that names the old smallest item names its follower; an empty leaf is about
    // to get that item.
    for (int level = height_ - 1; level >= 0; --level) {
      const Step& step = path.steps[level];
      step.node->scores[step.index] = follower->scores[0];
      step.node->records[step.index] = follower->records[0];
      if (step.index > 0) break;
    }
  }
  if (leaf->count <= kLeafItems / 2) Shrink(path);
}

// After an erase: evens out the nodes along the path, from the leaf up.
void ScoreTree::Shrink(Path& path) {
  for (int level = height_ - 1; level >= 0; --level) {
    Inner& parent = *path.steps[level].node;
    const size_t index = path.steps[level].index;
    const auto balance =
        level == height_ - 1 ? &ScoreTree::BalanceLeaves : &ScoreTree::BalanceInners;
    const bool done = index + 1 < parent.count && (this->*balance)(parent, index);
    if (!done && index > 0) (this->*balance)(parent, index - 1);
    if (parent.count > kInnerChildren / 2) break;
  }
  while (height_ > 0 && static_cast<Inner*>(root_)->count == 1) {
    auto* const old_root = static_cast<Inner*>(root_);
    root_ = old_root->children[0];
    FreeInner(old_root);
    --height_;
  }
}

// Joins a leaf with its right neighbour under the same parent if they fit together, or shares their
// items if one has hardly any. False if both may stay as they are.
bool ScoreTree::BalanceLeaves(Inner& parent, size_t left_index) {
  auto* const left = static_cast<Leaf*>(parent.children[left_index]);
  auto* const right = static_cast<Leaf*>(parent.children[left_index + 1]);
  const size_t total = left->count + right->count;
  if (total <= ComfortableFill(kLeafItems)) {
    std::copy_n(right->scores, right->count, left->scores + left->count);
    std::copy_n(right->records, right->count, left->records + left->count);
    left->count += right->count;
    left->next = right->next;
    if (left->next != nullptr) left->next->previous = left;
    parent.sizes[left_index] = left->count;
    DropChild(parent, left_index + 1);
    FreeLeaf(right);
    return true;
  }
  if (std::min(left->count, right->count) >= FewEntries(kLeafItems)) return false;
  const size_t left_count = total / 2;
  if (left->count < left_count) {
    const size_t moved = left_count - left->count;
    std::copy_n(right->scores, moved, left->scores + left->count);
    std::copy_n(right->records, moved, left->records + left->count);
    std::copy(right->scores + moved, right->scores + right->count, right->scores);
    std::copy(right->records + moved, right->records + right->count, right->records);
  } else {
    const size_t moved = left->count - left_count;
    std::copy_backward(right->scores, right->scores + right->count,
                       right->scores + right->count + moved);
    std::copy_backward(right->records, right->records + right->count,
                       right->records + right->count + moved);
    std::copy_n(left->scores + left_count, moved, right->scores);
    std::copy_n(left->records + left_count, moved, right->records);
  }
  left->count = static_cast<uint32_t>(left_count);
  right->count = static_cast<uint32_t>(total - left_count);
  parent.sizes[left_index] = left->count;
  parent.sizes[left_index + 1] = right->count;
  parent.scores[left_index + 1] = right->scores[0];
  parent.records[left_index + 1] = right->records[0];
  return true;
}

// The same for two inner nodes.
bool ScoreTree::BalanceInners(Inner& parent, size_t left_index) {
  auto* const left = static_cast<Inner*>(parent.children[left_index]);
  auto* const right = static_cast<Inner*>(parent.children[left_index + 1]);
  const size_t total = left->count + right->count;
  const bool fits = total <= ComfortableFill(kInnerChildren);
  if (!fits && std::min(left->count, right->count) >= FewEntries(kInnerChildren)) return false;
  const size_t items = parent.sizes[left_index] + parent.sizes[left_index + 1];
  // Only the parent knows the smallest item under the first child.
  right->scores[0] = parent.scores[left_index + 1];
  right->records[0] = parent.records[left_index + 1];
  if (fits) {
    MoveChildren(*right, 0, *left);
    parent.sizes[left_index] = items;
    DropChild(parent, left_index + 1);
    FreeInner(right);
    return true;
  }
  // Through a third node, to move in either direction with the same few lines.
  Inner all_right;
  const size_t left_count = total / 2;
  if (left->count > left_count) {
    MoveChildren(*left, left_count, all_right);
    MoveChildren(*right, 0, all_right);
  } else {
    MoveChildren(*right, left_count - left->count, all_right);
    MoveChildren(*right, 0, *left);
  }
  MoveChildren(all_right, 0, *right);
  size_t right_items = 0;
  for (size_t i = 0; i < right->count; ++i) right_items += right->sizes[i];
  parent.sizes[left_index] = items - right_items;
  parent.sizes[left_index + 1] = right_items;
  parent.scores[left_index + 1] = right->scores[0];
  parent.records[left_index + 1] = right->records[0];
  return true;
}

void ScoreTree::Update(Item item, double new_score) {
  const Path path = Descend(item);
  const auto before = [&](const Item& other) { return Less(other, item); };
  Leaf* const leaf = path.leaf;
  const size_t at = PartitionPoint(*leaf, 0, before);
  const Item moved{new_score, item.record};
  // Small steps mostly stay between the same neighbours.
  if (at > 0 && at + 1 < leaf->count && Less(leaf->item(at - 1), moved) &&
      Less(moved, leaf->item(at + 1))) {
    leaf->scores[at] = new_score;
    return;
  }
  Erase(item);
  Insert(moved);
}

void ScoreTree::CheckInvariants() const {
  const Leaf* last = nullptr;
  TERRACE_CHECK(CheckSubtree(root_, height_, &last) == size_);
  TERRACE_CHECK(last->next == nullptr);
}

size_t ScoreTree::CheckSubtree(const void* node, int height, const Leaf** last_leaf) const {
  if (height == 0) {
    const auto* const leaf = static_cast<const Leaf*>(node);
    TERRACE_CHECK(leaf->count > 0 || height_ == 0);
    TERRACE_CHECK(leaf->previous == *last_leaf);
    if (*last_leaf != nullptr) {
      TERRACE_CHECK((*last_leaf)->next == leaf);
      TERRACE_CHECK(Less((*last_leaf)->item((*last_leaf)->count - 1), leaf->item(0)));
    }
    for (size_t i = 1; i < leaf->count; ++i) {
      TERRACE_CHECK(Less(leaf->item(i - 1), leaf->item(i)));
    }
    *last_leaf = leaf;
    return leaf->count;
  }
  const auto* const inner = static_cast<const Inner*>(node);
  TERRACE_CHECK(inner->count > 0);
  size_t total = 0;
  for (size_t i = 0; i < inner->count; ++i) {
    const size_t below = CheckSubtree(inner->children[i], height - 1, last_leaf);
    TERRACE_CHECK(below == inner->sizes[i]);
    total += below;
    if (i == 0) continue;
    const void* first = inner->children[i];
    for (int level = height - 1; level > 0; --level) {
      first = static_cast<const Inner*>(first)->children[0];
    }
    TERRACE_CHECK(static_cast<const Leaf*>(first)->records[0] == inner->records[i]);
    TERRACE_CHECK(static_cast<const Leaf*>(first)->scores[0] == inner->scores[i]);
  }
  return total;
}

}  // namespace terrace::keyspace
