// Attention with masks of every size and origin: what the program simulates against onnxruntime's float outputs.
#include "apps/float_outputs.h"

namespace ppq::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(), kLargest = std::numeric_limits<float>::max();

/// 0 on and below the diagonal, `value` above it.
at::Tensor causal(double value, int64_t n = 6) { return at::where(at::ones({1, n, n}).tril().gt(0), at::zeros({}), at::full({}, value)); }

const char* kAttention = "q = MatMul(x, wq) k0 = MatMul(x, wk) k = Transpose<perm = [0,2,1]>(k0) s = MatMul(q, k) ";

std::vector<std::pair<std::string, at::Tensor>> weights() { return {{"wq", noise({8, 8}, 1)}, {"wk", noise({8, 8}, 2)}}; }

struct Masked : SmallModel {
  Masked(const std::string& name, const std::string& inputs, const std::string& body,
         std::vector<std::pair<std::string, at::Tensor>> constants)
      : SmallModel(name, "(float[1,6,8] x, float[8,8] wq, float[8,8] wk" + inputs + ") => (float y)", kAttention + body,
                   with_weights(std::move(constants))) {}
  static std::vector<std::pair<std::string, at::Tensor>> with_weights(std::vector<std::pair<std::string, at::Tensor>> constants) {
    const auto more = weights();
    constants.insert(constants.end(), more.begin(), more.end());
    return constants;
  }
};

class MaskedScores : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { PPQ_REQUIRE_PYTHON(); }
};
INSTANTIATE_TEST_SUITE_P(Hexagon, MaskedScores, testing::ValuesIn(platforms_of_hexagon()));

TEST_P(MaskedScores, FieldCases) {
  PPQ_REQUIRE_SHARED();
  for (const char* name : {"field/mask-inf", "field/mask-10000"})
    EXPECT_LT(compare_with_onnxruntime(shared(name), GetParam()).nsr(), 0.02) << name;
}

TEST_P(MaskedScores, ConstantsOfEverySize) {
  for (const double value : {-1e2, -1e4, -65504.0, -1e9, -kLargest, -kInf}) {
    const Masked model("mask_constant", ", float[1,6,6] c", "a = Add(s, c) p = Softmax<axis = -1>(a) y = MatMul(p, x)",
                       {{"c", causal(value)}});
    model.samples({1, 6, 8});
    EXPECT_LT(compare_with_onnxruntime(model.folder, GetParam()).nsr(), 0.02) << value;
  }
}

/// (1 - m) × -10000 of a graph input, moved, added to scaled scores of two heads; and the mask itself as an input.
TEST_P(MaskedScores, InputsOfTheGraph) {
  for (const double value : {-1e4, -kLargest}) {
    const Masked model(
        "mask_input", ", float[1,6] m, float one, float big, float d, int64[1] axes",
        "n = Sub(one, m) u = Unsqueeze(n, axes) c = Mul(u, big) t = Div(s, d) a = Add(t, c) p = Softmax<axis = -1>(a) y = MatMul(p, x)",
        {{"one", at::ones({})}, {"big", at::full({}, value)}, {"d", at::full({}, 2.8)}, {"axes", at::tensor({1}, at::kLong)}});
    for (int i = 0; i < 8; ++i) {
      at::Tensor mask = at::ones({1, 6});
      mask.narrow(1, 6 - i % 4, i % 4).zero_();
      model.sample(i, noise({1, 6, 8}, i), "x"), model.sample(i, mask, "m");
    }
    EXPECT_LT(compare_with_onnxruntime(model.folder, GetParam()).nsr(), 0.02) << value;
  }
}

/// Slopes and a mask in one constant (as in ALiBi), two masks added, a mask added before scaling, a Clip between.
TEST_P(MaskedScores, OtherPlaces) {
  const at::Tensor slopes = (at::arange(6).reshape({1, 1, 6}) - at::arange(6).reshape({1, 6, 1})).to(at::kFloat) * 0.25;
  const std::string end = " p = Softmax<axis = -1>(a) y = MatMul(p, x)";
  const Masked alibi("mask_slopes", ", float[1,6,6] c", "a = Add(s, c)" + end, {{"c", slopes + causal(-kInf)}});
  const Masked sum(
      "mask_sum", ", float[1,6,6] c, float[1,1,6] e", "b = Add(s, c) a = Add(b, e)" + end,
      {{"c", causal(-kLargest)}, {"e", at::where(at::arange(6).reshape({1, 1, 6}).eq(5), at::full({}, -kLargest), at::zeros({}))}});
  const Masked scaled("mask_scaled", ", float[1,6,6] c, float d", "b = Add(s, c) a = Div(b, d)" + end,
                      {{"c", causal(-1e9)}, {"d", at::full({}, 2.8)}});
  const Masked chosen("mask_where", ", bool[1,6,6] c, float e", "a = Where(c, s, e)" + end,
                      {{"c", causal(-1).eq(0)}, {"e", at::full({}, -kInf)}});
  for (const Masked* model : {&alibi, &sum, &scaled, &chosen}) {
    model->samples({1, 6, 8});
    EXPECT_LT(compare_with_onnxruntime(model->folder, GetParam()).nsr(), 0.02) << model->folder;
  }
}

/// Infinities that end in other operations: Max takes what is above, gates close.
TEST_P(MaskedScores, OtherOperations) {
  const SmallModel most("mask_max", "(float[1,3,4,4] x, float[4,3,1,1] w, float[1,4,1,1] c) => (float y)", "h = Conv(x, w) y = Max(h, c)",
                        {{"w", noise({4, 3, 1, 1}, 1)}, {"c", floats({float(-kInf), 0, 0.5f, float(-kInf)}).reshape({1, 4, 1, 1})}});
  const SmallModel gate("mask_gate", "(float[1,3,4,4] x, float[4,3,1,1] w, float[1,4,1,1] c) => (float y)",
                        "h = Conv(x, w) a = Add(h, c) g = Sigmoid(a) y = Mul(g, h)",
                        {{"w", noise({4, 3, 1, 1}, 1)}, {"c", floats({-1e4f, 0, 0.5f, -1e4f}).reshape({1, 4, 1, 1})}});
  for (const SmallModel* model : {&most, &gate}) {
    model->samples({1, 3, 4, 4});
    EXPECT_LT(compare_with_onnxruntime(model->folder, GetParam()).nsr(), 0.02) << model->folder;
  }
}

TEST(MaskedScoresErrors, WeightsAndSamplesWithInfinitiesAreNamed) {
  const SmallModel weight("inf_weight", "(float[1,3,4,4] x, float[4,3,1,1] w) => (float y)", "y = Conv(x, w)",
                          {{"w", at::full({4, 3, 1, 1}, kInf)}});
  weight.samples({1, 3, 4, 4});
  const auto quantize = [](const SmallModel& model) {
    return ppq_torch({"--model", model.folder + "/model.onnx", "--calib", model.folder + "/data", "--platform", "qnn_dsp_int8", "--device",
                      test_device_name(), "--output", model.folder + "/out"});
  };
  Result result = quantize(weight);
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("constant w"), HasSubstr("not the samples")));
  const Masked model("inf_sample", ", float[1,6,6] c", "a = Add(s, c) p = Softmax<axis = -1>(a) y = MatMul(p, x)", {{"c", causal(-kInf)}});
  model.samples({1, 6, 8});
  model.sample(3, at::full({1, 6, 8}, kInf));
  result = quantize(model);
  EXPECT_EQ(result.code, 5) << "infinite samples are an error as before";
  EXPECT_THAT(result.err, HasSubstr("3.npy"));
}

}  // namespace
}  // namespace ppq::test
