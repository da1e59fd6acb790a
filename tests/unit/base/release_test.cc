#include "base/release.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace terrace::base {
namespace {

TEST(Release, GivesTheMemoryBack) {
  std::vector<int> numbers(1000);
  Release(&numbers);
  EXPECT_TRUE(numbers.empty());
  EXPECT_EQ(numbers.capacity(), 0u);

  std::string text(1000, 'x');
  Release(&text);
  EXPECT_EQ(text.capacity(), std::string().capacity());
}

}  // namespace
}  // namespace terrace::base
