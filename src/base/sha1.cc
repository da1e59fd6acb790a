#include "base/sha1.h"

#include <array>
#include <bit>
#include <cstdint>

namespace terrace::base {
namespace {

constexpr size_t kSha1BlockBytes = 64;
using Sha1State = std::array<uint32_t, 5>;

void AddBlock(Sha1State& state, const unsigned char* block) {
  std::array<uint32_t, 80> words;
  for (size_t i = 0; i < 16; ++i) {
    words[i] = uint32_t{block[4 * i]} << 24 | uint32_t{block[4 * i + 1]} << 16 |
               uint32_t{block[4 * i + 2]} << 8 | uint32_t{block[4 * i + 3]};
  }
  for (size_t i = 16; i < words.size(); ++i) {
    words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (size_t i = 0; i < words.size(); ++i) {
    uint32_t mixed, constant;
    if (i < 20) {
      mixed = (b & c) | (~b & d);
      constant = 0x5a827999u;
    } else if (i < 40) {
      mixed = b ^ c ^ d;
      constant = 0x6ed9eba1u;
    } else if (i < 60) {
      mixed = (b & c) | (b & d) | (c & d);
      constant = 0x8f1bbcdcu;
    } else {
      mixed = b ^ c ^ d;
      constant = 0xca62c1d6u;
    }
    const uint32_t next = std::rotl(a, 5) + mixed + e + constant + words[i];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  const Sha1State round = {a, b, c, d, e};
  for (size_t i = 0; i < state.size(); ++i) state[i] += round[i];
}

}  // namespace

std::string Sha1Hex(std::string_view bytes) {
  Sha1State state = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kSha1BlockBytes; left -= kSha1BlockBytes, data += kSha1BlockBytes)
    AddBlock(state, data);
  // The rest, a one bit, zeros, and the length in bits fill one block or two.
  std::array<unsigned char, 2 * kSha1BlockBytes> tail = {};
  for (size_t i = 0; i < left; ++i) tail[i] = data[i];
  tail[left] = 0x80;
  const size_t tail_bytes = left + 9 <= kSha1BlockBytes ? kSha1BlockBytes : 2 * kSha1BlockBytes;
  const uint64_t bits = uint64_t{bytes.size()} * 8;
  for (size_t i = 0; i < 8; ++i) {
    tail[tail_bytes - 1 - i] = static_cast<unsigned char>(bits >> (8 * i));
  }
  for (size_t at = 0; at < tail_bytes; at += kSha1BlockBytes) AddBlock(state, tail.data() + at);

  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[(word >> shift) & 15];
  }
  return text;
}

}  // namespace terrace::base
