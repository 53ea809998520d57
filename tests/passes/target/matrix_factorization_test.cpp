#include <ATen/ATen.h>

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

struct Case {
  const char *what, *inputs, *outputs, *body;
  std::vector<std::string> constants;
};

struct Factorizing : Quantizing {
  std::unique_ptr<Graph> before;
  explicit Factorizing(const Case& c) : Quantizing(parse_model(model_text(c.inputs, c.outputs, c.body), c.constants)) {
    setting.matrix_factorization = true;
    setting.matrix_factorization_setting.interested_layers = {"layer"};
    before = graph->clone();
  }
  size_t factorize() { return pass("matrix-factorization"); }
};

class Factorizes : public testing::TestWithParam<Case> {};

TEST_P(Factorizes, AndTheFloatNetworkStays) {
  Factorizing q(GetParam());
  const bool biased = q.node("layer").constant_input(2).defined();
  EXPECT_EQ(q.factorize(), 1u);
  const std::string type = q.node("layer").op_type;
  EXPECT_THAT(types_of(*q.graph), ElementsAre(type, type));
  EXPECT_NO_THROW(check_onnx(*q.graph));
  const Tensors inputs = random_inputs(*q.before);
  EXPECT_LE(relative_difference(run_float(*q.graph, inputs), run_float(*q.before, inputs)), 1e-5);
  EXPECT_EQ(q.graph->outputs()[0]->name(), "y");
  EXPECT_FALSE(q.node("layer").constant_input(2).defined());
  EXPECT_EQ(q.node("layer_splited").constant_input(2).defined(), biased);
  // Factors of like magnitudes: columns of A and rows of B have the same length.
  const bool turned = type == "Conv" || q.node("layer").attributes.get_int("transB", 0) != 0;
  const auto matrix = [&](const std::string& name) {
    const at::Tensor stored = q.node(name).constant_input(1).flatten(1).to(at::kDouble);
    return turned ? stored.t() : stored;
  };
  const at::Tensor a = matrix("layer").square().sum(0), b = matrix("layer_splited").square().sum(1);
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_TRUE(at::allclose(a, b, 1e-4, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(
    Layers, Factorizes,
    testing::Values(Case{"Gemm", "float[2,3] x, float[3,5] w, float[5] b", "float[2,5] y", "[layer] y = Gemm(x, w, b)", {"w", "b"}},
                    Case{"Turned", "float[2,6] x, float[4,6] w", "float[2,4] y", "[layer] y = Gemm<transB = 1>(x, w)", {"w"}},
                    Case{"Scaled",
                         "float[3,2] x, float[3,5] w, float[5] b",
                         "float[2,5] y",
                         "[layer] y = Gemm<transA = 1, alpha = 0.5, beta = 3.0>(x, w, b)",
                         {"w", "b"}},
                    Case{"Conv",
                         "float[2,6,5,5] x, float[4,6,1,1] w, float[4] b",
                         "float[2,4,5,5] y",
                         "[layer] y = Conv<kernel_shape = [1, 1]>(x, w, b)",
                         {"w", "b"}},
                    Case{"StridedAndPadded",
                         "float[2,3,5,5] x, float[7,3,1,1] w, float[7] b",
                         "float[2,7,4,4] y",
                         "[layer] y = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w, b)",
                         {"w", "b"}},
                    Case{"OfOneDimension", "float[2,3,5] x, float[7,3,1] w", "float[2,7,5] y", "[layer] y = Conv(x, w)", {"w"}}),
    [](const auto& info) { return info.param.what; });

const Case kGemm{"Gemm", "float[2,3] x, float[3,5] w, float[5] b", "float[2,5] y", "[layer] y = Gemm(x, w, b)", {"w", "b"}};

TEST(MatrixFactorization, TrainingIsSaidToBeTheClosedForm) {
  Factorizing q(kGemm), other(kGemm);
  q.setting.matrix_factorization_setting.method = "training";
  EXPECT_EQ(q.factorize() + other.factorize(), 2u);
  ASSERT_THAT(q.warnings, SizeIs(1));
  EXPECT_THAT(q.warnings[0].text, HasSubstr("'svd'"));
  EXPECT_TRUE(at::equal(q.node("layer").constant_input(1), other.node("layer").constant_input(1)));
}

TEST(MatrixFactorization, WhatItLeaves) {
  for (const Case& c :
       std::vector<Case>{{"taps", "float[2,3,5,5] x, float[7,3,3,3] w", "float[2,7,3,3] y", "[layer] y = Conv(x, w)", {"w"}},
                         {"groups", "float[2,4,5,5] x, float[4,2,1,1] w", "float[2,4,5,5] y", "[layer] y = Conv<group = 2>(x, w)", {"w"}},
                         {"run time", "float[2,3] x, float[3,5] v", "float[2,5] y", "[layer] y = Gemm(x, v)", {}},
                         {"no layer", "float[2,3] x", "float[2,3] y", "[layer] y = Relu(x)", {}}}) {
    SCOPED_TRACE(c.what);
    Factorizing q(c);
    EXPECT_EQ(q.factorize(), 0u);
    ASSERT_THAT(q.warnings, SizeIs(1));
    EXPECT_THAT(q.warnings[0].text, HasSubstr("'layer'"));
  }
  Factorizing fixed(kGemm);
  fixed.node("layer").input_quant = {nullptr, active(0.1, 0), nullptr};
  fixed.in("layer", 1)->fixed = true;
  EXPECT_EQ(fixed.factorize(), 0u);
}

TEST(MatrixFactorization, LayersMustBeNamed) {
  Factorizing q(kGemm);
  q.setting.matrix_factorization_setting.interested_layers.clear();
  const Error none = thrown([&] { q.factorize(); });
  EXPECT_EQ(none.kind(), ErrorKind::Usage);
  EXPECT_THAT(none.what(), HasSubstr("interested_layers"));
}

}  // namespace
}  // namespace ppq::test
