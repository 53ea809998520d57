#include "passes/rewritten.h"

#include "ppq/error.h"

namespace ppq::test {

// The checks above would hold for anything if the comparison never failed.
TEST(Rewritten, DifferencesAreSeen) {
  const at::Tensor one = at::ones({2, 2});
  EXPECT_EQ(relative_difference({one}, {one}), 0);
  EXPECT_NEAR(relative_difference({one * 1.5}, {one}), 0.5, 1e-12);
  EXPECT_GT(relative_difference({one.reshape({4})}, {one}), 1e30);
  EXPECT_GT(relative_difference({one * std::numeric_limits<double>::quiet_NaN()}, {one}), 1e30);
}

}  // namespace ppq::test
