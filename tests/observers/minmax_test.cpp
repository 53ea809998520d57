#include "observers/observers_test.h"

namespace ppq::test {
namespace {

TEST(MinMax, PerTensorRangeOfAllBatches) {
  at::manual_seed(1);
  const at::Tensor a = at::randn({2, 3, 5, 7}), b = at::randn({1, 3, 5, 7}) * 2;
  const QuantParams params = observe_all("minmax", asymmetric(8), {a, b});
  const double low = std::min(a.min().item<double>(), b.min().item<double>()),
               high = std::max(a.max().item<double>(), b.max().item<double>());
  const double scale = (high - low) / 255;
  EXPECT_NEAR(params.scale.item<double>(), scale, 1e-7 * scale);
  EXPECT_EQ(params.offset.item<double>(), std::nearbyint(-low / scale));
}

TEST(MinMax, PerChannelRangesKeepChannelsApart) {
  at::manual_seed(2);
  const at::Tensor w = at::randn({4, 3, 3, 3}) * at::tensor({1.0, 10.0, 0.1, 5.0}).view({4, 1, 1, 1});
  const QuantParams params = observe_all("minmax", per_channel(symmetric(8), 0), {w.to(at::kFloat)});
  ASSERT_EQ(params.scale.numel(), 4);
  for (int c = 0; c < 4; ++c) {
    const double scale = 2 * w[c].abs().max().item<double>() / 255;
    EXPECT_NEAR(params.scale[c].item<double>(), scale, 1e-6 * scale);
  }
}

TEST(MinMax, PerBlockEachBlockHasItsOwnRange) {
  at::manual_seed(12);
  QuantScheme scheme = symmetric(4);
  scheme.granularity = Granularity::PerBlock;
  scheme.block_size = 32;
  for (int axis : {0, 1, -1}) {
    scheme.axis = axis;
    const at::Tensor w = at::randn({70, 96}) * at::exp(at::randn({70, 96})), more = w * 1.5;
    auto whole = make_observer("minmax", scheme, "t"), other = make_observer("minmax", scheme, "t");
    whole->observe(w, 1), other->observe(more, 1);
    whole->merge(*other);
    const QuantParams params = whole->finish();
    const bool columns = axis != 0;
    ASSERT_EQ(params.scale.sizes(), at::IntArrayRef(columns ? std::vector<int64_t>{70, 3} : std::vector<int64_t>{3, 96}));
    for (int64_t r = 0; r < params.scale.size(0); ++r)
      for (int64_t c = 0; c < params.scale.size(1); ++c) {
        const at::Tensor block = columns ? more[r].slice(0, 32 * c, 32 * c + 32) : more.select(1, c).slice(0, 32 * r, 32 * r + 32);
        const double scale = 2 * block.abs().max().item<double>() / 15;
        EXPECT_NEAR(params.scale[r][c].item<double>(), scale, 1e-6 * scale);
      }
    // The numbers fit what quantizes with them.
    const at::Tensor q = fake_quantize(more, scheme, params);
    EXPECT_LE((q - more).abs().max().item<double>(), params.scale.max().item<double>() * 0.5001 + 1e-6);
    EXPECT_TRUE(at::equal(params.offset, at::zeros_like(params.offset)));
  }
}

TEST(MinMax, PerBlockWantsOneShapeAndABlockSize) {
  QuantScheme scheme = symmetric(8);
  scheme.granularity = Granularity::PerBlock;
  EXPECT_THROW(make_observer("minmax", scheme, "t"), Error);
  scheme.block_size = 4;
  auto observer = make_observer("minmax", scheme, "t");
  observer->observe(at::ones({8, 3}), 1);
  EXPECT_THROW(observer->observe(at::ones({9, 3}), 1), Error);
  scheme.axis = 2;
  EXPECT_THROW(make_observer("minmax", scheme, "t")->observe(at::ones({8, 3}), 1), Error);
}

TEST(MinMax, HoldsZeroWhenAllValuesAreAbove) {
  const QuantParams params = observe_all("minmax", asymmetric(8), {at::full({4}, 5.1f)});
  EXPECT_NEAR(params.scale.item<double>(), 5.1 / 255, 1e-8);
  EXPECT_EQ(params.offset.item<double>(), 0);
}

TEST(MinMax, NonFiniteValuesAreAnErrorThatNamesTheTensor) {
  auto observer = make_observer("minmax", asymmetric(8), "conv1_out");
  observer->observe(at::tensor({1.0f, std::numeric_limits<float>::quiet_NaN()}), 1);
  try {
    observer->finish();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Data);
    EXPECT_NE(std::string(error.what()).find("conv1_out"), std::string::npos) << error.what();
  }
}

TEST(Observers, NothingSeenIsAnError) {
  for (const char* name : {"minmax", "percentile", "percentile-global", "mse", "kl", "ppq-mse", "isotone"})
    EXPECT_THROW(make_observer(name, asymmetric(8), "t")->finish(), Error) << name;
}

TEST(Observers, EveryOneRefusesNaNAndInf) {
  for (const char* name : {"minmax", "percentile", "percentile-global", "mse", "kl", "ppq-mse", "isotone"})
    for (float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      auto observer = make_observer(name, asymmetric(8), "t");
      at::Tensor x = at::randn({2, 600});
      x[1][321] = bad;
      observer->observe(x, 2);
      EXPECT_THROW(observer->finish(), Error) << name << " " << bad;
    }
}

TEST(Observers, UnknownNameListsCandidates) {
  try {
    make_observer("minmx", asymmetric(8), "t");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_NE(std::string(error.what()).find("minmax"), std::string::npos);
  }
}

TEST(Observers, MergedPartsGiveTheWhole) {
  at::manual_seed(3);
  std::vector<at::Tensor> batches;
  for (int i = 0; i < 6; ++i) batches.push_back(at::randn({2, 3000}) * (1 + i));
  for (const char* name : {"minmax", "percentile", "percentile-global", "mse", "kl", "ppq-mse", "isotone"}) {
    const QuantParams whole = observe_all(name, asymmetric(8), batches, 2);
    auto left = make_observer(name, asymmetric(8), "t"), right = make_observer(name, asymmetric(8), "t");
    for (int i = 0; i < 6; ++i) (i % 2 ? left : right)->observe(batches[i], 2);
    left->merge(*right);
    const QuantParams merged = left->finish();
    EXPECT_NEAR(merged.scale.item<double>(), whole.scale.item<double>(), 1e-7) << name;
    EXPECT_EQ(merged.offset.item<double>(), whole.offset.item<double>()) << name;
  }
}

}  // namespace
}  // namespace ppq::test
