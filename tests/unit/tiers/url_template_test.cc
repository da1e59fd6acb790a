#include "tiers/url_template.h"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"
#include "tiers/origin.h"

namespace terrace::tiers {
namespace {

// The URL of a key, or "absent" or "too long".
std::string Expand(const std::string& text, std::string_view key) {
  std::string problem;
  const auto url_template = UrlTemplate::Parse(text, &problem);
  if (!url_template) return "bad template: " + problem;
  std::string url;
  switch (url_template->Expand(key, &url)) {
    case UrlTemplate::Expansion::kUrl:
      return url;
    case UrlTemplate::Expansion::kAbsent:
      return "absent";
    case UrlTemplate::Expansion::kTooLong:
      return "too long";
  }
  return "";
}

TEST(UrlTemplateTest, PutsTheWholeKeyOrItsPartsWhereTheTemplateSays) {
  EXPECT_EQ(Expand("http://h/{key}", "user:1"), "http://h/user%3A1");
  EXPECT_EQ(Expand("https://h:8443/v1/{key:0}/{key:1}?x=1", "user:1"),
            "https://h:8443/v1/user/1?x=1");
  EXPECT_EQ(Expand("http://h/{key:1}", "user:1:2"), "http://h/1");
  EXPECT_EQ(Expand("http://[::1]:80/a?k={key:2}&l={key:0}", "a:b:c"), "http://[::1]:80/a?k=c&l=a");
}

TEST(UrlTemplateTest, EncodesEverythingButUnreservedCharacters) {
  EXPECT_EQ(Expand("http://h/{key}", "aZ09-._~"), "http://h/aZ09-._~");
  EXPECT_EQ(Expand("http://h/{key}", "a/b?c#d&e=f%g h@i"),
            "http://h/a%2Fb%3Fc%23d%26e%3Df%25g%20h%40i");
  EXPECT_EQ(Expand("http://h/{key}", std::string_view("\0\r\n\x7f\xff", 5)),
            "http://h/%00%0D%0A%7F%FF");
}

TEST(UrlTemplateTest, KeysWithoutAPartAreAbsent) {
  EXPECT_EQ(Expand("http://h/{key:0}/{key:1}", "user"), "absent");
  EXPECT_EQ(Expand("http://h/{key:0}/{key:1}", "user:"), "absent");
  EXPECT_EQ(Expand("http://h/{key:0}/{key:1}", ":1"), "absent");
  EXPECT_EQ(Expand("http://h/{key}", ""), "absent");
}

TEST(UrlTemplateTest, KeysThatWouldClimbThePathAreAbsent) {
  for (const char* key : {".", "..", "../x", "x/..", "x/../../y", "..\\x", "a/./b", "..;x"}) {
    EXPECT_EQ(Expand("http://h/v1/{key}/x", key), "absent") << key;
  }
  EXPECT_EQ(Expand("http://h/{key:0}{key:1}", ".:."), "absent");
  EXPECT_EQ(Expand("http://h/.{key}", "."), "absent");
  EXPECT_EQ(Expand("http://h/%2E{key}", "."), "absent");
  // Encoded once more they are what they say, and a query names no path.
  EXPECT_EQ(Expand("http://h/{key}", "%2e%2e"), "http://h/%252e%252e");
  EXPECT_EQ(Expand("http://h/{key}", "..."), "http://h/...");
  EXPECT_EQ(Expand("http://h/x?k={key}", ".."), "http://h/x?k=..");
}

TEST(UrlTemplateTest, LimitsTheLengthOfTheUrl) {
  const std::string prefix = "http://h/";
  const size_t room = UrlTemplate::kUrlBytesMax - prefix.size();
  EXPECT_EQ(Expand(prefix + "{key}", std::string(room, 'a')).size(), UrlTemplate::kUrlBytesMax);
  EXPECT_EQ(Expand(prefix + "{key}", std::string(room + 1, 'a')), "too long");
  EXPECT_EQ(Expand(prefix + "{key}", std::string(room, ' ')), "too long");
  EXPECT_EQ(Expand(prefix + "{key}", std::string(1 << 20, 'a')), "too long");
}

TEST(UrlTemplateTest, AcceptsGoodTemplates) {
  for (const char* url :
       {"http://h/{key}", "HTTPS://api.example.com/v1/{key:0}/{key:99}", "http://127.0.0.1:1/{key}",
        "http://[2001:db8::1]/?k={key}", "http://a_b.c-d:65535/%20{key}"}) {
    EXPECT_EQ(CheckUrlTemplate(url), "") << url;
  }
}

TEST(UrlTemplateTest, ExplainsBadTemplates) {
  const struct {
    const char* url;
    const char* problem;
  } kCases[] = {
      {"", "http://"},
      {"ftp://h/{key}", "http://"},
      {"file:///{key}", "http://"},
      {"http:///{key}", "host"},
      {"http://{key}/", "fixed host"},
      {"http://{key:0}.example.com/{key:1}", "fixed host"},
      {"http://h:{key}/", "fixed host"},
      {"{key}://h/", "http://"},
      {"http://user:secret@h/{key}", "password"},
      {"http://h@evil/{key}", "password"},
      {"http://h:0/{key}", "port"},
      {"http://h:65536/{key}", "port"},
      {"http://h:/{key}", "port"},
      {"http://h:8x/{key}", "port"},
      {"http://[::1/{key}", "]"},
      {"http://[::1]x/{key}", "between"},
      {"http://h!/{key}", "host"},
      {"http://h", "path"},
      {"http://h?k={key}", "path"},
      {"http://h/", "{key}"},
      {"http://h/{key", "brace"},
      {"http://h/key}", "brace"},
      {"http://h/{}", "brace"},
      {"http://h/{id}", "brace"},
      {"http://h/{key:}", "brace"},
      {"http://h/{key:-1}", "brace"},
      {"http://h/{key:1x}", "brace"},
      {"http://h/{key:100}", "brace"},
      {"http://h/{key}#x", "#"},
      {"http://h/../{key}", ".."},
      {"http://h/%2e%2E/{key}", ".."},
      {"http://h/./{key}", ".."},
      {"http://h/%2{key}", "%"},
      {"http://h/%zz{key}", "%"},
      {"http://h/{key}%", "%"},
      {"http://h/ {key}", "space"},
      {"http://h/\n{key}", "space"},
      {"http://h\\@evil/{key}", "backslash"},
      {"http://h/\xc3\xa9{key}", "percent-encoded"},
  };
  for (const auto& test : kCases) {
    EXPECT_NE(CheckUrlTemplate(test.url).find(test.problem), std::string::npos)
        << test.url << " -> " << CheckUrlTemplate(test.url);
  }
}

TEST(UrlTemplateTest, RandomKeysNeverLeaveThePlaceOfTheTemplate) {
  const uint64_t seed = 20240611;
  base::Rng rng(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  constexpr std::string_view kBytes = std::string_view("./\\%2eE:;?#@&a\0\r\n ", 18);
  for (int i = 0; i < 20000; ++i) {
    std::string key;
    for (uint64_t n = rng.Below(8); n > 0; --n) key.push_back(kBytes[rng.Below(kBytes.size())]);
    const std::string url = Expand("http://h/in/{key}/end", key);
    if (url == "absent") continue;
    ASSERT_TRUE(url.starts_with("http://h/in/") && url.ends_with("/end")) << url;
    ASSERT_EQ(url.find_first_of("/?#\\@:;", 12), url.size() - 4) << url;
  }
}

}  // namespace
}  // namespace terrace::tiers
