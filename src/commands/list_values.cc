#include "commands/list_values.h"

#include <algorithm>
#include <string>

#include "base/numbers.h"

namespace terrace::commands {
namespace {

using keyspace::KeyEvent;
using keyspace::List;
using keyspace::ListEnd;

KeyEvent PopEvent(ListEnd end) { return {'l', end == ListEnd::kHead ? "lpop" : "rpop"}; }
KeyEvent PushEvent(ListEnd end) { return {'l', end == ListEnd::kHead ? "lpush" : "rpush"}; }

int64_t IndexOf(ListEnd end) { return end == ListEnd::kHead ? 0 : -1; }

void EraseFrom(Call& call, List& list, ListEnd end, size_t count) {
  list.Erase(end == ListEnd::kHead ? 0 : list.size() - count, count, call.limits.encoding);
}

}  // namespace

void ReplyElement(resp::Reply& reply, const List::Value& element) {
  element.is_number ? reply.BulkInteger(element.number) : reply.Bulk(element.text);
}

std::optional<ListEnd> ParseListEnd(Call& call, size_t argument) {
  if (call.Is(argument, "left")) return ListEnd::kHead;
  if (call.Is(argument, "right")) return ListEnd::kTail;
  call.reply.SyntaxError();
  return std::nullopt;
}

void PopElements(Call& call, Draft<List>& list, ListEnd end, size_t count) {
  count = std::min(count, list->size());
  call.reply.Array(count);
  List::Cursor at = list->Seek(IndexOf(end));
  for (size_t i = 0; i < count; ++i) {
    ReplyElement(call.reply, list->Get(at));
    at = end == ListEnd::kHead ? list->Next(at) : list->Previous(at);
  }
  EraseFrom(call, *list, end, count);
  list.Commit(PopEvent(end));
}

std::optional<MultiPop> ParseListMultiPop(Call& call, size_t numkeys_argument) {
  return ParseMultiPop(call, numkeys_argument, "left", "right");
}

bool PopFromFirst(Call& call, const MultiPop& arguments) {
  for (size_t i = 0; i < arguments.key_count; ++i) {
    Draft<List> list(call, arguments.first_key + i);
    if (list.wrong_type()) return true;
    if (!list.exists()) continue;
    const std::string_view key = call.args[arguments.first_key + i];
    const size_t count = std::min(arguments.count, list->size());
    call.reply.Array(2);
    call.reply.Bulk(key);
    PopElements(call, list, arguments.at_tail ? ListEnd::kTail : ListEnd::kHead, count);
    if (call.is_repeated())
      call.RepeatAs({arguments.at_tail ? "RPOP" : "LPOP", key, std::to_string(count)});
    return true;
  }
  return false;
}

bool PopOneFromFirst(Call& call, size_t first_key, size_t key_count, ListEnd end) {
  for (size_t i = first_key; i < first_key + key_count; ++i) {
    Draft<List> list(call, i);
    if (list.wrong_type()) return true;
    if (!list.exists()) continue;
    call.reply.Array(2);
    call.reply.Bulk(call.args[i]);
    ReplyElement(call.reply, list->Get(list->Seek(IndexOf(end))));
    EraseFrom(call, *list, end, 1);
    list.Commit(PopEvent(end));
    call.RepeatAs({end == ListEnd::kHead ? "LPOP" : "RPOP", call.args[i]});
    return true;
  }
  return false;
}

bool MoveElement(Call& call, ListEnd from, ListEnd to) {
  constexpr size_t kSource = 1;
  constexpr size_t kTarget = 2;
  std::string element;
  {
    Draft<List> source(call, kSource);
    if (source.wrong_type()) return true;
    if (!source.exists()) return false;
    base::Int64Text buffer;
    element = source->Get(source->Seek(IndexOf(from))).Text(buffer);
    if (call.args[kSource] == call.args[kTarget]) {
      EraseFrom(call, *source, from, 1);
      source->Push(to, element, call.limits.encoding);
      source.Commit(PushEvent(to));
      source.Commit(PopEvent(from));
      call.db.JoinChange(call.key(kSource));
      call.reply.Bulk(element);
      return true;
    }
  }
  {
    Draft<List> target(call, kTarget);
    if (target.wrong_type()) return true;
    target->Push(to, element, call.limits.encoding);
    target.Commit(PushEvent(to));
  }
  // Found again: the write to the target may have moved it.
  Draft<List> source(call, kSource);
  EraseFrom(call, *source, from, 1);
  source.Commit(PopEvent(from));
  call.db.JoinChange(call.key(kSource));
  call.reply.Bulk(element);
  return true;
}

}  // namespace terrace::commands
