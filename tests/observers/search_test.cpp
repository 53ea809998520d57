#include <map>

#include "observers/observers_test.h"

/// mse and kl against a brute-force search on the data themselves.
namespace ppq::test {
namespace {

struct Case {
  const char* data;
  int bits;
  bool symmetric;
};
std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  return std::string(info.param.data) + "_" + std::to_string(info.param.bits) + (info.param.symmetric ? "_sym" : "_asym");
}

at::Tensor make_data(const std::string& kind) {
  at::manual_seed(7);
  const int64_t n = 50000;
  if (kind == "normal") return at::randn({n});
  if (kind == "relu") return at::relu(at::randn({n}));
  if (kind == "laplace") return at::randn({n}).sign() * -at::log(at::rand({n}).clamp_min(1e-7));
  if (kind == "shifted") return at::randn({n}) + 2;
  at::Tensor x = at::randn({n});  // outliers
  x.slice(0, 0, 20) *= 10;
  return x;
}

double error_of(const at::Tensor& x, double low, double high, const QuantScheme& scheme) {
  low = std::min(low, 0.0), high = std::max(high, 0.0);
  const double steps = scheme.quant_max - scheme.quant_min;
  const double scale = scheme.symmetric ? 2 * std::max(-low, high) / steps : (high - low) / steps;
  return plain_error(x, scale, scheme.symmetric ? 0 : std::clamp(std::nearbyint(-low / scale), 0.0, scheme.quant_max), scheme);
}

/// The smallest error over ranges, by descent on the data.
double best_error(const at::Tensor& x, const QuantScheme& scheme) {
  double low = x.min().item<double>(), high = x.max().item<double>();
  if (scheme.symmetric) high = std::max(-low, high), low = -high;
  double best = error_of(x, low, high, scheme), l0 = low, h0 = high;
  for (int i = 1; i <= 60; ++i) {
    const double f = std::exp(-0.06 * i), e = error_of(x, low * f, high * f, scheme);
    if (e < best) best = e, l0 = low * f, h0 = high * f;
  }
  for (double reach : {0.3, 0.06, 0.012, 0.003})
    for (int round = 0; round < 2; ++round)
      for (int i = -6; i <= 6; ++i) {
        const double f = 1 + reach * i / 6;
        if (scheme.symmetric) {
          const double e = error_of(x, l0 * f, h0 * f, scheme);
          if (e < best) best = e, l0 *= f, h0 *= f;
          continue;
        }
        double e = error_of(x, l0, h0 * f, scheme);
        if (e < best) best = e, h0 *= f;
        e = error_of(x, l0 * f, h0, scheme);
        if (e < best) best = e, l0 *= f;
      }
  return best;
}

class RangeSearch : public testing::TestWithParam<Case> {};

TEST_P(RangeSearch, MseIsWithinOnePercentOfTheBestAndKlWithinTen) {
  const at::Tensor x = make_data(GetParam().data);
  const QuantScheme scheme = GetParam().symmetric ? symmetric(GetParam().bits) : asymmetric(GetParam().bits);
  const double best = best_error(x, scheme);
  for (const auto& [name, slack] : std::map<std::string, double>{{"mse", 1.01}, {"kl", 1.10}}) {
    const QuantParams params = observe_all(name, scheme, {x.slice(0, 0, 20000), x.slice(0, 20000)});
    const double error = plain_error(x, params.scale.item<double>(), params.offset.item<double>(), scheme);
    EXPECT_LE(error, slack * best) << name << " scale " << params.scale.item<double>();
  }
}

INSTANTIATE_TEST_SUITE_P(Distributions, RangeSearch,
                         testing::Values(Case{"normal", 4, true}, Case{"normal", 4, false}, Case{"normal", 8, true},
                                         Case{"normal", 8, false}, Case{"normal", 16, true}, Case{"normal", 16, false},
                                         Case{"relu", 4, false}, Case{"relu", 8, false}, Case{"relu", 8, true}, Case{"relu", 16, false},
                                         Case{"laplace", 4, true}, Case{"laplace", 8, true}, Case{"laplace", 8, false},
                                         Case{"laplace", 16, true}, Case{"shifted", 8, false}, Case{"outliers", 8, true},
                                         Case{"outliers", 8, false}, Case{"outliers", 4, false}),
                         name_of_case);

TEST(RangeSearch, PerChannelServesEachChannelAlone) {
  at::manual_seed(9);
  const at::Tensor w = (at::randn({4, 20000}) * at::tensor({1.0, 30.0, 0.01, 3.0}).view({4, 1})).to(at::kFloat);
  const QuantParams all = observe_all("mse", per_channel(symmetric(4), 0), {w});
  for (int c = 0; c < 4; ++c) {
    const QuantParams one = observe_all("mse", symmetric(4), {w[c]});
    EXPECT_NEAR(all.scale[c].item<double>(), one.scale.item<double>(), 1e-6 * one.scale.item<double>());
  }
}

TEST(RangeSearch, OneValueOnly) {
  for (const char* name : {"mse", "kl", "percentile-global", "ppq-mse"}) {
    EXPECT_GT(observe_all(name, asymmetric(8), {at::zeros({100})}).scale.item<double>(), 0) << name;
    const QuantParams params = observe_all(name, asymmetric(8), {at::full({100}, 3.0f)});
    EXPECT_NEAR(params.scale.item<double>() * 255, 3.0, 0.05) << name;
  }
}

}  // namespace
}  // namespace ppq::test
