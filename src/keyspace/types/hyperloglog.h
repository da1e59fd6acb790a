#pragma once

// HyperLogLog: an estimate of how many distinct elements were seen, kept in a plain string value.
// The string has Redis's layout byte for byte, so GET, SET, DUMP and replication need not know of
// it: a header ("HYLL", encoding, cached count) and 16384 registers, packed in 6 bits each (dense)
// or run-length encoded (sparse) while they are few.
//
// Promises:  the same adds in the same order give the same bytes as in Redis, and the same counts.
//            Strings come from clients: nothing in them is trusted, kCorrupt is the answer.
// Ownership: no state here; functions work on the caller's bytes.
// See:       Flajolet et al. 2007; Ertl, "New cardinality estimation algorithms for HyperLogLog
//            sketches", arXiv:1702.01284, for the estimator.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace terrace::base {
class Rng;
}

namespace terrace::keyspace {

inline constexpr size_t kHllRegisters = 16384;
inline constexpr size_t kHllHeaderSize = 16;
inline constexpr size_t kHllDenseSize = kHllHeaderSize + kHllRegisters * 6 / 8;

enum class HllEncoding : uint8_t { kDense = 0, kSparse = 1 };

// kChanged: the estimate may have changed, the cached count was marked stale.
enum class HllUpdate : uint8_t { kUnchanged, kChanged, kCorrupt };

// Unpacked registers, the working form of unions.
using HllRegisters = std::array<uint8_t, kHllRegisters>;

// A string that says it is a HyperLogLog. Sparse bodies are only checked when they are used.
[[nodiscard]] bool IsHyperLogLog(std::string_view value);

[[nodiscard]] std::string NewHyperLogLog();

// All of these: REQUIRES IsHyperLogLog(hll).
[[nodiscard]] HllEncoding EncodingOf(std::string_view hll);

// Sparse values become dense when they would grow beyond sparse_bytes_max (hll-sparse-max-bytes).
[[nodiscard]] HllUpdate HllAdd(std::string* hll, std::string_view element, size_t sparse_bytes_max);

// The same in place. REQUIRES: dense encoding.
[[nodiscard]] HllUpdate HllAddDense(std::span<char> hll, std::string_view element);

// Whether adding would change anything, so that the common repeat needs no write.
[[nodiscard]] HllUpdate HllProbe(std::string_view hll, std::string_view element);

// False when the value is corrupt; hll is then as it was.
[[nodiscard]] bool HllToDense(std::string* hll);

// The count stored in the header, unless it is stale.
[[nodiscard]] std::optional<uint64_t> HllCachedCount(std::string_view hll);
void HllStoreCount(std::span<char> hll, uint64_t count);
void HllMarkStale(std::span<char> hll);

// The estimate, computed; nullopt when the value is corrupt.
[[nodiscard]] std::optional<uint64_t> HllCount(std::string_view hll);
[[nodiscard]] uint64_t HllCount(const HllRegisters& registers);

// Raises each register to at least that of hll. False when hll is corrupt.
[[nodiscard]] bool HllMergeInto(std::string_view hll, HllRegisters* registers);

// Raises the registers of *hll, one after the other as Redis does, and marks the count stale.
// False when *hll is corrupt.
[[nodiscard]] bool HllRaise(std::string* hll, const HllRegisters& registers,
                            size_t sparse_bytes_max);

// The runs of a sparse value as PFDEBUG DECODE prints them: "Z:1000 v:3,1 z:40".
[[nodiscard]] std::string HllDescribeSparse(std::string_view hll);

// What PFSELFTEST does: packs and unpacks registers, and counts up to ten million elements, sparse
// against dense against the truth. Empty when all is well, else the text of the error.
[[nodiscard]] std::string HllSelfTest(base::Rng* rng, size_t sparse_bytes_max,
                                      uint64_t elements_max = 10'000'000);

}  // namespace terrace::keyspace
