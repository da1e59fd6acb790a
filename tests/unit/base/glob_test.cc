#include "base/glob.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <string_view>

namespace terrace::base {
namespace {

bool NoCase(std::string_view pattern, std::string_view text) {
  return GlobMatch(pattern, text, GlobCase::kInsensitive);
}

TEST(Glob, MatchesPlainTextOnlyAsAWhole) {
  EXPECT_TRUE(GlobMatch("user:1", "user:1"));
  EXPECT_FALSE(GlobMatch("user:1", "user:10"));
  EXPECT_FALSE(GlobMatch("user:10", "user:1"));
  EXPECT_FALSE(GlobMatch("", "a"));
  EXPECT_FALSE(GlobMatch("User", "user"));
}

TEST(Glob, StarMatchesAnyRunIncludingNone) {
  EXPECT_TRUE(GlobMatch("*", "anything"));
  EXPECT_TRUE(GlobMatch("a*", "a"));
  EXPECT_TRUE(GlobMatch("a***", "a"));
  EXPECT_TRUE(GlobMatch("*a", "bca"));
  EXPECT_FALSE(GlobMatch("*a", "bcab"));
  EXPECT_TRUE(GlobMatch("a*b*c", "axxbyybzzc"));
  EXPECT_TRUE(GlobMatch("*ab", "aab"));
  EXPECT_TRUE(GlobMatch("a*ab*b", "aabbab"));
  EXPECT_FALSE(GlobMatch("a*b*c", "axxbyyb"));
}

// Redis gives up at the thousand and first.
TEST(Glob, MoreThanAThousandStarsMatchNothingUnlessTheyEndThePattern) {
  const auto stars = [](int count) {
    std::string pattern;
    for (int i = 0; i < count; ++i) pattern += "*a";
    return pattern;
  };
  const std::string text(2000, 'a');
  EXPECT_TRUE(GlobMatch(stars(1000), text));
  EXPECT_TRUE(GlobMatch(stars(1000) + "*", text));
  EXPECT_FALSE(GlobMatch(stars(1001), text));
  EXPECT_TRUE(GlobMatch(std::string(5000, '*') + "a", text));
}

TEST(Glob, QuestionMarkMatchesExactlyOneByte) {
  EXPECT_TRUE(GlobMatch("h?llo", "hello"));
  EXPECT_FALSE(GlobMatch("h?llo", "hllo"));
  EXPECT_FALSE(GlobMatch("a?", "a"));
  EXPECT_TRUE(GlobMatch("?*", "a"));
}

TEST(Glob, EmptyTextIsMatchedByTheEmptyPatternOnly) {
  EXPECT_TRUE(GlobMatch("", ""));
  EXPECT_FALSE(GlobMatch("*", ""));
  EXPECT_FALSE(GlobMatch("?", ""));
}

TEST(Glob, ClassHoldsMembersRangesAndNegation) {
  EXPECT_TRUE(GlobMatch("h[ae]llo", "hallo"));
  EXPECT_FALSE(GlobMatch("h[ae]llo", "hillo"));
  EXPECT_TRUE(GlobMatch("h[^e]llo", "hallo"));
  EXPECT_FALSE(GlobMatch("h[^e]llo", "hello"));
  EXPECT_TRUE(GlobMatch("k[0-9]", "k7"));
  EXPECT_FALSE(GlobMatch("k[0-9]", "kx"));
  EXPECT_TRUE(GlobMatch("k[9-0]", "k7"));
  EXPECT_TRUE(GlobMatch("[a-cx]", "x"));
  EXPECT_TRUE(GlobMatch("*[0-9]", "ab3"));
}

TEST(Glob, EscapesTakeTheNextByteAsItStands) {
  EXPECT_TRUE(GlobMatch("a\\*b", "a*b"));
  EXPECT_FALSE(GlobMatch("a\\*b", "axb"));
  EXPECT_TRUE(GlobMatch("[\\]]", "]"));
  EXPECT_TRUE(GlobMatch("[\\-x]", "-"));
  EXPECT_TRUE(GlobMatch("a\\", "a\\"));
  EXPECT_TRUE(GlobMatch("\\[x", "[x"));
}

TEST(Glob, UnfinishedClassEndsWithThePattern) {
  EXPECT_TRUE(GlobMatch("a[bc", "ab"));
  EXPECT_FALSE(GlobMatch("a[bc", "ad"));
  EXPECT_FALSE(GlobMatch("[", "["));
  EXPECT_TRUE(GlobMatch("[^", "x"));
  EXPECT_FALSE(GlobMatch("[]", "]"));
  EXPECT_TRUE(GlobMatch("[^]", "]"));
  EXPECT_TRUE(GlobMatch("[a-]", "^"));  // The range runs from ']' to 'a'.
}

TEST(Glob, CaseIsIgnoredOnRequest) {
  EXPECT_TRUE(NoCase("MaxMem*", "maxmemory"));
  EXPECT_TRUE(NoCase("[A-C]x", "bX"));
  EXPECT_FALSE(NoCase("[A-C]x", "dX"));
  EXPECT_FALSE(NoCase("[\\A]", "a"));  // An escaped member keeps its case.
}

TEST(Glob, AnyByteMayOccur) {
  const std::string_view text("a\0b\xff", 4);
  EXPECT_TRUE(GlobMatch(std::string_view("a\0*", 3), text));
  EXPECT_TRUE(GlobMatch("???\xff", text));
  EXPECT_FALSE(GlobMatch("a", text));
  EXPECT_TRUE(GlobMatch("[\x80-\xff]", "\xc3"));
}

TEST(Glob, HostilePatternsStayCheap) {
  std::string pattern;
  for (int i = 0; i < 2000; ++i) pattern += "a*";
  pattern += "b";
  const std::string text(4000, 'a');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(GlobMatch(pattern, text));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

// A recursive matcher that follows the definition and nothing else.
bool SlowMatch(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (size_t skip = 0; skip <= text.size(); ++skip) {
      if (SlowMatch(pattern.substr(1), text.substr(skip))) return true;
    }
    return false;
  }
  if (text.empty() || (pattern[0] != '?' && pattern[0] != text[0])) return false;
  return SlowMatch(pattern.substr(1), text.substr(1));
}

TEST(Glob, AgreesWithTheDefinitionOnRandomPatterns) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  constexpr std::string_view kPatternBytes = "ab*?";
  for (int round = 0; round < 20000; ++round) {
    std::string pattern;
    std::string text;
    for (unsigned left = rng() % 9; left > 0; --left) pattern += kPatternBytes[rng() % 4];
    for (unsigned left = 1 + rng() % 9; left > 0; --left) text += "ab"[rng() % 2];
    ASSERT_EQ(GlobMatch(pattern, text), SlowMatch(pattern, text)) << pattern << " on " << text;
  }
}

TEST(Glob, TellsPatternsFromPlainNames) {
  EXPECT_TRUE(IsGlob("max*"));
  EXPECT_TRUE(IsGlob("a?c"));
  EXPECT_TRUE(IsGlob("[ab]"));
  EXPECT_FALSE(IsGlob("maxmemory-policy"));
}

}  // namespace
}  // namespace terrace::base
