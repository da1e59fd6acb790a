#include "keyspace/types/hyperloglog.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/rng.h"

namespace terrace::keyspace {
namespace {

constexpr int kIndexBits = 14;
constexpr int kRankBits = 64 - kIndexBits;
constexpr uint32_t kHashSeed = 0xadc83b19;
constexpr size_t kEncodingAt = 4;
constexpr size_t kCountAt = 8;
constexpr unsigned char kStaleBit = 0x80;  // of the last byte of the count
constexpr uint8_t kRegisterMax = 63;

// A sparse run is one byte 00llllll (zeros), 1vvvvvll (a value), or two bytes 01llllll llllllll
// (many zeros). Lengths and values are stored less one.
constexpr int kSparseValueMax = 32;
constexpr int kSparseValueRunMax = 4;
constexpr int kShortZeroRunMax = 64;
constexpr int kMergeScanMax = 5;  // runs looked at after a change, a part of the format's identity

using Histogram = std::array<uint32_t, kRegisterMax + 1>;

struct Run {
  uint8_t value = 0;  // 0 for zeros
  int length = 0;
  size_t bytes = 1;
};

struct Target {
  size_t index;
  uint8_t rank;
};

unsigned char ByteAt(std::string_view bytes, size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

// MurmurHash64A (Appleby), reading words little-endian as Redis does on every machine.
uint64_t MurmurHash64A(std::string_view text, uint32_t seed) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995u;
  constexpr int kShift = 47;
  uint64_t hash = seed ^ (text.size() * kMultiplier);
  const char* at = text.data();
  size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    word *= kMultiplier;
    word ^= word >> kShift;
    word *= kMultiplier;
    hash ^= word;
    hash *= kMultiplier;
  }
  if (left > 0) {
    uint64_t tail = 0;
    std::memcpy(&tail, at, left);
    hash ^= tail;
    hash *= kMultiplier;
  }
  hash ^= hash >> kShift;
  hash *= kMultiplier;
  hash ^= hash >> kShift;
  return hash;
}

// The low bits of the hash choose the register, the position of the first one above them is the
// rank, 1 to 51.
Target TargetOf(std::string_view element) {
  const uint64_t hash = MurmurHash64A(element, kHashSeed);
  const uint64_t rest = (hash >> kIndexBits) | (uint64_t{1} << kRankBits);
  return {hash & (kHllRegisters - 1), static_cast<uint8_t>(std::countr_zero(rest) + 1)};
}

uint8_t DenseGet(const char* registers, size_t index) {
  const size_t bit = index * 6;
  const size_t byte = bit / 8;
  const unsigned shift = bit % 8;
  unsigned word = static_cast<unsigned char>(registers[byte]);
  // A register that begins at bit 2 or lower ends in its own byte; the last one does.
  if (shift > 2)
    word |= static_cast<unsigned>(static_cast<unsigned char>(registers[byte + 1])) << 8;
  return (word >> shift) & kRegisterMax;
}

void DenseSet(char* registers, size_t index, uint8_t value) {
  const size_t bit = index * 6;
  const size_t byte = bit / 8;
  const unsigned shift = bit % 8;
  const unsigned mask = static_cast<unsigned>(kRegisterMax) << shift;
  const unsigned bits = static_cast<unsigned>(value) << shift;
  const auto put = [&](size_t at, unsigned part_mask, unsigned part_bits) {
    registers[at] =
        static_cast<char>((static_cast<unsigned char>(registers[at]) & ~part_mask) | part_bits);
  };
  put(byte, mask & 0xff, bits & 0xff);
  if (shift > 2) put(byte + 1, mask >> 8, bits >> 8);
}

// Calls visit(index, value) for all registers, eight at a time out of six bytes.
template <typename Visit>
void ForEachDense(std::string_view hll, Visit visit) {
  const char* at = hll.data() + kHllHeaderSize;
  for (size_t index = 0; index < kHllRegisters; index += 8, at += 6) {
    uint64_t word = 0;
    std::memcpy(&word, at, 6);
    for (size_t i = 0; i < 8; ++i) visit(index + i, static_cast<uint8_t>(word >> (6 * i) & 63));
  }
}

// The run at a position inside hll; false when it is cut off.
bool RunAt(std::string_view hll, size_t at, Run* run) {
  const unsigned first = ByteAt(hll, at);
  if ((first & 0x80) != 0) {
    *run = {static_cast<uint8_t>((first >> 2 & 0x1f) + 1), static_cast<int>(first & 3) + 1, 1};
  } else if ((first & 0x40) == 0) {
    *run = {0, static_cast<int>(first) + 1, 1};
  } else {
    if (at + 1 >= hll.size()) return false;
    *run = {0, static_cast<int>((first & 0x3f) << 8 | ByteAt(hll, at + 1)) + 1, 2};
  }
  return true;
}

// Calls visit(first index, run) for all runs. False unless they cover the registers exactly.
template <typename Visit>
bool ForEachRun(std::string_view hll, Visit visit) {
  size_t index = 0;
  Run run;
  for (size_t at = kHllHeaderSize; at < hll.size(); at += run.bytes) {
    if (!RunAt(hll, at, &run)) return false;
    if (index + static_cast<size_t>(run.length) > kHllRegisters) return false;
    visit(index, run);
    index += static_cast<size_t>(run.length);
  }
  return index == kHllRegisters;
}

char ValueRun(int value, int length) {
  return static_cast<char>(0x80 | (value - 1) << 2 | (length - 1));
}

void AppendRun(int value, int length, std::string* out) {
  if (length == 0) return;
  if (value > 0) {
    out->push_back(ValueRun(value, length));
  } else if (length <= kShortZeroRunMax) {
    out->push_back(static_cast<char>(length - 1));
  } else {
    out->push_back(static_cast<char>(0x40 | (length - 1) >> 8));
    out->push_back(static_cast<char>(length - 1));
  }
}

// Where the run that covers a register lies.
struct Position {
  size_t at = 0;
  size_t previous_at = 0;  // of the run before it; its own when it is the first
  size_t first_index = 0;
  Run run;
};

bool FindRun(std::string_view hll, size_t index, Position* position) {
  size_t previous_at = kHllHeaderSize;
  size_t first_index = 0;
  Run run;
  for (size_t at = kHllHeaderSize; at < hll.size(); at += run.bytes) {
    if (!RunAt(hll, at, &run)) return false;
    if (index < first_index + static_cast<size_t>(run.length)) {
      *position = {at, previous_at, first_index, run};
      return true;
    }
    previous_at = at;
    first_index += static_cast<size_t>(run.length);
  }
  return false;
}

// Joins neighbouring runs of one value where the result still fits a run.
void MergeRuns(std::string* hll, size_t at) {
  for (int scans = kMergeScanMax; scans > 0 && at < hll->size(); --scans) {
    Run left;
    Run right;
    if (!RunAt(*hll, at, &left)) return;
    const size_t next = at + left.bytes;
    if (left.value > 0 && next < hll->size() && RunAt(*hll, next, &right) &&
        right.value == left.value && left.length + right.length <= kSparseValueRunMax) {
      (*hll)[next] = ValueRun(left.value, left.length + right.length);
      hll->erase(at, 1);
      continue;
    }
    at = next;
  }
}

HllUpdate RaiseDense(std::span<char> hll, Target target) {
  char* registers = hll.data() + kHllHeaderSize;
  if (DenseGet(registers, target.index) >= target.rank) return HllUpdate::kUnchanged;
  DenseSet(registers, target.index, target.rank);
  HllMarkStale(hll);
  return HllUpdate::kChanged;
}

HllUpdate PromoteAndRaise(std::string* hll, Target target) {
  if (!HllToDense(hll)) return HllUpdate::kCorrupt;
  return RaiseDense(*hll, target);
}

HllUpdate RaiseSparse(std::string* hll, Target target, size_t sparse_bytes_max) {
  if (target.rank > kSparseValueMax) return PromoteAndRaise(hll, target);
  Position found;
  if (!FindRun(*hll, target.index, &found)) return HllUpdate::kCorrupt;
  if (found.run.value >= target.rank) return HllUpdate::kUnchanged;

  const int before = static_cast<int>(target.index - found.first_index);
  std::string runs;
  AppendRun(found.run.value, before, &runs);
  AppendRun(target.rank, 1, &runs);
  AppendRun(found.run.value, found.run.length - before - 1, &runs);
  if (runs.size() > found.run.bytes &&
      hll->size() + runs.size() - found.run.bytes > sparse_bytes_max) {
    return PromoteAndRaise(hll, target);
  }
  hll->replace(found.at, found.run.bytes, runs);
  MergeRuns(hll, found.previous_at);
  HllMarkStale(*hll);
  return HllUpdate::kChanged;
}

HllUpdate Raise(std::string* hll, Target target, size_t sparse_bytes_max) {
  if (EncodingOf(*hll) == HllEncoding::kDense) return RaiseDense(*hll, target);
  return RaiseSparse(hll, target, sparse_bytes_max);
}

double Sigma(double x) {
  if (x == 1.) return std::numeric_limits<double>::infinity();
  double y = 1;
  double z = x;
  double previous;
  do {
    x *= x;
    previous = z;
    z += x * y;
    y += y;
  } while (previous != z);
  return z;
}

double Tau(double x) {
  if (x == 0. || x == 1.) return 0.;
  double y = 1.0;
  double z = 1 - x;
  double previous;
  do {
    x = std::sqrt(x);
    previous = z;
    y *= 0.5;
    z -= std::pow(1 - x, 2) * y;
  } while (previous != z);
  return z / 3;
}

uint64_t Estimate(const Histogram& histogram) {
  constexpr double kAlphaInfinity = 0.721347520444481703680;  // 1 / (2 ln 2)
  const double m = kHllRegisters;
  double z = m * Tau((m - histogram[kRankBits + 1]) / m);
  for (int rank = kRankBits; rank >= 1; --rank) {
    z += histogram[static_cast<size_t>(rank)];
    z *= 0.5;
  }
  z += m * Sigma(histogram[0] / m);
  return static_cast<uint64_t>(std::llround(kAlphaInfinity * m * m / z));
}

std::string NewDense() {
  std::string hll(kHllDenseSize, '\0');
  std::memcpy(hll.data(), "HYLL", 4);
  return hll;
}

}  // namespace

bool IsHyperLogLog(std::string_view value) {
  if (value.size() < kHllHeaderSize || value.substr(0, 4) != "HYLL") return false;
  const unsigned encoding = ByteAt(value, kEncodingAt);
  if (encoding == static_cast<unsigned>(HllEncoding::kSparse)) return true;
  return encoding == static_cast<unsigned>(HllEncoding::kDense) && value.size() == kHllDenseSize;
}

std::string NewHyperLogLog() {
  std::string hll(kHllHeaderSize, '\0');
  std::memcpy(hll.data(), "HYLL", 4);
  hll[kEncodingAt] = static_cast<char>(HllEncoding::kSparse);
  AppendRun(0, kHllRegisters, &hll);
  return hll;
}

HllEncoding EncodingOf(std::string_view hll) {
  return static_cast<HllEncoding>(ByteAt(hll, kEncodingAt));
}

HllUpdate HllAdd(std::string* hll, std::string_view element, size_t sparse_bytes_max) {
  return Raise(hll, TargetOf(element), sparse_bytes_max);
}

HllUpdate HllAddDense(std::span<char> hll, std::string_view element) {
  TERRACE_CHECK(hll.size() == kHllDenseSize);
  return RaiseDense(hll, TargetOf(element));
}

HllUpdate HllProbe(std::string_view hll, std::string_view element) {
  const Target target = TargetOf(element);
  uint8_t current;
  if (EncodingOf(hll) == HllEncoding::kDense) {
    current = DenseGet(hll.data() + kHllHeaderSize, target.index);
  } else {
    Position found;
    if (!FindRun(hll, target.index, &found)) return HllUpdate::kCorrupt;
    current = found.run.value;
  }
  return target.rank > current ? HllUpdate::kChanged : HllUpdate::kUnchanged;
}

bool HllToDense(std::string* hll) {
  if (EncodingOf(*hll) == HllEncoding::kDense) return true;
  std::string dense = NewDense();
  constexpr size_t kRestAt = kEncodingAt + 1;
  std::memcpy(dense.data() + kRestAt, hll->data() + kRestAt, kHllHeaderSize - kRestAt);
  const bool valid = ForEachRun(*hll, [&](size_t index, const Run& run) {
    if (run.value == 0) return;
    for (int i = 0; i < run.length; ++i) {
      DenseSet(dense.data() + kHllHeaderSize, index + static_cast<size_t>(i), run.value);
    }
  });
  if (!valid) return false;
  *hll = std::move(dense);
  return true;
}

std::optional<uint64_t> HllCachedCount(std::string_view hll) {
  if ((ByteAt(hll, kHllHeaderSize - 1) & kStaleBit) != 0) return std::nullopt;
  uint64_t count;
  std::memcpy(&count, hll.data() + kCountAt, sizeof(count));
  return count;
}

void HllStoreCount(std::span<char> hll, uint64_t count) {
  std::memcpy(hll.data() + kCountAt, &count, sizeof(count));
}

void HllMarkStale(std::span<char> hll) {
  char& last = hll[kHllHeaderSize - 1];
  last = static_cast<char>(static_cast<unsigned char>(last) | kStaleBit);
}

std::optional<uint64_t> HllCount(std::string_view hll) {
  Histogram histogram{};
  if (EncodingOf(hll) == HllEncoding::kDense) {
    // Neighbouring registers count in different tables: equal ranks in a row would otherwise wait
    // for each other's store.
    std::array<Histogram, 4> parts{};
    ForEachDense(hll, [&](size_t index, uint8_t rank) { ++parts[index % 4][rank]; });
    for (const Histogram& part : parts) {
      for (size_t rank = 0; rank < part.size(); ++rank) histogram[rank] += part[rank];
    }
  } else if (!ForEachRun(hll, [&](size_t, const Run& run) {
               histogram[run.value] += static_cast<uint32_t>(run.length);
             })) {
    return std::nullopt;
  }
  return Estimate(histogram);
}

uint64_t HllCount(const HllRegisters& registers) {
  Histogram histogram{};
  for (const uint8_t rank : registers) ++histogram[rank & kRegisterMax];
  return Estimate(histogram);
}

bool HllMergeInto(std::string_view hll, HllRegisters* registers) {
  if (EncodingOf(hll) == HllEncoding::kDense) {
    ForEachDense(hll, [&](size_t index, uint8_t rank) {
      (*registers)[index] = std::max((*registers)[index], rank);
    });
    return true;
  }
  return ForEachRun(hll, [&](size_t index, const Run& run) {
    if (run.value == 0) return;
    for (int i = 0; i < run.length; ++i) {
      uint8_t& rank = (*registers)[index + static_cast<size_t>(i)];
      rank = std::max(rank, run.value);
    }
  });
}

bool HllRaise(std::string* hll, const HllRegisters& registers, size_t sparse_bytes_max) {
  for (size_t index = 0; index < registers.size(); ++index) {
    if (registers[index] == 0) continue;
    if (Raise(hll, {index, registers[index]}, sparse_bytes_max) == HllUpdate::kCorrupt) {
      return false;
    }
  }
  HllMarkStale(*hll);
  return true;
}

std::string HllDescribeSparse(std::string_view hll) {
  std::string text;
  Run run;
  for (size_t at = kHllHeaderSize; at < hll.size() && RunAt(hll, at, &run); at += run.bytes) {
    if (!text.empty()) text.push_back(' ');
    if (run.value > 0) {
      text.append("v:").append(std::to_string(run.value)).append(",");
    } else {
      text.append(run.bytes == 1 ? "z:" : "Z:");
    }
    text.append(std::to_string(run.length));
  }
  return text;
}

std::string HllSelfTest(base::Rng* rng, size_t sparse_bytes_max, uint64_t elements_max) {
  constexpr int kPackCycles = 1000;
  constexpr double kStandardErrorsMax = 6;
  std::string dense = NewDense();
  HllRegisters expected;
  for (int cycle = 0; cycle < kPackCycles; ++cycle) {
    for (size_t i = 0; i < kHllRegisters; ++i) {
      expected[i] = static_cast<uint8_t>(rng->Below(kRegisterMax + 1));
      DenseSet(dense.data() + kHllHeaderSize, i, expected[i]);
    }
    for (size_t i = 0; i < kHllRegisters; ++i) {
      const uint8_t rank = DenseGet(dense.data() + kHllHeaderSize, i);
      if (rank == expected[i]) continue;
      return "TESTFAILED Register " + std::to_string(i) + " should be " +
             std::to_string(expected[i]) + " but is " + std::to_string(rank);
    }
  }

  dense = NewDense();
  std::string sparse = NewHyperLogLog();
  const double error = kStandardErrorsMax * 1.04 / std::sqrt(kHllRegisters);
  const uint64_t seed = rng->Next();
  uint64_t checkpoint = 1;
  for (uint64_t i = 1; i <= elements_max; ++i) {
    const uint64_t number = i ^ seed;
    const std::string_view element(reinterpret_cast<const char*>(&number), sizeof(number));
    (void)HllAddDense(dense, element);
    (void)HllAdd(&sparse, element, sparse_bytes_max);
    if (i != checkpoint) continue;
    if (i < sparse_bytes_max / 2 && EncodingOf(sparse) != HllEncoding::kSparse) {
      return "TESTFAILED sparse encoding not used";
    }
    const std::optional<uint64_t> count = HllCount(dense);
    if (count != HllCount(sparse)) return "TESTFAILED dense/sparse disagree";
    const uint64_t distance = *count > i ? *count - i : i - *count;
    // Collisions among ten elements are likely enough to allow for one.
    const double allowed = i == 10 ? 1 : std::ceil(error * static_cast<double>(i));
    if (static_cast<double>(distance) > allowed) {
      return "TESTFAILED Too big error. card:" + std::to_string(i) +
             " abserr:" + std::to_string(distance);
    }
    checkpoint *= 10;
  }
  return {};
}

}  // namespace terrace::keyspace
