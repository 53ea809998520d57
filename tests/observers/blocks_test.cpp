#include <cmath>

#include "observers/observers_test.h"

// Observers with a scale a block: each block by itself, by plain loops over its elements.
namespace ppq::test {
namespace {

QuantScheme per_block(QuantScheme scheme, int axis, int64_t block) {
  scheme.granularity = Granularity::PerBlock;
  scheme.axis = axis, scheme.block_size = block;
  return scheme;
}

/// The elements of each block, in the order of the scales, gathered one by one.
std::vector<at::Tensor> blocks_of(const at::Tensor& x, int64_t axis, int64_t block) {
  const int64_t length = x.size(axis), blocks = (length + block - 1) / block;
  int64_t inner = 1;
  for (int64_t d = axis + 1; d < x.dim(); ++d) inner *= x.size(d);
  const at::Tensor flat = x.contiguous().view({-1});
  std::vector<std::vector<float>> found(static_cast<size_t>(x.numel() / length * blocks));
  for (int64_t i = 0; i < flat.numel(); ++i)
    found[static_cast<size_t>((i / (length * inner) * blocks + i / inner % length / block) * inner + i % inner)].push_back(
        flat[i].item<float>());
  std::vector<at::Tensor> result;
  for (const auto& values : found) result.push_back(at::tensor(values));
  return result;
}

struct Shape {
  std::vector<int64_t> sizes;
  int axis;
  int64_t block;
};
const std::vector<Shape> kShapes = {{{6, 64}, 1, 32}, {{5, 70}, 1, 32}, {{70, 5}, 0, 32}, {{3, 20, 4}, 1, 8}, {{4, 9}, -1, 20}};

/// The least squared error of any scale (asymmetric: and offset) of a fine grid, with its numbers by params_from_range.
double least_error(const at::Tensor& x, const QuantScheme& scheme) {
  QuantScheme one = scheme;
  one.granularity = Granularity::PerTensor;
  const double low = std::min(x.min().item<double>(), 0.0), high = std::max(x.max().item<double>(), 0.0);
  double best = 1e300;
  for (int i = 20; i <= 105; ++i)
    for (int j = scheme.symmetric ? i : 20; j <= (scheme.symmetric ? i : 105); ++j) {
      const QuantParams p = params_from_range(low * i / 100, high * j / 100, one);
      best = std::min(best, plain_error(x, p.scale.item<double>(), p.offset.item<double>(), scheme));
    }
  return best;
}

TEST(Blocks, MseComesNearTheLeastErrorOfEveryBlock) {
  at::manual_seed(2);
  for (const Shape& s : kShapes)
    for (const QuantScheme& base : {symmetric(4), asymmetric(4), symmetric(3)}) {
      const at::Tensor x = at::randn(s.sizes) * at::rand(s.sizes).pow(2);
      const QuantScheme scheme = per_block(base, s.axis, s.block);
      const QuantParams params = observe_all("mse", scheme, {x}), extremes = observe_all("minmax", scheme, {x});
      const auto blocks = blocks_of(x, s.axis < 0 ? s.axis + x.dim() : s.axis, s.block);
      std::vector<int64_t> sizes = s.sizes;
      int64_t& length = sizes[static_cast<size_t>(s.axis < 0 ? s.axis + x.dim() : s.axis)];
      length = (length + s.block - 1) / s.block;
      ASSERT_EQ(params.scale.sizes(), at::IntArrayRef(sizes));
      ASSERT_EQ(static_cast<int64_t>(blocks.size()), params.scale.numel());
      double chosen = 0, least = 0, plain = 0;
      for (size_t b = 0; b < blocks.size(); ++b) {
        auto error = [&](const QuantParams& p) {
          return plain_error(blocks[b], p.scale.flatten()[static_cast<int64_t>(b)].item<double>(),
                             p.offset.flatten()[static_cast<int64_t>(b)].item<double>(), scheme) *
                 static_cast<double>(blocks[b].numel());
        };
        chosen += error(params), plain += error(extremes);
        least += least_error(blocks[b], scheme) * static_cast<double>(blocks[b].numel());
      }
      // The walk finds a local minimum; blocks of few values have many.
      EXPECT_LE(chosen, (s.block == 32 ? 1.05 : 1.2) * least) << at::IntArrayRef(s.sizes) << scheme.bits;
      EXPECT_LT(chosen, plain) << at::IntArrayRef(s.sizes) << scheme.bits;
    }
}

TEST(Blocks, PercentileAndMinMaxAreThoseOfTheBlocksAlone) {
  at::manual_seed(3);
  std::vector<Shape> shapes = kShapes;
  shapes.push_back({{1, 45000}, 1, 20000});
  for (const Shape& s : shapes)
    for (const char* name : {"percentile", "minmax"}) {
      const at::Tensor first = at::randn(s.sizes), second = at::randn(s.sizes) * 2;
      const QuantParams params = observe_all(name, per_block(asymmetric(4), s.axis, s.block), {first, second});
      const int64_t axis = s.axis < 0 ? s.axis + first.dim() : s.axis;
      const auto a = blocks_of(first, axis, s.block), b = blocks_of(second, axis, s.block);
      for (size_t i = 0; i < a.size(); ++i) {
        const QuantParams wanted = observe_all(name, asymmetric(4), {a[i], b[i]});
        ASSERT_EQ(params.scale.flatten()[static_cast<int64_t>(i)].item<float>(), wanted.scale.item<float>()) << name << i;
        ASSERT_EQ(params.offset.flatten()[static_cast<int64_t>(i)].item<float>(), wanted.offset.item<float>()) << name << i;
      }
    }
}

TEST(Blocks, KlAndGlobalPercentileStayNearTheirBlocks) {
  at::manual_seed(4);
  const Shape s{{4, 1100}, 1, 512};
  const at::Tensor x = at::randn(s.sizes);
  const auto blocks = blocks_of(x, s.axis, s.block);
  const QuantParams kl = observe_all("kl", per_block(symmetric(4), s.axis, s.block), {x}),
                    global = observe_all("percentile-global", per_block(asymmetric(8), s.axis, s.block), {x});
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    // Within 8 % of the least squared error, and of the histogram's own coarseness.
    EXPECT_LE(plain_error(blocks[i], kl.scale.flatten()[at].item<double>(), 0, symmetric(4)), 1.2 * least_error(blocks[i], symmetric(4)));
    const QuantParams wanted = observe_all("percentile-global", asymmetric(8), {blocks[i]});
    EXPECT_NEAR(global.scale.flatten()[at].item<double>(), wanted.scale.item<double>(), 1e-3 * wanted.scale.item<double>());
  }
}

TEST(Blocks, HalvesMergeToTheWhole) {
  at::manual_seed(5);
  const at::Tensor first = at::randn({6, 70}), second = at::randn({6, 70}) * 3;
  for (const char* name : {"minmax", "percentile", "percentile-global", "mse", "kl"}) {
    const QuantScheme scheme = per_block(asymmetric(4), 1, 32);
    auto a = make_observer(name, scheme, "t"), b = make_observer(name, scheme, "t"), empty = make_observer(name, scheme, "t");
    a->observe(first, 1), b->observe(second, 1);
    empty->merge(*a);
    empty->merge(*b);
    EXPECT_TRUE(at::equal(empty->finish().scale, observe_all(name, scheme, {first, second}).scale)) << name;
    auto other = make_observer(name, scheme, "t");
    other->observe(at::randn({70, 6}), 1);
    EXPECT_THROW(other->merge(*a), Error) << name;
  }
}

TEST(Blocks, FinishTogetherAsAlone) {
  const at::Tensor x = at::randn({6, 70});
  const QuantScheme scheme = per_block(symmetric(4), 1, 32);
  auto mse = make_observer("mse", scheme, "t"), plain = make_observer("mse", symmetric(8), "u"),
       minmax = make_observer("minmax", scheme, "t");
  for (auto* one : {&mse, &plain, &minmax}) (*one)->observe(x, 1);
  const auto all = finish_all({mse.get(), plain.get(), minmax.get()});
  EXPECT_TRUE(at::equal(all[0].scale, mse->finish().scale));
  EXPECT_TRUE(at::equal(all[1].scale, plain->finish().scale));
  EXPECT_EQ(all[0].scale.sizes(), at::IntArrayRef({6, 3}));
  EXPECT_TRUE(at::equal(all[2].scale, minmax->finish().scale));
}

TEST(Blocks, NothingPerBlockIsSharedAcrossShapesOfChannels) {
  const at::Tensor x = at::randn({6, 70});
  auto blocks = make_observer("mse", per_block(symmetric(8), 1, 32), "t"),
       channels = make_observer("minmax", per_channel(symmetric(8), 1), "t"),
       more = make_observer("kl", per_block(symmetric(8), 1, 16), "t");
  EXPECT_FALSE(channels->follow(*blocks));
  EXPECT_FALSE(more->follow(*blocks));
}

TEST(Blocks, WhatCannotBeServedIsAnError) {
  for (const char* name : {"minmax", "percentile", "percentile-global", "mse", "kl"}) {
    EXPECT_THROW(make_observer(name, per_block(asymmetric(4), 1, 0), "t"), Error) << name;
    auto observer = make_observer(name, per_block(asymmetric(4), 2, 8), "t");
    EXPECT_THROW(observer->observe(at::ones({4, 8}), 1), Error) << name << ": an axis that is not there";
    auto shapes = make_observer(name, per_block(asymmetric(4), 1, 8), "t");
    EXPECT_THROW(shapes->finish(), Error) << name << ": nothing seen";
    shapes->observe(at::ones({4, 8}), 1);
    EXPECT_THROW(shapes->observe(at::ones({2, 8}), 1), Error) << name << ": another shape";
    auto odd = make_observer(name, per_block(asymmetric(4), 1, 5), "t");
    odd->observe(at::full({4, 8}, std::nanf("")), 1);
    EXPECT_THROW(odd->finish(), Error) << name << ": NaN";
  }
}

}  // namespace
}  // namespace ppq::test
