#include "kernels/cpu/cases.h"
#include "kernels/cpu/cpu_kernels.h"

namespace ppq::kernels {
namespace {

using namespace test;
using cpu::Level;

TEST(ErrorSums, AgreeWithAPlainLoop) {
  for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const Case& c : layouts(false)) {
      at::Tensor f = c.x.clamp(-100, 100).to(type), q = at::round(f * 8) / 8;
      at::Tensor got = error_sums(q, f);
      ASSERT_EQ(got.scalar_type(), at::kDouble);
      long double wanted[4] = {};
      at::Tensor left = q.to(at::kDouble).contiguous().view({-1}), right = f.to(at::kDouble).contiguous().view({-1});
      for (int64_t i = 0; i < left.numel(); ++i) {
        long double l = left.const_data_ptr<double>()[i], r = right.const_data_ptr<double>()[i];
        wanted[0] += (l - r) * (l - r), wanted[1] += r * r, wanted[2] += l * l, wanted[3] += l * r;
      }
      for (int i = 0; i < 4; ++i) {
        EXPECT_NEAR(got[i].item<double>(), static_cast<double>(wanted[i]), 1e-12 * static_cast<double>(wanted[1] + 1))
            << c.name << " " << i;
      }
    }
  }
}

TEST(ErrorSums, LevelsAndThreadsGiveTheSameBits) {
  for (const Case& c : layouts(false)) {
    at::Tensor q = at::round(c.x * 8) / 8, first;
    int threads = at::get_num_threads();
    for (const Level* level : cpu::available_levels()) {
      for (int n : {1, threads}) {
        cpu::UseLevel use(*level);
        at::set_num_threads(n);
        at::Tensor got = error_sums(q, c.x);
        if (!first.defined()) first = got;
        EXPECT_TRUE(same_bits(got, first)) << level->name << " " << c.name;
      }
    }
    at::set_num_threads(threads);
  }
}

TEST(ErrorSums, TakesDifferingStrides) {
  at::Tensor f = random_values({2, 5, 6, 7}, 1), q = at::round(f * 4).div(4).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_NEAR(error_sums(q, f)[3].item<double>(), (q.to(at::kDouble) * f.to(at::kDouble)).sum().item<double>(), 1e-9);
}

}  // namespace
}  // namespace ppq::kernels
