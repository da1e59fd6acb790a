#include "tiers/http_framing.h"

#include <gtest/gtest.h>

namespace terrace::tiers {
namespace {

TEST(HttpFramingTest, LengthsMustAgree) {
  EXPECT_EQ(FramingProblem("", ""), "");
  EXPECT_EQ(FramingProblem("3", ""), "");
  EXPECT_EQ(FramingProblem("3, 3,3", ""), "");
  for (const char* lengths : {"2, 3", "3, 2", "3, 3, 2", "3, 03", "3, +3"}) {
    EXPECT_NE(FramingProblem(lengths, ""), "") << lengths;
  }
}

TEST(HttpFramingTest, ChunkedIsTheOnlyTransferCoding) {
  EXPECT_EQ(FramingProblem("", "chunked"), "");
  EXPECT_EQ(FramingProblem("5", "Chunked"), "");
  EXPECT_EQ(FramingProblem("", "identity"), "");
  for (const char* codings : {"gzip, chunked", "gzip", "chunked, chunked", "chunked, x", "x"}) {
    EXPECT_NE(FramingProblem("", codings), "") << codings;
  }
}

TEST(HttpFramingTest, ABodyHasOneEncodingOrNone) {
  EXPECT_EQ(ContentEncodingOf(""), "");
  EXPECT_EQ(ContentEncodingOf("identity"), "");
  EXPECT_EQ(ContentEncodingOf(" gzip "), "gzip");
  EXPECT_EQ(ContentEncodingOf("Identity, br,"), "br");
  EXPECT_EQ(ContentEncodingOf("gzip, br"), "gzip, br");
}

}  // namespace
}  // namespace terrace::tiers
