#include "kernels/channel_sums.h"

#include "kernels/cpu/cases.h"
#include "ppq/error.h"

namespace ppq::kernels {
namespace {

using namespace test;
using cpu::Level;

constexpr double kOpen = std::numeric_limits<double>::infinity();

std::vector<Case> channelled() {
  std::vector<Case> cases;
  for (Case& c : layouts(false))
    if (c.axis >= 0) cases.push_back({c.x.clamp(-100, 100), c.axis, c.name});
  cases.push_back({random_values({1, 3, 300, 301}, 5), 1, "long rows"});
  cases.push_back({random_values({4, 70, 50, 30}, 6).contiguous(at::MemoryFormat::ChannelsLast), 1, "several segments"});
  return cases;
}

TEST(ChannelSums, AgreeWithAPlainLoop) {
  for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16})
    for (const Case& c : channelled())
      for (double bound : {kOpen, 0.75}) {
        const at::Tensor x = c.x.to(type);
        const at::Tensor got = channel_sums(x, c.axis, bound), rows = x.to(at::kDouble).transpose(0, c.axis).flatten(1).contiguous();
        ASSERT_EQ(got.sizes(), (std::vector<int64_t>{4, x.size(c.axis)}));
        ASSERT_EQ(got.scalar_type(), at::kDouble);
        for (int64_t channel = 0; channel < rows.size(0); ++channel) {
          double wanted[4] = {}, size = 0;
          const double* row = rows[channel].const_data_ptr<double>();
          for (int64_t i = 0; i < rows.size(1); ++i) {
            const double v = row[i];
            size += std::abs(v);
            wanted[0] += v, wanted[1] += v * v;
            if (bound < kOpen && v > 0) wanted[2] += v * v;
            if (v > bound) wanted[3] += (v - bound) * (v - bound);
          }
          // 32 addends in float32: at most 32 roundings of half an ulp of their sum of magnitudes.
          const double slack = 32 * 0x1p-24;
          EXPECT_NEAR(got[0][channel].item<double>(), wanted[0], slack * size) << c.name;
          for (int i = 1; i < 4; ++i) EXPECT_NEAR(got[i][channel].item<double>(), wanted[i], slack * wanted[1]) << c.name << " " << i;
        }
      }
}

TEST(ChannelSums, LevelsAndThreadsGiveTheSameBits) {
  const int threads = at::get_num_threads();
  for (const Case& c : channelled()) {
    at::Tensor first;
    for (const Level* level : cpu::available_levels())
      for (int n : {1, 3}) {
        cpu::UseLevel use(*level);
        at::set_num_threads(n);
        const at::Tensor got = channel_sums(c.x, c.axis, 0.5);
        if (!first.defined()) first = got;
        EXPECT_TRUE(same_bits(got, first)) << level->name << " " << c.name;
      }
  }
  at::set_num_threads(threads);
}

TEST(ChannelSums, NothingSumsToNothing) {
  EXPECT_TRUE(at::equal(channel_sums(at::empty({0, 3, 4}), 1), at::zeros({4, 3}, at::kDouble)));
  EXPECT_THROW(channel_sums(at::ones({2, 2}), 2), Error);
}

}  // namespace
}  // namespace ppq::kernels
