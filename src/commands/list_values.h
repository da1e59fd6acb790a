#pragma once

// What the list commands share: how they find lists, and popping from either end.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/numkeys.h"
#include "commands/typed.h"
#include "keyspace/types/list.h"

namespace terrace::commands {

template <>
inline constexpr keyspace::Type kTypeOf<keyspace::List> = keyspace::Type::kList;

void ReplyElement(resp::Reply& reply, const keyspace::List::Value& element);

// LEFT or RIGHT; replies a syntax error and returns nullopt for anything else.
std::optional<keyspace::ListEnd> ParseListEnd(Call& call, size_t argument);

// Replies an array of up to count elements from this end, removes them and commits.
// REQUIRES: the list exists.
void PopElements(Call& call, Draft<keyspace::List>& list, keyspace::ListEnd end, size_t count);

// numkeys key [key ...] LEFT|RIGHT [COUNT count], from the argument of numkeys on to the end.
std::optional<MultiPop> ParseListMultiPop(Call& call, size_t numkeys_argument);

// Pops from the first list that exists among these keys. True when a reply was written: the key and
// the elements, or an error.
bool PopFromFirst(Call& call, const MultiPop& arguments);
// One element likewise, which is replied beside the key.
bool PopOneFromFirst(Call& call, size_t first_key, size_t key_count, keyspace::ListEnd end);

// Moves one element from an end of the list at key argument 1 to an end of the list at argument 2.
// True when a reply was written; false when there is nothing to move.
bool MoveElement(Call& call, keyspace::ListEnd from, keyspace::ListEnd to);

}  // namespace terrace::commands
