#include <algorithm>
#include <map>

#include "kernels/cpu/cases.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/numerics.h"
#include "kernels/observe_many.h"
#include "ppq/error.h"

namespace ppq::kernels {
namespace {

using namespace test;
using cpu::Level;

/// What a histogram must be, from all values of a channel at once: definition, not algorithm.
struct Expected {
  int exponent = kEmptyExponent;
  int64_t first = 0, nonfinite = 0;
  float minimum = kInf, maximum = -kInf;
  std::vector<int64_t> counts;
};
int64_t index_of(float x, int exponent) { return static_cast<int64_t>(std::floor(std::ldexp(static_cast<double>(x), -exponent))); }

Expected expected(const std::vector<float>& values, int64_t bins) {
  Expected e;
  e.counts.assign(bins, 0);
  for (float x : values) {
    if (!std::isfinite(x)) {
      ++e.nonfinite;
      continue;
    }
    e.minimum = std::min(e.minimum, x);
    e.maximum = std::max(e.maximum, x);
  }
  if (e.minimum > e.maximum) return e;
  e.minimum += 0.0f, e.maximum += 0.0f;
  float magnitude = std::max(std::fabs(e.minimum), std::fabs(e.maximum));
  e.exponent = magnitude == 0 ? -149 : std::max(-149, std::ilogb(magnitude) - 23);
  while (std::floor(std::ldexp(static_cast<double>(e.maximum), -e.exponent)) -
             std::floor(std::ldexp(static_cast<double>(e.minimum), -e.exponent)) >=
         static_cast<double>(bins)) {
    ++e.exponent;
  }
  e.first = index_of(e.minimum, e.exponent);
  for (float x : values) {
    if (std::isfinite(x)) ++e.counts[index_of(x, e.exponent) - e.first];
  }
  return e;
}

std::vector<std::vector<float>> channels_of(const at::Tensor& x, int64_t axis) {
  if (axis < 0) {
    at::Tensor flat = x.to(at::kFloat).contiguous().view({-1});
    return {std::vector<float>(flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel())};
  }
  std::vector<std::vector<float>> channels;
  for (int64_t c = 0; c < x.size(axis); ++c) channels.push_back(channels_of(x.select(axis, c), -1)[0]);
  return channels;
}

::testing::AssertionResult is_expected(const Histogram& h, const std::vector<std::vector<float>>& channels) {
  for (size_t c = 0; c < channels.size(); ++c) {
    Expected e = expected(channels[c], h.bins());
    int64_t i = static_cast<int64_t>(c);
    if (h.exponent[i].item<int>() != e.exponent) {
      return ::testing::AssertionFailure() << "channel " << c << " exponent " << h.exponent[i].item<int>() << ", expected " << e.exponent;
    }
    if (h.nonfinite[i].item<int64_t>() != e.nonfinite) return ::testing::AssertionFailure() << "channel " << c << " nonfinite";
    if (h.minimum[i].item<float>() != e.minimum || h.maximum[i].item<float>() != e.maximum) {
      return ::testing::AssertionFailure() << "channel " << c << " range " << h.minimum[i].item<float>() << " "
                                           << h.maximum[i].item<float>();
    }
    if (e.exponent != kEmptyExponent && h.first[i].item<int64_t>() != e.first)
      return ::testing::AssertionFailure() << "channel " << c << " first";
    const int64_t* counts = h.counts.const_data_ptr<int64_t>() + i * h.bins();
    for (int64_t b = 0; b < h.bins(); ++b) {
      if (counts[b] != e.counts[b]) {
        return ::testing::AssertionFailure() << "channel " << c << " bin " << b << ": " << counts[b] << ", expected " << e.counts[b];
      }
    }
  }
  return ::testing::AssertionSuccess();
}

int64_t channel_count(const Case& c) { return c.axis < 0 ? 1 : c.x.size(c.axis); }

TEST(ObserveMany, EqualsOneByOne) {
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    std::vector<Case> cases = layouts(true);
    std::vector<Histogram> histograms;
    for (const Case& c : cases) histograms.push_back(make_histogram(c.axis < 0 ? 1 : c.x.size(c.axis), 64, at::kCPU));
    histograms.push_back(make_histogram(1, 64, at::kCPU));
    std::vector<Observation> list;
    std::vector<at::Tensor> shared;
    for (size_t i = 0; i < cases.size(); ++i) {
      list.push_back({cases[i].x, cases[i].axis, &histograms[i]});
      if (i < 12) {
        list.push_back({cases[i].x, -1, &histograms.back()});  // several of one histogram
        shared.push_back(cases[i].x.reshape({-1}));
      }
    }
    observe_many(list);
    for (size_t i = 0; i < cases.size(); ++i) {
      EXPECT_TRUE(is_expected(histograms[i], channels_of(cases[i].x, cases[i].axis))) << level->name << " " << cases[i].name;
    }
    EXPECT_TRUE(is_expected(histograms.back(), channels_of(at::cat(shared), -1))) << level->name;
  }
}

/// Range growth within and beyond the room beside the grid, and zeros that come and go, over several batches.
TEST(Observe, GrowsToEitherSideInEveryOrder) {
  std::vector<at::Tensor> batches;
  for (double shift : {0.0, 0.4, -0.9, 3.0, -7.0}) batches.push_back(random_values({9001}, 3) + shift);
  batches.push_back(at::relu(random_values({20000}, 4)));
  batches.push_back(random_values({5000}, 5) * 1e-3);
  batches.push_back(at::full({5000}, 2.0f));
  at::Tensor outliers = random_values({4096 * 3 + 5}, 6);
  outliers[4095] = 100.0f, outliers[4096] = -1e4f, outliers[9000] = kInf, outliers[9001] = 2e30f;
  batches.push_back(outliers);
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    for (int64_t bins : {2, 255, 2048, 40000}) {
      for (size_t turn = 0; turn < batches.size(); ++turn) {
        Histogram h = make_histogram(1, bins, at::kCPU);
        std::vector<at::Tensor> seen;
        for (size_t i = 0; i < batches.size(); ++i) {
          seen.push_back(batches[(i * 2 + turn) % batches.size()]);
          observe(seen.back(), -1, h);
          if (turn == 0 || i + 1 == batches.size()) {
            EXPECT_TRUE(is_expected(h, channels_of(at::cat(seen), -1)))
                << level->name << " bins " << bins << " turn " << turn << " batch " << i;
          }
        }
      }
    }
  }
}

TEST(Observe, AgreesWithTheDefinitionInEveryLayout) {
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      for (const Case& c : layouts(true)) {
        Histogram h = make_histogram(channel_count(c), 512, at::kCPU);
        at::Tensor x = c.x.to(type);
        observe(x, c.axis, h);
        EXPECT_TRUE(is_expected(h, channels_of(x, c.axis))) << level->name << " " << c.name << " " << at::toString(type);
      }
    }
  }
}

TEST(Observe, OrdinaryActivations) {
  at::Tensor normal = random_values({300000}, 4), relu = at::relu(random_values({2, 8, 100, 50}, 6));
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    Histogram h = make_histogram(1, 2048, at::kCPU), channels = make_histogram(8, 2048, at::kCPU), last = make_histogram(8, 2048, at::kCPU);
    observe(normal, -1, h);
    EXPECT_TRUE(is_expected(h, channels_of(normal, -1))) << level->name;
    observe(relu, 1, channels);
    EXPECT_TRUE(is_expected(channels, channels_of(relu, 1))) << level->name;
    observe(relu.contiguous(at::MemoryFormat::ChannelsLast), 1, last);
    EXPECT_TRUE(is_expected(last, channels_of(relu, 1))) << level->name;
  }
}

TEST(Observe, ConstantsZerosAndExtremes) {
  std::vector<std::pair<const char*, at::Tensor>> cases{
      {"zeros", at::zeros({5000})},
      {"minus zeros", at::full({5000}, -0.0f)},
      {"ones", at::ones({5000})},
      {"minus ones", at::full({5000}, -1.0f)},
      {"denormals", at::arange(0, 5000, at::kFloat) * 1e-45f},
      {"negative denormals", at::arange(-5000, 0, at::kFloat) * 1e-45f},
      {"huge", at::linspace(-3.4e38, 3.4e38, 5000)},
      {"denormals and huge", at::cat({at::full({100}, -1e-45f), at::full({100}, 3e38f), at::full({5000}, 1e-45f)})},
      {"all nan", at::full({5000}, kNan)},
      {"all inf", at::full({5000}, kInf)},
      {"nan first", at::cat({at::full({5000}, kNan), at::ones({3}), at::full({9000}, 2.0f)})},
      {"narrow and far", at::linspace(1000, 1000.01, 9000)},
      {"next to a power of two", at::linspace(1.9999, 2.0001, 9000)},
      {"one outlier last", at::cat({random_values({9000}, 2), at::full({1}, 1e6f)})}};
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    for (const auto& [name, x] : cases) {
      for (int64_t bins : {2, 7, 2048}) {
        Histogram h = make_histogram(1, bins, at::kCPU);
        observe(x, -1, h);
        EXPECT_TRUE(is_expected(h, channels_of(x, -1))) << level->name << " " << name << " bins " << bins;
        EXPECT_FALSE(std::signbit(h.minimum.item<float>()) && h.minimum.item<float>() == 0) << name;
      }
    }
  }
}

TEST(Observe, DoesNotDependOnTheOrder) {
  std::vector<at::Tensor> batches{random_values({20000}, 1, 0.001), random_values({9000}, 2, 100) + 50, at::full({70000}, 0.25f),
                                  at::zeros({10}), random_values({5000}, 3, 1e6)};
  std::vector<size_t> order(batches.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<std::vector<float>> all = channels_of(at::cat(batches), -1);
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    do {
      Histogram h = make_histogram(1, 300, at::kCPU);
      for (size_t i : order) observe(batches[i], -1, h);
      ASSERT_TRUE(is_expected(h, all)) << level->name;
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(Observe, GrowsPerChannelOverBatches) {
  at::Tensor first = random_values({4, 6, 9, 9}, 1), second = random_values({4, 6, 9, 9}, 2) * at::arange(0, 6).view({6, 1, 1}) * 10;
  Histogram h = make_histogram(6, 128, at::kCPU);
  observe(first, 1, h);
  observe(second.contiguous(at::MemoryFormat::ChannelsLast), 1, h);
  EXPECT_TRUE(is_expected(h, channels_of(at::cat({first, second}), 1)));
}

/// Channels-last over batches: channels that stay in their window, grow within and beyond it, were empty or hold NaN and Inf,
/// next to each other.
TEST(Observe, InterleavedChannelsOverBatches) {
  struct One {
    int64_t channels, bins;
    at::ScalarType type;
  };
  for (const One& one : {One{15, 128, at::kFloat}, One{16, 2048, at::kFloat}, One{16, 70000, at::kFloat}, One{21, 300, at::kHalf},
                         One{40, 300, at::kFloat}}) {
    std::vector<at::Tensor> batches;
    for (int64_t rows : {200, 4501, 4501, 30}) {
      at::Tensor x = random_values({rows, one.channels}, static_cast<uint64_t>(rows + one.channels)).clamp_(-2.5, 2.5);
      if (batches.empty()) {
        x.select(1, 0).fill_(kNan), x.select(1, 1).fill_(0.25), x.select(1, 2).mul_(1e-4), x.select(1, 3).mul_(2e4);
      } else if (batches.size() == 2) {
        x[4000][2] = 3.0f, x[10][4] = 2.51f, x[11][5] = kNan, x[12][5] = -kInf, x[4300][6] = -40.0f, x[3000][9] = -2.6f,
        x[1][one.channels - 1] = 900.0f;
        x.select(1, 7).zero_(), x.select(1, 8).mul_(0.5);
      }
      batches.push_back(x.to(one.type));
    }
    const auto all = channels_of(at::cat(batches), 1);
    for (const Level* level : cpu::available_levels()) {
      cpu::UseLevel use(*level);
      Histogram h = make_histogram(one.channels, one.bins, at::kCPU);
      for (const at::Tensor& x : batches) observe(x, 1, h);
      EXPECT_TRUE(is_expected(h, all)) << level->name << " channels " << one.channels << " bins " << one.bins;
      for (const at::Tensor& x : batches) observe(x, 1, h);
      EXPECT_TRUE(at::equal(h.counts.sum(1) + h.nonfinite, at::full({one.channels}, static_cast<int64_t>(2 * all[0].size()))))
          << level->name;
    }
  }
}

TEST(Merge, GivesWhatOneHistogramWouldHaveSeen) {
  for (double spread : {0.001, 1.0, 1000.0}) {
    at::Tensor a = random_values({3, 5000}, 1), b = with_awkward_values(random_values({3, 4000}, 2, spread), true);
    Histogram left = make_histogram(3, 256, at::kCPU), right = make_histogram(3, 256, at::kCPU), empty = make_histogram(3, 256, at::kCPU);
    observe(a, 0, left);
    observe(b, 0, right);
    Histogram other = make_histogram(3, 256, at::kCPU);
    merge(other, right);
    merge(other, left);
    merge(left, right);
    merge(left, empty);
    EXPECT_TRUE(is_expected(left, channels_of(at::cat({a, b}, 1), 0)));
    EXPECT_TRUE(at::equal(left.counts, other.counts));
  }
}

TEST(ObserveRange, AgreesWithAPlainLoopInEveryLayout) {
  for (const Level* level : cpu::available_levels()) {
    cpu::UseLevel use(*level);
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      for (const Case& c : layouts(true)) {
        Range range = make_range(channel_count(c), at::kCPU);
        at::Tensor x = c.x.to(type);
        observe_range(x, c.axis, range);
        std::vector<std::vector<float>> channels = channels_of(x, c.axis);
        for (size_t i = 0; i < channels.size(); ++i) {
          Expected e = expected(channels[i], 2);
          int64_t at = static_cast<int64_t>(i);
          EXPECT_EQ(range.minimum[at].item<float>(), e.minimum) << level->name << " " << c.name;
          EXPECT_EQ(range.maximum[at].item<float>(), e.maximum) << level->name << " " << c.name;
          EXPECT_EQ(range.nonfinite[at].item<int64_t>(), e.nonfinite) << level->name << " " << c.name;
        }
      }
    }
  }
}

TEST(Observe, RefusesWhatDoesNotFit) {
  Histogram h = make_histogram(3, 16, at::kCPU);
  EXPECT_THROW(observe(at::zeros({2, 4}), 1, h), Error);
  EXPECT_THROW(observe(at::zeros({3}, at::kDouble), 0, h), Error);
  EXPECT_THROW(make_histogram(1, 1, at::kCPU), Error);
  Histogram other = make_histogram(3, 17, at::kCPU);
  EXPECT_THROW(merge(h, other), Error);
}

}  // namespace
}  // namespace ppq::kernels
