// Feeds arbitrary bytes to the listpack check, and walks, searches and changes what passes it.

#include "keyspace/types/listpack.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

using terrace::keyspace::Listpack;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto pack = Listpack::FromBytes({reinterpret_cast<const char*>(data), size});
  if (!pack) return 0;
  terrace::base::Int64Text buffer;
  size_t forwards = 0;
  for (auto at = pack->First(); at != Listpack::kNone; at = pack->Next(at)) {
    const std::string_view text = pack->Get(at).Text(buffer);
    TERRACE_CHECK(pack->Equals(at, text));
    ++forwards;
  }
  size_t backwards = 0;
  for (auto at = pack->Last(); at != Listpack::kNone; at = pack->Previous(at)) ++backwards;
  TERRACE_CHECK(forwards == backwards && forwards == pack->size());
  pack->Find(pack->First(), "needle", 0);
  pack->Append("tail");
  if (forwards > 0) {
    pack->Replace(pack->First(), "a longer text than there was before");
    pack->Erase(pack->At(static_cast<int64_t>(forwards / 2)));
  }
  TERRACE_CHECK(Listpack::IsValid(pack->bytes()));
  return 0;
}
