#include "keyspace/types/hash.h"

#include <string>
#include <unordered_set>
#include <utility>

#include "base/memory.h"
#include "keyspace/types/hash_table.h"

namespace terrace::keyspace {
namespace {

// Triples store "no deadline" as zero, and come in the order of their deadlines, those without one
// last, so that the first is the next to expire.
constexpr int64_t kPackedNoDeadline = 0;

}  // namespace

Hash::Hash() : body_(Listpack().Release(), kPairs) {}
Hash::Hash(Listpack pairs) : body_(pairs.Release(), kPairs) {}
Hash::~Hash() { FreeBody(); }

void Hash::FreeBody() {
  if (kind() == kTable) {
    delete body_.As<Table>();
  } else {
    Listpack::Adopt(body_.As<uint8_t>());
  }
}

std::string_view Hash::encoding() const {
  switch (kind()) {
    case kPairs:
      return "listpack";
    case kTriples:
      return "listpackex";
    case kTable:
      return "hashtable";
  }
  return "";
}

const MemberTable<HashRecord>& Hash::members() const { return body_.As<Table>()->members(); }

size_t Hash::bytes() const {
  const size_t own = base::AllocationSize(sizeof(Hash));
  if (kind() == kTable) return own + body_.As<Table>()->heap_bytes();
  return own + body_.Read<Listpack>()->heap_bytes();
}

size_t Hash::size() const {
  if (kind() == kTable) return members().size();
  return body_.Read<Listpack>()->size() / entry_width();
}

size_t Hash::LiveCount(int64_t now_ms) const {
  const int64_t next_ms = NextDeadline();
  if (next_ms == kNoDeadline || next_ms > now_ms) return size();
  size_t count = 0;
  ForEach(now_ms, [&](const Entry&) { ++count; });
  return count;
}

size_t Hash::free_effort() const { return kind() == kTable ? size() : 1; }

std::unique_ptr<Object> Hash::Clone() const {
  auto copy = std::make_unique<Hash>();
  if (kind() == kTable) {
    auto table = std::make_unique<Table>(members().seed());
    members().ForEach([&](const HashRecord* record) { table->Insert(HashRecord::Read(record)); });
    copy->FreeBody();
    copy->body_ = Body(table.release(), kTable);
  } else {
    *copy->body_.Edit<Listpack>() = Listpack(*body_.Read<Listpack>());
    copy->body_ = Body(copy->body_.As<void>(), kind());
  }
  return copy;
}

bool Hash::IsDistinct(const Listpack& pack) {
  std::unordered_set<std::string> seen;
  base::Int64Text buffer;
  for (auto at = pack.First(); at != Listpack::kNone;) {
    if (!seen.emplace(pack.Get(at).Text(buffer)).second) return false;
    at = pack.Next(at);
    if (at == Listpack::kNone) return false;
    at = pack.Next(at);
  }
  return true;
}

Hash::Entry Hash::ReadPacked(const Listpack& pack, Listpack::Position at, Buffers& buffers) const {
  Entry entry;
  entry.field = pack.Get(at).Text(buffers.field);
  at = pack.Next(at);
  entry.value = pack.Get(at).Text(buffers.value);
  if (kind() == kTriples) {
    const int64_t deadline_ms = pack.Get(pack.Next(at)).number;
    if (deadline_ms != kPackedNoDeadline) entry.deadline_ms = deadline_ms;
  }
  return entry;
}

std::optional<Hash::Entry> Hash::FindEntry(std::string_view field, Buffers& buffers) const {
  if (kind() == kTable) {
    const auto slot = members().Find(field);
    if (!slot) return std::nullopt;
    return HashRecord::Read(slot.record());
  }
  const auto pack = body_.Read<Listpack>();
  const auto at = pack->Find(pack->First(), field, entry_width() - 1);
  if (at == Listpack::kNone) return std::nullopt;
  return ReadPacked(*pack, at, buffers);
}

std::optional<std::string_view> Hash::Get(std::string_view field, int64_t now_ms,
                                          base::Int64Text& buffer) const {
  if (kind() == kPairs) {
    const auto pack = body_.Read<Listpack>();
    const auto at = pack->Find(pack->First(), field, 1);
    if (at == Listpack::kNone) return std::nullopt;
    return pack->Get(pack->Next(at)).Text(buffer);
  }
  Buffers buffers;
  const std::optional<Entry> entry = FindEntry(field, buffers);
  if (!entry || !IsLive(entry->deadline_ms, now_ms)) return std::nullopt;
  if (entry->value.data() != buffers.value.data()) return entry->value;
  buffer = buffers.value;
  return std::string_view(buffer.data(), entry->value.size());
}

bool Hash::Contains(std::string_view field, int64_t now_ms) const {
  return Deadline(field, now_ms).has_value();
}

std::optional<int64_t> Hash::Deadline(std::string_view field, int64_t now_ms) const {
  Buffers buffers;
  const std::optional<Entry> entry = FindEntry(field, buffers);
  if (!entry || !IsLive(entry->deadline_ms, now_ms)) return std::nullopt;
  return entry->deadline_ms;
}

std::optional<Hash::Entry> Hash::FirstToExpire(Buffers& buffers) const {
  if (kind() == kTable) return body_.As<Table>()->FirstToExpire();
  if (kind() == kPairs) return std::nullopt;
  const auto pack = body_.Read<Listpack>();
  if (pack->empty()) return std::nullopt;
  const Entry entry = ReadPacked(*pack, pack->First(), buffers);
  if (entry.deadline_ms == kNoDeadline) return std::nullopt;
  return entry;
}

int64_t Hash::NextDeadline() const {
  if (kind() == kPairs) return kNoDeadline;
  Buffers buffers;
  const std::optional<Entry> entry = FirstToExpire(buffers);
  return entry ? entry->deadline_ms : kNoDeadline;
}

void Hash::Reserve(size_t count, const EncodingLimits& limits) {
  if (kind() != kTable && count > limits.hash_max_listpack_entries) ConvertToTable(limits);
}

void Hash::ConvertToTable(const EncodingLimits& limits) {
  auto table = std::make_unique<Table>(limits.hash_seed);
  Buffers buffers;
  {
    const auto pack = body_.Read<Listpack>();
    for (auto at = pack->First(); at != Listpack::kNone;) {
      table->Insert(ReadPacked(*pack, at, buffers));
      for (size_t i = entry_width(); i > 0; --i) at = pack->Next(at);
    }
  }
  FreeBody();
  body_ = Body(table.release(), kTable);
}

void Hash::ConvertToTriples() {
  Listpack triples;
  {
    const auto pairs = body_.Read<Listpack>();
    base::Int64Text buffer;
    for (auto at = pairs->First(); at != Listpack::kNone;) {
      triples.Append(pairs->Get(at).Text(buffer));
      at = pairs->Next(at);
      triples.Append(pairs->Get(at).Text(buffer));
      at = pairs->Next(at);
      triples.Append(kPackedNoDeadline);
    }
  }
  FreeBody();
  body_ = Body(triples.Release(), kTriples);
}

void Hash::InsertTriple(std::string_view field, std::string_view value, int64_t deadline_ms) {
  auto pack = body_.Edit<Listpack>();
  Listpack::Position at = Listpack::kNone;
  if (deadline_ms != kNoDeadline) {
    for (at = pack->First(); at != Listpack::kNone;) {
      const auto deadline_at = pack->Next(pack->Next(at));
      const int64_t other_ms = pack->Get(deadline_at).number;
      if (other_ms == kPackedNoDeadline || other_ms > deadline_ms) break;
      at = pack->Next(deadline_at);
    }
  }
  if (at == Listpack::kNone) at = static_cast<Listpack::Position>(pack->total_bytes() - 1);
  // Backwards, each before the one inserted last.
  pack->Insert(at, deadline_ms == kNoDeadline ? kPackedNoDeadline : deadline_ms);
  pack->Insert(at, value);
  pack->Insert(at, field);
}

bool Hash::Set(std::string_view field, std::string_view value, const EncodingLimits& limits,
               Deadlines deadlines) {
  if (kind() != kTable && (field.size() > limits.hash_max_listpack_value ||
                           value.size() > limits.hash_max_listpack_value)) {
    ConvertToTable(limits);
  }
  if (kind() == kTable) return body_.As<Table>()->Set(field, value, deadlines);
  const bool is_new = SetPacked(field, value, deadlines);
  // Also when nothing is new: the limit may have been lowered.
  if (size() > limits.hash_max_listpack_entries) ConvertToTable(limits);
  return is_new;
}

bool Hash::SetPacked(std::string_view field, std::string_view value, Deadlines deadlines) {
  auto pack = body_.Edit<Listpack>();
  const auto at = pack->Find(pack->First(), field, entry_width() - 1);
  const bool is_new = at == Listpack::kNone;
  if (!is_new) {
    const auto value_at = pack->Next(at);
    const bool has_deadline =
        kind() == kTriples && pack->Get(pack->Next(value_at)).number != kPackedNoDeadline;
    if (!has_deadline || deadlines == Deadlines::kKeep) {
      pack->Replace(value_at, value);
      return false;
    }
    pack->Erase(at, 3);
  }
  pack->Append(field);
  pack->Append(value);
  if (kind() == kTriples) pack->Append(kPackedNoDeadline);
  return is_new;
}

bool Hash::Remove(std::string_view field) {
  if (kind() == kTable) return body_.As<Table>()->Remove(field);
  auto pack = body_.Edit<Listpack>();
  const auto at = pack->Find(pack->First(), field, entry_width() - 1);
  if (at == Listpack::kNone) return false;
  pack->Erase(at, entry_width());
  return true;
}

bool Hash::SetDeadline(std::string_view field, int64_t deadline_ms) {
  if (kind() == kTable) return body_.As<Table>()->SetDeadline(field, deadline_ms);
  Buffers buffers;
  const std::optional<Entry> entry = FindEntry(field, buffers);
  if (!entry) return false;
  if (entry->deadline_ms == deadline_ms) return true;
  // The views point into the block that is about to change.
  const std::string value(entry->value);
  if (kind() == kPairs) ConvertToTriples();
  Remove(field);
  InsertTriple(field, value, deadline_ms);
  return true;
}

Hash::Entry Hash::Random(base::Rng& rng, Buffers& buffers) const {
  if (kind() == kTable) return HashRecord::Read(members().Random(rng));
  const auto pack = body_.Read<Listpack>();
  const size_t index = rng.Below(pack->size() / entry_width()) * entry_width();
  return ReadPacked(*pack, pack->At(static_cast<int64_t>(index)), buffers);
}

std::optional<std::string_view> Hash::listpack_bytes() const {
  if (kind() != kPairs) return std::nullopt;
  return body_.Read<Listpack>()->bytes();
}

}  // namespace terrace::keyspace
