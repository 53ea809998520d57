#include <limits>

#include "passes/quantizing.h"
#include "passes/scale/weight_scales.h"

namespace ppq::test {
namespace {

using testing::StartsWith;

double number(const at::Tensor& x, int64_t i) { return x.reshape({-1})[i].item<double>(); }

/// Of channel c where there are several.
double scale_at(const QuantParams& params, int64_t c) { return number(params.scale, params.scale.numel() > 1 ? c : 0); }
double offset_at(const QuantParams& params, int64_t c) { return number(params.offset, params.offset.numel() > 1 ? c : 0); }

struct Target {
  const char* name;
  TargetPlatform platform;
};
class OnTargets : public testing::TestWithParam<Target> {
 protected:
  static bool per_channel() { return GetParam().platform == TargetPlatform::QNN_HTP_INT8; }
};
INSTANTIATE_TEST_SUITE_P(Weights, OnTargets,
                         testing::Values(Target{"per_tensor", TargetPlatform::QNN_DSP_INT8},
                                         Target{"per_channel", TargetPlatform::QNN_HTP_INT8}),
                         [](const auto& info) { return info.param.name; });

/// A convolution with 4-bit weights, with a tail: what its extremes are matters.
struct Layer : Quantizing {
  at::Tensor weight;
  explicit Layer(const std::string& method, const std::string& tail = "", int64_t size = 7,
                 TargetPlatform target = TargetPlatform::QNN_DSP_INT8)
      : Quantizing("(float[N,3," + std::to_string(size) + "," + std::to_string(size) +
                       "] x, float[4,3,3,3] w) => (float[N,4,L,M] y) <float[4] b = {0.5, -1, 0, 2}>",
                   "[conv] " + std::string(tail.empty() ? "y" : "c") + " = Conv<pads = [1, 1, 1, 1]>(x, w, b) " + tail, {"w"}, target) {
    weight = node("conv").constant_input(1);
    weight = weight.pow(3) * floats({1, 0.3f, 2, 0.1f}).reshape({4, 1, 1, 1});
    weight[1] = -weight[1].abs() - 0.1;  // a channel of one sign
    node("conv").input(1)->set_constant(weight);
    pass("constants-to-values");
    setting.extra.weight_search = method;
    setting.extra.bits = {{"weight:Conv", 4}};
    at::manual_seed(8);
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 6; ++i) samples.push_back(at::randn({1, 3, size, size}));
    calibrate_with(samples);
    context.batch_size = 6;
  }
  void quantize() { passes({"configure-quantization", "fuse-quantization", "quantize-parameters"}); }
};

/// The weight rounded, one number at a time.
std::vector<double> rounded(const at::Tensor& weight, const QuantScheme& scheme, const QuantParams& params) {
  std::vector<double> result;
  const int64_t rows = weight.numel() / weight.size(0);
  for (int64_t i = 0; i < weight.numel(); ++i)
    result.push_back(
        round_to(number(weight, i), scale_at(params, i / rows), offset_at(params, i / rows), scheme.quant_min, scheme.quant_max));
  return result;
}

TEST_P(OnTargets, ExtremesAgainstPlainLoops) {
  Layer q("minmax", "", 7, GetParam().platform);
  q.quantize();
  const auto quant = q.in("conv", 1);
  const QuantScheme& s = quant->scheme;
  ASSERT_EQ(quant->params.scale.numel(), per_channel() ? 4 : 1);
  EXPECT_EQ(quant->state, QuantState::Active);
  for (int64_t c = 0; c < quant->params.scale.numel(); ++c) {
    double low = 0, high = 0;
    for (int64_t i = 0; i < q.weight.numel(); ++i)
      if (!per_channel() || i / 27 == c) low = std::min(low, number(q.weight, i)), high = std::max(high, number(q.weight, i));
    const double scale = s.symmetric ? 2 * std::max(-low, high) / (s.quant_max - s.quant_min) : (high - low) / (s.quant_max - s.quant_min);
    EXPECT_FLOAT_EQ(static_cast<float>(scale_at(quant->params, c)), static_cast<float>(scale));
    EXPECT_EQ(offset_at(quant->params, c), s.symmetric ? 0 : s.quant_min - std::nearbyint(low / scale));
  }
}

TEST_P(OnTargets, LeastErrorOfTheWeightAgainstAllRanges) {
  Layer q("mse", "", 7, GetParam().platform), extremes("minmax", "", 7, GetParam().platform);
  q.quantize(), extremes.quantize();
  const QuantParams tried = passes::candidate_scales({{&q.node("conv"), 1, false}})[0].back();
  EXPECT_FALSE(at::equal(q.in("conv", 1)->params.scale, extremes.in("conv", 1)->params.scale));
  const auto quant = q.in("conv", 1);
  const QuantScheme& s = quant->scheme;
  auto error = [&](const QuantParams& params, int64_t c) {
    const auto w = rounded(q.weight, s, params);
    double sum = 0;
    for (int64_t i = 0; i < q.weight.numel(); ++i)
      if (!per_channel() || i / 27 == c) sum += std::pow(w[static_cast<size_t>(i)] - number(q.weight, i), 2);
    return sum;
  };
  for (int64_t c = 0; c < quant->params.scale.numel(); ++c) {
    const at::Tensor part = per_channel() ? q.weight[c] : q.weight;
    double best = std::numeric_limits<double>::infinity();
    for (int i = 1; i <= 100; ++i)
      for (int j = 1; j <= (s.symmetric ? 1 : 100); ++j) {
        const double low = part.min().item<double>() * i / 100, high = part.max().item<double>() * (s.symmetric ? i : j) / 100;
        QuantScheme one = s;
        one.granularity = Granularity::PerTensor;
        best = std::min(best, error(params_from_range(low, high, one), c));
      }
    EXPECT_LE(error(quant->params, c), 1.1 * best) << "channel " << c;
    EXPECT_LE(error(tried, c), 1.05 * best) << "channel " << c;
  }
}

/// Output of the convolution by plain loops, at every `step`-th place: [sample][channel][place].
using Output = std::vector<std::vector<std::vector<double>>>;
Output convolve(const Layer& q, const std::vector<double>& weight, int64_t step) {
  Output result;
  for (size_t n = 0; n < q.context.calibration->size(); ++n) {
    const at::Tensor x = q.context.calibration->sample(n)[0].to(at::kDouble).contiguous();
    const double* data = x.const_data_ptr<double>();
    const int64_t size = x.size(2);
    auto& channels = result.emplace_back(4);
    for (int64_t o = 0; o < 4; ++o)
      for (int64_t i = 0; i < size; i += step)
        for (int64_t j = 0; j < size; j += step) {
          double sum = number(q.node("conv").constant_input(2), o);
          for (int64_t c = 0; c < 3; ++c)
            for (int64_t u = 0; u < 3; ++u)
              for (int64_t v = 0; v < 3; ++v)
                if (const int64_t a = i + u - 1, b = j + v - 1; a >= 0 && b >= 0 && a < size && b < size)
                  sum += data[(c * size + a) * size + b] * weight[static_cast<size_t>(((o * 3 + c) * 3 + u) * 3 + v)];
          channels[static_cast<size_t>(o)].push_back(sum);
        }
  }
  return result;
}

struct Searched {
  const char* name;
  const char* tail;
  double (*activation)(double);
  bool corrected;      ///< bias correction follows
  int64_t size, step;  ///< of the image, of the places that are read
};
class ByOutput : public testing::TestWithParam<std::tuple<Target, Searched>> {};

TEST_P(ByOutput, IsTheCandidateWithTheLeastError) {
  const auto& [target, searched] = GetParam();
  Layer q("output", searched.tail, searched.size, target.platform);
  q.setting.bias_correct = searched.corrected;
  q.quantize();
  const auto quant = q.in("conv", 1);
  const auto candidates = passes::candidate_scales({{&q.node("conv"), 1, false}})[0];
  std::vector<double> plain;
  for (int64_t i = 0; i < q.weight.numel(); ++i) plain.push_back(number(q.weight, i));
  const Output wanted = convolve(q, plain, searched.step);
  std::vector<std::vector<double>> errors;  // [candidate][channel]
  for (const QuantParams& candidate : candidates) {
    const Output got = convolve(q, rounded(q.weight, quant->scheme, candidate), searched.step);
    auto& sums = errors.emplace_back(4, 0.0);
    for (size_t o = 0; o < 4; ++o) {
      double mean = 0, count = 0;
      for (size_t n = 0; n < got.size(); ++n)
        for (size_t p = 0; p < got[n][o].size(); ++p) mean += got[n][o][p] - wanted[n][o][p], ++count;
      mean = searched.corrected ? mean / count : 0;
      for (size_t n = 0; n < got.size(); ++n)
        for (size_t p = 0; p < got[n][o].size(); ++p)
          sums[o] += std::pow(searched.activation(got[n][o][p] - mean) - searched.activation(wanted[n][o][p]), 2);
    }
  }
  const bool per_channel = quant->params.scale.numel() > 1;
  bool shrunken = false;
  for (size_t o = 0; o < 4; ++o) {
    auto error = [&](size_t c) { return per_channel ? errors[c][o] : errors[c][0] + errors[c][1] + errors[c][2] + errors[c][3]; };
    size_t best = 0;
    for (size_t c = 1; c < candidates.size(); ++c)
      if (error(c) < error(best)) best = c;
    shrunken |= best > 0;
    EXPECT_EQ(scale_at(quant->params, static_cast<int64_t>(o)), scale_at(candidates[best], static_cast<int64_t>(o)))
        << "channel " << o << ", candidate " << best;
    EXPECT_EQ(offset_at(quant->params, static_cast<int64_t>(o)), offset_at(candidates[best], static_cast<int64_t>(o))) << "channel " << o;
  }
  EXPECT_TRUE(shrunken) << "the case does not tell a search from the extremes";
}

double identity(double x) { return x; }
double relu(double x) { return std::max(x, 0.0); }
double relu6(double x) { return std::clamp(x, 0.0, 6.0); }

INSTANTIATE_TEST_SUITE_P(
    Weights, ByOutput,
    testing::Combine(
        testing::Values(Target{"per_tensor", TargetPlatform::QNN_DSP_INT8}, Target{"per_channel", TargetPlatform::QNN_HTP_INT8}),
        testing::Values(Searched{"alone", "", identity, false, 7, 1}, Searched{"before_relu", "y = Relu(c)", relu, false, 7, 1},
                        Searched{"before_clip_corrected",
                                 "lo = Constant<value = float {0}>() hi = Constant<value = float {6}>() y = Clip(c, lo, hi)", relu6, true,
                                 7, 1},
                        Searched{"before_other_readers", "r = Relu(c) y = Add(c, r)", identity, false, 7, 1},
                        Searched{"at_some_places", "y = Relu(c)", relu, true, 40, 5})),
    [](const auto& info) { return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param).name; });

/// Rows of a matrix product; a weight with one large value that meets zeros only.
struct Product : Quantizing {
  explicit Product(const std::string& method, const std::string& body = "[gemm] y = Gemm(x, W)", int64_t inputs = 64)
      : Quantizing("(float[N," + std::to_string(inputs) + "] x, float[" + std::to_string(inputs) + ",8] W) => (float[N,8] y)", body,
                   {"W"}) {
    setting.extra.weight_search = method;
    setting.extra.bits = {{"weight:Gemm", 4}, {"activation:Gemm", 16}};
    setting.quantize_activation_setting.calib_algorithm = "minmax";
    at::Tensor weight = at::rand({inputs, 8}) * 0.3 - 0.1;
    weight[0][0] = 1;
    node("gemm").input(1)->set_constant(weight);
    sample([](int, at::Tensor& x) { x[0][0] = 0; });
  }
  template <class Change>
  void sample(Change change) {
    at::manual_seed(9);
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 12; ++i) {
      samples.push_back(at::randn({1, node("gemm").constant_input(1).size(0)}));
      change(i, samples.back());
    }
    calibrate_with(samples);
  }
  double scale() {
    PassRecord record;
    context.record = &record;
    passes({"configure-quantization", "quantize-parameters"});
    decision = record.decision;
    return scale_of(in("gemm", 1));
  }
  double scale_of_extremes() const {
    const at::Tensor weight = node("gemm").constant_input(1);
    return (weight.max().item<double>() - weight.min().item<double>()) / 15;
  }
  std::string decision;
};

TEST(QuantizeParameters, AutoTakesTheOutputsWhereTheyAreClearlyBetter) {
  Product q("auto");
  EXPECT_LT(q.scale(), 0.5 * q.scale_of_extremes());
  EXPECT_THAT(q.decision, StartsWith("least error of the outputs"));
}

/// Half of the samples see small weights only, and loudly, the others see all: what is best for the first is not for the second.
struct Misleading : Product {
  explicit Misleading(const std::string& method) : Product(method, "[gemm] y = Gemm(x, W)", 1024) {
    at::Tensor weight = node("gemm").constant_input(1).clone();
    weight[0].fill_(0.3);
    weight.slice(0, 1, 9).mul_(0.3);
    node("gemm").input(1)->set_constant(weight);
    sample([](int i, at::Tensor& x) {
      if (i / 3 % 2 == 0) x.slice(1, 1, 9).mul_(100), x.slice(1, 0, 1).zero_(), x.slice(1, 9).zero_();
    });
  }
};

TEST(QuantizeParameters, AutoTakesTheExtremesWhereOutputsMislead) {
  Misleading output("output"), q("auto");
  EXPECT_LT(output.scale(), 0.95 * output.scale_of_extremes()) << "the search is not misled";
  EXPECT_FLOAT_EQ(static_cast<float>(q.scale()), static_cast<float>(q.scale_of_extremes()));
  EXPECT_THAT(q.decision, StartsWith("extremes"));
}

/// Weights on the grid of their extremes lose nothing.
TEST(QuantizeParameters, AutoTakesTheExtremesWhereNothingIsBetter) {
  Product q("auto");
  at::Tensor weight = at::randint(0, 16, {64, 8}).to(at::kFloat) - 6;
  weight[0][0] = -6, weight[0][1] = 9;
  q.node("gemm").input(1)->set_constant(weight);
  EXPECT_FLOAT_EQ(static_cast<float>(q.scale()), 1.0f);
  EXPECT_THAT(q.decision, StartsWith("extremes"));
}

/// A layer of 16 × 16 × 3 × 3 weights.
struct Wide : Quantizing {
  explicit Wide(const at::Tensor& weight, const std::string& search = "grid")
      : Quantizing("(float[N,16,5,5] x, float[16,16,3,3] w) => (float[N,16,3,3] y)", "[conv] y = Conv(x, w)", {"w"}) {
    node("conv").input(1)->set_constant(weight);
    pass("constants-to-values");
    setting.extra.weight_search = search;
    passes({"configure-quantization", "fuse-quantization", "quantize-parameters"});
  }
};

TEST(QuantizeParameters, AGridThatWeightsLieOnIsKept) {
  at::manual_seed(3);
  // Integers from -90 to 100 in steps of 0.013: the extremes would make steps of 190 / 255 of it.
  at::Tensor weight = (at::randn({16, 16, 3, 3}) * 25).round().clamp(-90, 100) * 0.013;
  weight[0][0][0][0] = -90 * 0.013, weight[0][0][0][1] = 100 * 0.013;
  Wide q(weight);
  EXPECT_NEAR(q.in("conv", 1)->params.scale.item<double>(), 0.013, 1e-5);
}

TEST(QuantizeParameters, WeightsThatLieOnNoGridTakeTheirExtremes) {
  at::manual_seed(3);
  const at::Tensor any = at::randn({16, 16, 3, 3});
  // 200 values of a code book, in no even steps.
  const at::Tensor book = at::randn({200}), coded = book.index({at::randint(200, {16, 16, 3, 3})});
  for (const at::Tensor& weight : {any, coded}) {
    Wide q(weight);
    const double range = weight.max().item<double>() - weight.min().item<double>();
    EXPECT_NEAR(q.in("conv", 1)->params.scale.item<double>(), range / 255, 1e-6);
  }
}

/// Extremes where the grid is finer than the scheme, where its zero lies beyond the scheme's integers, and where the target widens it.
TEST(QuantizeParameters, AGridThatDoesNotFitTheSchemeIsNone) {
  at::manual_seed(3);
  const at::Tensor finer = at::arange(2304).remainder(900).reshape({16, 16, 3, 3}) * 0.5;
  const at::Tensor beyond = -300.0 + at::arange(2304).remainder(200).reshape({16, 16, 3, 3}).to(at::kFloat);
  const at::Tensor tiny = at::arange(2304).remainder(190).reshape({16, 16, 3, 3}).to(at::kFloat) * 1e-9;
  for (const at::Tensor& weight : {finer, beyond, tiny}) {
    Wide q(weight.to(at::kFloat).contiguous()), plain(weight.to(at::kFloat).contiguous(), "minmax");
    EXPECT_EQ(q.in("conv", 1)->params.scale.item<float>(), plain.in("conv", 1)->params.scale.item<float>());
    EXPECT_EQ(q.in("conv", 1)->params.offset.item<float>(), plain.in("conv", 1)->params.offset.item<float>());
  }
}

TEST(QuantizeParameters, WithoutSamplesTheExtremes) {
  for (const char* method : {"auto", "output"}) {
    Product q(method);
    q.context.calibration = nullptr;
    EXPECT_FLOAT_EQ(static_cast<float>(q.scale()), static_cast<float>(q.scale_of_extremes())) << method;
    EXPECT_THAT(q.decision, HasSubstr("no samples")) << method;
  }
}

TEST(QuantizeParameters, APrescribedObserverWins) {
  Product q("output");
  q.setting.quantize_parameter_setting.calib_algorithm = "minmax";
  EXPECT_FLOAT_EQ(static_cast<float>(q.scale()), static_cast<float>(q.scale_of_extremes()));
}

/// Two products read one weight under one quantization; what the second one reads decides too.
TEST(QuantizeParameters, OneScaleForAllReaders) {
  const std::string body = "[gemm] a = Gemm(x, W) n = Abs(x) [other] b = Gemm(n, W) y = Add(a, b)";
  Product alone("output"), shared("output", body);
  shared.sample([](int, at::Tensor& x) { x[0][0] = 0; });
  shared.passes({"configure-quantization"});
  shared.node("other").input_quant[1] = shared.in("gemm", 1);
  const auto quant = shared.in("gemm", 1);
  EXPECT_EQ(shared.pass("quantize-parameters"), 1u);
  const auto candidates = passes::candidate_scales({{&shared.node("gemm"), 1, false}})[0];
  double least = std::numeric_limits<double>::infinity();
  float best = 0;
  const at::Tensor weight = shared.node("gemm").constant_input(1);
  for (const QuantParams& candidate : candidates) {
    double error = 0;
    for (size_t n = 0; n < shared.context.calibration->size(); ++n) {
      const at::Tensor x = shared.context.calibration->sample(n)[0];
      for (int64_t o = 0; o < 8; ++o) {
        double one = 0, two = 0;
        for (int64_t i = 0; i < 64; ++i) {
          const double w = weight[i][o].item<double>(), lost = w - round_to(w, scale_at(candidate, 0), offset_at(candidate, 0), 0, 15),
                       v = x[0][i].item<double>();
          one += v * lost, two += std::abs(v) * lost;
        }
        error += one * one + two * two;
      }
    }
    if (error < least) least = error, best = static_cast<float>(scale_at(candidate, 0));
  }
  EXPECT_EQ(static_cast<float>(scale_of(quant)), best);
}

TEST(QuantizeParameters, LeavesWhatIsFixedPassiveOrComputed) {
  Layer q("output");
  q.passes({"configure-quantization"});
  q.in("conv", 1)->fixed = true;
  q.in("conv", 1)->params = active(0.125, 3)->params;
  EXPECT_EQ(q.pass("quantize-parameters"), 0u);
  EXPECT_EQ(scale_of(q.in("conv", 1)), 0.125);
  EXPECT_EQ(q.in("conv", 2)->state, QuantState::Passive);
  EXPECT_FALSE(q.in("conv", 2)->params.defined());
  EXPECT_EQ(q.in("conv", 0)->state, QuantState::Initial) << "an activation waits for calibration";
}

TEST(QuantizeParameters, AnActivationOfAnotherDomainIsRunAsWhatItIs) {
  // ai.onnx has no Gelu in this opset.
  Quantizing q(
      parse_model("<ir_version: 8, opset_import: [\"\" : 15, \"com.microsoft\" : 1]> g (float[N,4] x, float[4,4] w) => "
                  "(float[N,4] y) { [gemm] a = Gemm(x, w) [gelu] y = com.microsoft.Gelu(a) }",
                  {"w"}));
  q.setting.extra.weight_search = "output";
  q.calibrate_with({at::randn({1, 4}), at::randn({1, 4})});
  q.passes({"configure-quantization"});
  EXPECT_EQ(q.pass("quantize-parameters"), 1u);
  EXPECT_EQ(q.in("gemm", 1)->state, QuantState::Active);
}

/// The model's fault, not the samples'; infinities of operands are masks and wait for what is computed of them.
TEST(QuantizeParameters, ConstantsThatAreNoNumbersAreNamed) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [constant, number, text] :
       {std::tuple("w", nan, "got NaN"), {"w", inf, "got infinite values in a weight"}, {"k", nan, "got NaN"}}) {
    Quantizing q("(float[N,4] x, float[4,4] w, float[4] k) => (float[N,4] y)", "[product] a = MatMul(x, w) [sum] y = Add(a, k)",
                 {"w", "k"});
    q.pass("configure-quantization");
    Value* value = q.graph->find_value(constant);
    at::Tensor numbers = value->constant().clone();
    numbers.view({-1})[1] = number;
    value->set_constant(numbers);
    const Error error = thrown([&] { q.pass("quantize-parameters"); });
    EXPECT_EQ(error.kind(), ErrorKind::Model);
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr(std::string("constant ") + constant), HasSubstr(text), HasSubstr("--keep-float")));
  }
}

/// A constant operand of Add is no weight: its range is exact whatever the search.
TEST(QuantizeParameters, ConstantOperandsTakeTheirExtremes) {
  for (const char* method : {"output", "mse", "minmax"}) {
    Quantizing q("(float[N,4] x) => (float[N,4] y) <float[4] k = {-0.5, 0.25, 2, 1}>", "[add] y = Add(x, k)");
    q.setting.extra.weight_search = method;
    q.calibrate_with({at::rand({1, 4})});
    q.passes({"configure-quantization"});
    EXPECT_EQ(q.pass("quantize-parameters"), 1u);
    EXPECT_FLOAT_EQ(static_cast<float>(scale_of(q.in("add", 1))), 2.5f / 255) << method;
  }
}

}  // namespace
}  // namespace ppq::test
