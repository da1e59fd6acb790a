#include "keyspace/dump.h"

#include <gtest/gtest.h>

#include <string>

#include "base/crc64.h"
#include "base/rng.h"

namespace terrace::keyspace {
namespace {

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::string WithFooter(std::string body, uint8_t version) {
  body.push_back(static_cast<char>(version));
  body.push_back('\0');
  const uint64_t checksum = base::Crc64(body);
  for (int shift = 0; shift < 64; shift += 8) body.push_back(static_cast<char>(checksum >> shift));
  return body;
}

DumpStatus Decode(std::string_view payload, std::string* out) {
  DumpValue value;
  const DumpStatus status = DecodeDump(payload, EncodingLimits{}, &value);
  *out = value.string;
  return status;
}

// What a Redis 7.0 answered to DUMP.
TEST(DumpString, DecodesWhatRedisDumps) {
  const std::pair<const char*, std::string> cases[] = {
      {"00000a005d9b5c400f7fa2da", ""},
      {"000568656c6c6f0a006372df766534200a", "hello"},
      {"00c00c0a003c2af8515c04bcd5", "12"},
      {"00c17fff0a001760822854808480", "-129"},
      {"00c2701101000a0001a408fe953095a5", "70000"},
      {"000a323134373438333634380a00e7b129a34c1d76ee", "2147483648"},
      {"00c30c412c016161e0ff00e017000161610a004b1bc2625246e713", std::string(300, 'a')},
      {"0004303132330a000ae40c929e3b6422", "0123"},
  };
  for (const auto& [hex, expected] : cases) {
    std::string value;
    EXPECT_EQ(Decode(FromHex(hex), &value), DumpStatus::kOk) << hex;
    EXPECT_EQ(value, expected);
  }
}

TEST(DumpString, ComesBackAsItWas) {
  const uint64_t seed = 42;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  std::vector<std::string> values = {
      "",    "-",          "0",          "-0",    "00",          "+1",          "127",
      "128", "-128",       "-129",       "32767", "32768",       "-1",          "01",
      " 1",  "2147483647", "2147483648", "1x",    "99999999999", "-2147483648", "-2147483649"};
  for (const size_t size : {63u, 64u, 16383u, 16384u, 100000u}) {
    std::string value(size, '\0');
    for (char& byte : value) byte = static_cast<char>(rng.Below(256));
    values.push_back(value);
  }
  for (const std::string& value : values) {
    std::string decoded;
    EXPECT_EQ(Decode(EncodeStringDump(value), &decoded), DumpStatus::kOk) << value.substr(0, 20);
    EXPECT_EQ(decoded, value);
  }
}

TEST(DumpString, SaysAVersionThatEveryRedisSinceFiveAccepts) {
  const std::string payload = EncodeStringDump("x");
  EXPECT_EQ(payload.substr(payload.size() - 10, 2), std::string("\x09\x00", 2));
}

TEST(DumpFooter, IsRefusedWhenAnyByteOfThePayloadChanged) {
  const std::string payload = EncodeStringDump("some value");
  std::string value;
  for (size_t i = 0; i < payload.size(); ++i) {
    std::string damaged = payload;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    EXPECT_EQ(Decode(damaged, &value), DumpStatus::kBadFooter) << i;
  }
  EXPECT_EQ(Decode("", &value), DumpStatus::kBadFooter);
  EXPECT_EQ(Decode("123456789", &value), DumpStatus::kBadFooter);
}

TEST(DumpFooter, AcceptsVersionsUpToTheOneOfRedis74) {
  const std::string body = FromHex("00c00c");
  std::string value;
  EXPECT_EQ(Decode(WithFooter(body, 1), &value), DumpStatus::kOk);
  EXPECT_EQ(Decode(WithFooter(body, 12), &value), DumpStatus::kOk);
  EXPECT_EQ(Decode(WithFooter(body, 13), &value), DumpStatus::kBadFooter);
}

TEST(DumpBody, IsRefusedWhenItsLengthsLie) {
  const char* bodies[] = {
      "",                      // no tag
      "00",                    // no string
      "000561",                // four bytes missing
      "00006162",              // bytes left over
      "0080ffffffff61",        // a length of 4 GiB
      "0081ffffffffffffffff",  // a length that overflows any sum
      "0082",                  // an unknown length
      "00c0",                  // an integer without bytes
      "00c4",                  // an unknown encoding
      "00c300040a",            // nothing compressed
      "00c30180ffffffff00",    // one byte that would become 4 GiB
      "00c302052041",          // compressed text of another size
      "00c302ffe041",          // an encoding where a length belongs
      "06",                    // a module
      "f0",                    // no value tag at all
  };
  std::string value;
  for (const char* body : bodies) {
    EXPECT_EQ(Decode(WithFooter(FromHex(body), 9), &value), DumpStatus::kBadData) << body;
  }
}

}  // namespace
}  // namespace terrace::keyspace
