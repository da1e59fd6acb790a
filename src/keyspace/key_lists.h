#pragma once

// KeyLists: lists of nodes by key: who, in the order of arrival, has asked to be told of a key.
// Joining and leaving are O(1), however many ask for the same key.
//
// Ownership: the nodes are their owners', and stay where they are while they are in a list.
// Threads:   none inside; a shard's lists are used under its lock.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/check.h"

namespace terrace::keyspace {

// What a node derives from: its place. ListState is what the lists keep beside their nodes.
template <typename Node, typename ListState>
class KeyLists {
 public:
  struct List {
    Node* first = nullptr;
    Node* last = nullptr;
    ListState state;
  };

  class Link {
   public:
    bool is_linked() const { return list_ != nullptr; }
    Node* next() const { return next_; }
    int database() const { return database_; }
    std::string_view key() const { return key_; }
    List& list() const { return *list_; }

   private:
    friend class KeyLists;
    Node* previous_ = nullptr;
    Node* next_ = nullptr;
    List* list_ = nullptr;
    int database_ = 0;
    std::string_view key_;  // the list's own
  };

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // Keys that somebody has asked for.
  size_t key_count() const {
    size_t count = 0;
    for (const Map& map : databases_) count += map.size();
    return count;
  }

  void Append(int database, std::string_view key, Node* node) {
    TERRACE_CHECK(!node->is_linked());
    const auto index = static_cast<size_t>(database);
    if (databases_.size() <= index) databases_.resize(index + 1);
    Map& map = databases_[index];
    auto found = map.find(key);
    if (found == map.end()) found = map.emplace(std::string(key), List{}).first;
    Link& link = *node;
    link.database_ = database;
    link.key_ = found->first;
    List& list = found->second;
    link.list_ = &list;
    link.previous_ = list.last;
    (list.last != nullptr ? list.last->next_ : list.first) = node;
    list.last = node;
    ++size_;
  }

  void Remove(Node* node) {
    Link& link = *node;
    TERRACE_CHECK(link.is_linked());
    List& list = *link.list_;
    (link.previous_ != nullptr ? link.previous_->next_ : list.first) = link.next_;
    (link.next_ != nullptr ? link.next_->previous_ : list.last) = link.previous_;
    if (list.first == nullptr) {
      Map& map = databases_[static_cast<size_t>(link.database_)];
      map.erase(map.find(link.key_));
    }
    link = Link();
    --size_;
  }

  // The list of a key; nullptr when nobody has asked for it.
  List* Find(int database, std::string_view key) {
    const auto index = static_cast<size_t>(database);
    if (index >= databases_.size()) return nullptr;
    const auto found = databases_[index].find(key);
    return found != databases_[index].end() ? &found->second : nullptr;
  }

  // visit(key, list) for every key of a database; it must not change which nodes are listed.
  template <typename Visit>
  void ForEach(int database, Visit visit) {
    const auto index = static_cast<size_t>(database);
    if (index >= databases_.size()) return;
    for (auto& [key, list] : databases_[index]) visit(std::string_view(key), list);
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  using Map = std::unordered_map<std::string, List, Hash, std::equal_to<>>;

  std::vector<Map> databases_;
  size_t size_ = 0;
};

}  // namespace terrace::keyspace
