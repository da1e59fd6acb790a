#include "keyspace/observers.h"

namespace terrace::keyspace {

void Observers::Watch(int database, std::string_view key, KeyWatch* watch) {
  watches_.Append(database, key, watch);
  any_ = true;
}

void Observers::Unwatch(KeyWatch* watch) {
  watches_.Remove(watch);
  any_ = !watches_.empty();
}

void Observers::Touch(KeyLists<KeyWatch, NoListState>::List& list) {
  for (KeyWatch* watch = list.first; watch != nullptr; watch = watch->next()) watch->touched = true;
}

void Observers::OnChange(int database, std::string_view key) {
  if (auto* list = watches_.Find(database, key)) Touch(*list);
}

}  // namespace terrace::keyspace
