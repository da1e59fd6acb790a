#include "server/waiter.h"

#include <algorithm>
#include <utility>

namespace terrace::server {

Waiter::Waiter(Worker* owner, const commands::Session& of, const commands::Command* row,
               commands::Args args, std::span<const int> key_positions, const uint64_t* hashes,
               commands::Wait asked)
    : worker(owner),
      session(of),
      command(row),
      wait(std::move(asked)),
      arguments_(args.begin(), args.end()),
      hashes_(args.size()),
      positions_(key_positions.begin(), key_positions.end()) {
  for (const auto& [argument, text] : wait.replaced) arguments_[argument] = text;
  views_.assign(arguments_.begin(), arguments_.end());
  for (const int position : positions_) {
    hashes_[static_cast<size_t>(position)] = hashes[position];
  }
}

void Waiter::JoinLines(keyspace::Keyspace& keyspace) {
  for (const int position : positions_) {
    const auto at = static_cast<size_t>(position);
    shards_ |= keyspace.SetOf({views_[at], hashes_[at]});
  }
  for (const size_t at : wait.keys) {
    // Who names a key twice stands in its line once.
    const bool again = std::any_of(places_.begin(), places_.end(),
                                   [&](const auto& place) { return place->key() == views_[at]; });
    if (again) continue;
    auto place = std::make_unique<Place>();
    place->waiter = this;
    place->type = wait.type;
    place->wants_end = wait.wants_end;
    const keyspace::Key key{views_[at], hashes_[at]};
    keyspace.ShardOf(key).observers.Wait(session.database, key.bytes, place.get());
    places_.push_back(std::move(place));
  }
}

void Waiter::LeaveLines(keyspace::Keyspace& keyspace) {
  for (const auto& place : places_) {
    keyspace.ShardOf(keyspace.MakeKey(place->key())).observers.EndWait(place.get());
  }
  places_.clear();
}

}  // namespace terrace::server
