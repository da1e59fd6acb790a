#pragma once

// BTreeMap and BTreeSet: ordered containers that pack many small elements into a node, with their
// memory counted. Unlike std::map, any insert or erase moves elements: keep keys, not iterators.

#include <functional>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "base/counting_allocator.h"

namespace terrace::base {

template <typename Key, typename Value>
using BTreeMap =
    absl::btree_map<Key, Value, std::less<Key>, CountingAllocator<std::pair<const Key, Value>>>;

template <typename Key>
using BTreeSet = absl::btree_set<Key, std::less<Key>, CountingAllocator<Key>>;

}  // namespace terrace::base
