#include "tiers/content_decoder.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace terrace::tiers {
namespace {

using Result = ContentDecoder::Result;

struct Encoded {
  const char* what;
  const char* encoding;
  std::string body;  // of "hello"
};

const Encoded kHellos[] = {
    {"gzip", "gzip",
     std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0",
                 25)},
    {"deflate as the standard says", "Deflate",
     std::string("\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15", 13)},
    {"deflate as some servers say", "deflate", std::string("\xcb\x48\xcd\xc9\xc9\x07\x00", 7)},
    {"brotli", "br", std::string("\x0b\x02\x80hello\x03", 9)},
};

// What a body means, given in pieces of that size.
std::string Decoded(const std::string& encoding, const std::string& body, size_t piece_bytes,
                    size_t bytes_max = 0) {
  const auto decoder = ContentDecoder::For(encoding);
  std::string decoded;
  for (size_t i = 0; i < body.size(); i += piece_bytes) {
    const Result result = decoder->Decode(body.substr(i, piece_bytes), bytes_max, &decoded);
    EXPECT_TRUE(bytes_max == 0 || decoded.size() <= bytes_max);
    if (result != Result::kFine) return result == Result::kBroken ? "broken" : "too large";
  }
  return decoder->is_complete() ? decoded : "cut short";
}

std::string GzipOf(const std::string& text) {
  std::string body(text.size() + 1000, '\0');
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(body.data());
  stream.avail_out = static_cast<uInt>(body.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  body.resize(stream.total_out);
  deflateEnd(&stream);
  return body;
}

TEST(ContentDecoderTest, DecodesWholeBodiesInPiecesOfAnySize) {
  for (const Encoded& hello : kHellos) {
    for (const size_t piece_bytes : {1, 2, 3, 100}) {
      EXPECT_EQ(Decoded(hello.encoding, hello.body, piece_bytes), "hello") << hello.what;
    }
  }
}

TEST(ContentDecoderTest, NoBeginningOfABodyIsTakenForIt) {
  for (const Encoded& hello : kHellos) {
    for (size_t length = 0; length < hello.body.size(); ++length) {
      EXPECT_EQ(Decoded(hello.encoding, hello.body.substr(0, length), 100), "cut short")
          << hello.what << ", " << length << " bytes";
    }
  }
  std::string text;
  for (int i = 0; i < 10000; ++i) text += std::to_string(i * i);
  const std::string body = GzipOf(text);
  EXPECT_EQ(Decoded("gzip", body, 1000), text);
  EXPECT_EQ(Decoded("gzip", body.substr(0, body.size() / 2), 1000), "cut short");
}

TEST(ContentDecoderTest, NothingMayFollowABody) {
  for (const Encoded& hello : kHellos) {
    for (const size_t piece_bytes : {size_t{1}, hello.body.size(), size_t{100}}) {
      EXPECT_EQ(Decoded(hello.encoding, hello.body + "xx", piece_bytes), "broken") << hello.what;
    }
  }
}

TEST(ContentDecoderTest, DamagedBodiesAreBroken) {
  for (const Encoded& hello : kHellos) {
    if (std::string_view(hello.what) == "deflate as some servers say") continue;  // no checksum
    if (std::string_view(hello.encoding) == "br") continue;
    std::string body = hello.body;
    body[body.size() - 7] ^= 1;
    EXPECT_EQ(Decoded(hello.encoding, body, 100), "broken") << hello.what;
  }
  EXPECT_EQ(Decoded("gzip", "hello", 100), "broken");
  EXPECT_EQ(Decoded("br", "xx", 100), "cut short");
}

TEST(ContentDecoderTest, GzipMayHaveSeveralMembers) {
  const std::string body = kHellos[0].body + GzipOf(", world");
  for (const size_t piece_bytes : {1, 7, 25, 100}) {
    EXPECT_EQ(Decoded("gzip", body, piece_bytes), "hello, world");
  }
  EXPECT_EQ(Decoded("gzip", body.substr(0, 30), 100), "cut short");
}

TEST(ContentDecoderTest, BoundsWhatABodyExpandsTo) {
  for (const Encoded& hello : kHellos) {
    EXPECT_EQ(Decoded(hello.encoding, hello.body, 100, 5), "hello") << hello.what;
    EXPECT_EQ(Decoded(hello.encoding, hello.body, 100, 4), "too large") << hello.what;
  }
  const std::string zeros(5'000'000, '\0');
  const std::string bomb = GzipOf(zeros);
  EXPECT_LT(bomb.size(), 10000u);
  EXPECT_EQ(Decoded("gzip", bomb, bomb.size(), 1'000'000), "too large");
  EXPECT_TRUE(Decoded("gzip", bomb, 1000) == zeros);
}

TEST(ContentDecoderTest, KnowsNoOtherEncodings) {
  for (const char* encoding : {"", "zstd", "compress", "identity", "gzip, br", "aws-chunked"}) {
    EXPECT_EQ(ContentDecoder::For(encoding), nullptr) << encoding;
  }
  EXPECT_NE(ContentDecoder::For("X-GZIP"), nullptr);
}

}  // namespace
}  // namespace terrace::tiers
