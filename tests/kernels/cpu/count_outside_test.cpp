#include "kernels/count_outside.h"

#include <limits>

#include "kernels/cpu/cases.h"

namespace ppq::kernels {
namespace {

using namespace test;

TEST(CountOutside, AgreesWithAPlainLoop) {
  for (const Case& c : layouts(false)) {
    for (at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf}) {
      const at::Tensor x = c.x.to(type), got = count_outside(x, -0.5, 0.75), values = x.to(at::kDouble).contiguous().view({-1});
      double wanted = 0;
      for (int64_t i = 0; i < values.numel(); ++i)
        wanted += values.const_data_ptr<double>()[i] < -0.5 || values.const_data_ptr<double>()[i] > 0.75;
      ASSERT_EQ(got.scalar_type(), at::kDouble);
      ASSERT_EQ(got.dim(), 0);
      EXPECT_EQ(got.item<double>(), wanted) << c.name << " " << type;
    }
  }
}

TEST(CountOutside, BoundsAreInsideAndNaNIsNowhere) {
  const float inf = std::numeric_limits<float>::infinity();
  const at::Tensor x = at::tensor({-1.0f, 2.0f, -inf, inf, std::nanf(""), 0.0f, std::nextafter(2.0f, 3.0f)});
  for (at::ScalarType type : {at::kFloat, at::kDouble}) EXPECT_EQ(count_outside(x.to(type), -1, 2).item<double>(), 3) << type;
  EXPECT_EQ(count_outside(at::empty({0}), -1, 2).item<double>(), 0);
}

/// More than one thread's part, and none of them whole.
TEST(CountOutside, CountsAllOfALargeTensor) {
  const at::Tensor x = at::zeros({3 * 65536 + 17});
  x[0] = 5, x[65536] = -5, x[3 * 65536 + 16] = 5;
  EXPECT_EQ(count_outside(x, -1, 1).item<double>(), 3);
  EXPECT_EQ(count_outside(x + 9, -1, 1).item<double>(), 3 * 65536 + 17);
}

}  // namespace
}  // namespace ppq::kernels
