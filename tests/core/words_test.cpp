#include "core/words.h"

#include <gtest/gtest.h>

namespace ppq {
namespace {

TEST(Words, ListsNamesUpToANumber) {
  EXPECT_EQ(listed({}), "");
  EXPECT_EQ(listed({"a"}), "a");
  EXPECT_EQ(listed({"a", "b"}, 2), "a, b");
  EXPECT_EQ(listed({"a", "b", "c", "d"}, 2, "`"), "`a`, `b` and 2 more");
}

}  // namespace
}  // namespace ppq
