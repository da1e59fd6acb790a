#include "keyspace/types/set.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/background.h"
#include "base/memory.h"
#include "keyspace/types/member_record.h"

namespace terrace::keyspace {

// A record is its length and its bytes.
Set::Record* Set::Record::New(std::string_view member) {
  auto* const block =
      static_cast<uint8_t*>(base::Allocate(LengthBytes(member.size()) + member.size()));
  uint8_t* const text = WriteLength(block, member.size());
  if (!member.empty()) std::memcpy(text, member.data(), member.size());
  return reinterpret_cast<Record*>(block);
}

std::string_view Set::Record::Key(const Record* record) {
  uint64_t length;
  const uint8_t* const text = ReadLength(reinterpret_cast<const uint8_t*>(record), &length);
  return {reinterpret_cast<const char*>(text), length};
}

size_t Set::Record::Bytes(const Record* record) {
  const size_t length = Key(record).size();
  return LengthBytes(length) + length;
}

Set::Table::~Table() {
  base::Turns turns(base::Turns::kSmallBlocks);
  members.ForEach([&](Record* record) {
    base::Free(record, Record::Bytes(record));
    turns.Step();
  });
}

void Set::Table::Insert(std::string_view member, uint64_t hash) {
  Record* const record = Record::New(member);
  record_bytes += base::AllocationSize(Record::Bytes(record));
  members.Insert(record, hash);
}

Set::Set() : body_(Intset().Release(), kIntset) {}
Set::Set(Intset intset) : body_(intset.Release(), kIntset) {}
Set::Set(Listpack pack) : body_(pack.Release(), kListpack) {}
Set::~Set() { FreeBody(); }

void Set::FreeBody() {
  switch (kind()) {
    case kIntset:
      Intset::Adopt(body_.As<uint8_t>());
      break;
    case kListpack:
      Listpack::Adopt(body_.As<uint8_t>());
      break;
    case kTable:
      delete body_.As<Table>();
      break;
  }
}

std::string_view Set::encoding() const {
  switch (kind()) {
    case kIntset:
      return "intset";
    case kListpack:
      return "listpack";
    case kTable:
      return "hashtable";
  }
  return "";
}

size_t Set::bytes() const {
  const size_t own = base::AllocationSize(sizeof(Set));
  switch (kind()) {
    case kIntset:
      return own + body_.Read<Intset>()->heap_bytes();
    case kListpack:
      return own + body_.Read<Listpack>()->heap_bytes();
    case kTable:
      break;
  }
  const Table* const table = body_.As<Table>();
  return own + base::AllocationSize(sizeof(Table)) + table->members.heap_bytes() +
         table->record_bytes;
}

size_t Set::size() const {
  switch (kind()) {
    case kIntset:
      return body_.Read<Intset>()->size();
    case kListpack:
      return body_.Read<Listpack>()->size();
    case kTable:
      break;
  }
  return body_.As<Table>()->members.size();
}

size_t Set::free_effort() const { return kind() == kTable ? size() : 1; }

std::unique_ptr<Object> Set::Clone() const {
  switch (kind()) {
    case kIntset:
      return std::make_unique<Set>(Intset(*body_.Read<Intset>()));
    case kListpack:
      return std::make_unique<Set>(Listpack(*body_.Read<Listpack>()));
    case kTable:
      break;
  }
  auto copy = std::make_unique<Set>();
  auto table = std::make_unique<Table>(body_.As<Table>()->members.seed());
  ForEach([&](std::string_view member) { table->Insert(member); });
  copy->FreeBody();
  copy->body_ = Body(table.release(), kTable);
  return copy;
}

bool Set::IsDistinct(const Listpack& pack) {
  std::unordered_set<std::string> seen;
  base::Int64Text buffer;
  for (auto at = pack.First(); at != Listpack::kNone; at = pack.Next(at)) {
    if (!seen.emplace(pack.Get(at).Text(buffer)).second) return false;
  }
  return true;
}

std::unique_ptr<Set> Set::For(std::string_view first_member, size_t count,
                              const EncodingLimits& limits) {
  auto set = std::make_unique<Set>();
  if (count <= limits.set_max_intset_entries && base::ParseInt64(first_member)) return set;
  if (count <= limits.set_max_listpack_entries) {
    set->ConvertToListpack();
  } else {
    set->ConvertToTable(limits);
  }
  return set;
}

void Set::Reserve(size_t count, const EncodingLimits& limits) {
  if ((kind() == kIntset && count > limits.set_max_intset_entries) ||
      (kind() == kListpack && count > limits.set_max_listpack_entries)) {
    ConvertToTable(limits);
  }
}

void Set::ConvertToTable(const EncodingLimits& limits) {
  auto table = std::make_unique<Table>(limits.hash_seed);
  ForEach([&](std::string_view member) { table->Insert(member); });
  FreeBody();
  body_ = Body(table.release(), kTable);
}

void Set::ConvertToListpack() {
  Listpack pack;
  {
    const auto intset = body_.Read<Intset>();
    for (size_t i = 0; i < intset->size(); ++i) pack.Append(intset->At(i));
  }
  FreeBody();
  body_ = Body(pack.Release(), kListpack);
}

bool Set::AddToIntset(std::string_view member, const EncodingLimits& limits) {
  if (const auto number = base::ParseInt64(member)) {
    if (!body_.Edit<Intset>()->Insert(*number)) return false;
    if (size() > limits.set_max_intset_entries) ConvertToTable(limits);
    return true;
  }
  // The longest text is that of one of the ends.
  size_t longest = member.size();
  {
    const auto intset = body_.Read<Intset>();
    base::Int64Text buffer;
    if (const size_t count = intset->size(); count > 0) {
      longest = std::max({longest, base::FormatInt64(intset->At(0), buffer).size(),
                          base::FormatInt64(intset->At(count - 1), buffer).size()});
    }
  }
  if (size() < limits.set_max_listpack_entries && longest <= limits.set_max_listpack_value) {
    ConvertToListpack();
    body_.Edit<Listpack>()->Append(member);
  } else {
    ConvertToTable(limits);
    body_.As<Table>()->Insert(member);
  }
  return true;
}

bool Set::Add(std::string_view member, const EncodingLimits& limits) {
  if (kind() == kIntset) return AddToIntset(member, limits);
  if (kind() == kListpack) {
    auto pack = body_.Edit<Listpack>();
    if (pack->Find(pack->First(), member, 0) != Listpack::kNone) return false;
    if (pack->size() < limits.set_max_listpack_entries &&
        member.size() <= limits.set_max_listpack_value) {
      pack->Append(member);
      return true;
    }
  }
  if (kind() == kListpack) ConvertToTable(limits);
  Table* const table = body_.As<Table>();
  const uint64_t hash = table->members.HashOf(member);
  if (table->members.Find(member, hash)) return false;
  table->Insert(member, hash);
  return true;
}

bool Set::Remove(std::string_view member) {
  if (kind() == kIntset) {
    const auto number = base::ParseInt64(member);
    return number && body_.Edit<Intset>()->Erase(*number);
  }
  if (kind() == kListpack) {
    auto pack = body_.Edit<Listpack>();
    const auto at = pack->Find(pack->First(), member, 0);
    if (at == Listpack::kNone) return false;
    pack->Erase(at);
    return true;
  }
  Table* const table = body_.As<Table>();
  Record* const record = table->members.Remove(member);
  if (record == nullptr) return false;
  const size_t record_bytes = Record::Bytes(record);
  table->record_bytes -= base::AllocationSize(record_bytes);
  base::Free(record, record_bytes);
  return true;
}

bool Set::Contains(std::string_view member) const {
  switch (kind()) {
    case kIntset: {
      const auto number = base::ParseInt64(member);
      return number && body_.Read<Intset>()->Contains(*number);
    }
    case kListpack: {
      const auto pack = body_.Read<Listpack>();
      return pack->Find(pack->First(), member, 0) != Listpack::kNone;
    }
    case kTable:
      break;
  }
  return static_cast<bool>(body_.As<Table>()->members.Find(member));
}

std::string_view Set::Random(base::Rng& rng, base::Int64Text& buffer) const {
  switch (kind()) {
    case kIntset: {
      const auto intset = body_.Read<Intset>();
      return base::FormatInt64(intset->At(rng.Below(intset->size())), buffer);
    }
    case kListpack: {
      const auto pack = body_.Read<Listpack>();
      return pack->Get(pack->At(static_cast<int64_t>(rng.Below(pack->size())))).Text(buffer);
    }
    case kTable:
      break;
  }
  return Record::Key(body_.As<Table>()->members.Random(rng));
}

std::optional<std::string_view> Set::intset_bytes() const {
  if (kind() != kIntset) return std::nullopt;
  return body_.Read<Intset>()->bytes();
}

std::optional<std::string_view> Set::listpack_bytes() const {
  if (kind() != kListpack) return std::nullopt;
  return body_.Read<Listpack>()->bytes();
}

}  // namespace terrace::keyspace
