#pragma once

// FieldDeadlines: which field of a large hash expires next. A binary heap of (deadline, hash of the
// field), 16 bytes a deadline. Changing or removing a deadline leaves its old item behind; the
// owner recognises it by asking the field, and a few items are checked with each new one, so dead
// items stay a minority without a pause to clean up.
//
// Ownership: plain numbers, nothing borrowed.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace terrace::keyspace {

class FieldDeadlines {
 public:
  struct Item {
    int64_t deadline_ms;
    uint64_t field_hash;
  };

  bool empty() const { return items_.empty(); }
  size_t item_count() const { return items_.size(); }
  const Item& next() const { return items_.front(); }
  // The blocks of the deque and the list of them.
  size_t heap_bytes() const {
    const size_t blocks = items_.size() * sizeof(Item) / kBlockBytes + 1;
    return blocks * (kBlockBytes + sizeof(void*)) + kBlockListBytesMin;
  }

  void PopNext() { RemoveAt(0); }

  // `live_count` is how many fields have a deadline; is_current(item) asks the field.
  template <typename IsCurrent>
  void Push(const Item& item, size_t live_count, IsCurrent is_current) {
    items_.push_back(item);
    SiftUp(items_.size() - 1);
    if (items_.size() <= 2 * live_count + kDeadItemsMin) return;
    for (int i = 0; i < kChecksPerPush && !items_.empty(); ++i) {
      if (++sweep_ >= items_.size()) sweep_ = 0;
      if (!is_current(items_[sweep_])) RemoveAt(sweep_);
    }
  }

 private:
  static constexpr size_t kDeadItemsMin = 32;
  static constexpr int kChecksPerPush = 4;
  static constexpr size_t kBlockBytes = 512;
  static constexpr size_t kBlockListBytesMin = 64;

  void RemoveAt(size_t index) {
    const Item last = items_.back();
    items_.pop_back();
    if (index == items_.size()) return;
    items_[index] = last;
    SiftUp(index);
    SiftDown(index);
  }
  void SiftUp(size_t index) {
    while (index > 0) {
      const size_t parent = (index - 1) / 2;
      if (items_[parent].deadline_ms <= items_[index].deadline_ms) return;
      std::swap(items_[parent], items_[index]);
      index = parent;
    }
  }
  void SiftDown(size_t index) {
    while (true) {
      size_t child = 2 * index + 1;
      if (child >= items_.size()) return;
      if (child + 1 < items_.size() && items_[child + 1].deadline_ms < items_[child].deadline_ms) {
        ++child;
      }
      if (items_[index].deadline_ms <= items_[child].deadline_ms) return;
      std::swap(items_[index], items_[child]);
      index = child;
    }
  }

  std::deque<Item> items_;
  size_t sweep_ = 0;  // where the checking of old items goes on
};

}  // namespace terrace::keyspace
