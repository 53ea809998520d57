#include "passes/rewritten.h"

namespace ppq::test {
namespace {

const std::vector<std::string> kNorm = {"s", "b", "m", "var"};

std::vector<std::string> with_norm(std::vector<std::string> names) {
  names.insert(names.end(), kNorm.begin(), kNorm.end());
  return names;
}

Rewritten fuse(const std::string& text, const std::vector<std::string>& constants) {
  return rewrite(parse_model(text, constants), passes::make_fuse_batch_norm());
}

TEST(FuseBatchNorm, Conv) {
  const auto r = fuse(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[N,4,8,8] x, float[6,2,3,3] w, float[6] wb, float[6] s, float[6] b, float[6] m, float[6] var) => (float[N,6,6,6] y) {
      c = Conv<group = 2>(x, w, wb)
      y = BatchNormalization<epsilon = 0.1>(c, s, b, m, var)
    })",
                      with_norm({"w", "wb"}));
  EXPECT_EQ(r.changes, 1u);
  EXPECT_THAT(r.types(), ElementsAre("Conv"));
  // One weight by hand: w · s / √(var + ε).
  const auto at0 = [&](const char* name) { return r.before->find_value(name)->constant().reshape({-1})[0].item<double>(); };
  const double expected = at0("w") * at0("s") / std::sqrt(at0("var") + 0.1);
  EXPECT_NEAR(r.after->nodes()[0]->constant_input(1).reshape({-1})[0].item<double>(), expected, 1e-6);
}

TEST(FuseBatchNorm, ConvWithoutBiasOfEachRank) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"5", "3"}, {"5,5", "3,3"}, {"5,5,5", "3,3,3"}};
  for (const auto& [sizes, kernel] : cases) {
    std::string inputs = "float[N,3,";
    inputs += sizes + "] x, float[4,3," + kernel + "] w, float[4] s, float[4] b, float[4] m, float[4] var";
    const auto r = fuse(model_text(inputs, "float[] y", "c = Conv(x, w) y = BatchNormalization(c, s, b, m, var)"), with_norm({"w"}));
    EXPECT_EQ(r.changes, 1u) << sizes;
    EXPECT_THAT(r.types(), ElementsAre("Conv"));
  }
}

TEST(FuseBatchNorm, ConvTransposeWithGroups) {
  const auto r = fuse(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[N,4,5,5] x, float[4,3,3,3] w, float[6] wb, float[6] s, float[6] b, float[6] m, float[6] var) => (float[N,6,11,11] y) {
      c = ConvTranspose<group = 2, strides = [2, 2]>(x, w, wb)
      y = BatchNormalization(c, s, b, m, var)
    })",
                      with_norm({"w", "wb"}));
  EXPECT_EQ(r.changes, 1u);
  EXPECT_THAT(r.types(), ElementsAre("ConvTranspose"));
}

TEST(FuseBatchNorm, GemmWithAlphaBetaAndEitherLayout) {
  for (int transposed : {0, 1}) {
    for (const char* bias : {"5", "1,5", "1"}) {
      std::string inputs = "float[N,3] x, float[";
      inputs += transposed ? "5,3" : "3,5";
      inputs += "] w, float[";
      inputs += bias;
      inputs += "] wb, float[5] s, float[5] b, float[5] m, float[5] var";
      std::string body = "c = Gemm<alpha = 2.0, beta = 0.5, transB = ";
      body += std::to_string(transposed) + ">(x, w, wb) y = BatchNormalization(c, s, b, m, var)";
      const auto r = fuse(model_text(inputs, "float[N,5] y", body), with_norm({"w", "wb"}));
      EXPECT_EQ(r.changes, 1u) << transposed << bias;
      EXPECT_THAT(r.types(), ElementsAre("Gemm"));
    }
  }
}

TEST(FuseBatchNorm, MatMulOfMatricesBecomesGemm) {
  const auto r = fuse(R"(<ir_version: 8, opset_import: ["" : 13]>
    g (float[N,3] x, float[3,5] w, float[5] s, float[5] b, float[5] m, float[5] var) => (float[N,5] y) {
      c = MatMul(x, w)
      y = BatchNormalization(c, s, b, m, var)
    })",
                      with_norm({"w"}));
  EXPECT_THAT(r.types(), ElementsAre("Gemm"));
}

TEST(FuseBatchNorm, SharedWeightsAreNotTouchedForOthers) {
  const auto r = fuse(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[N,3,5,5] x, float[4,3,3,3] w, float[4] s, float[4] b, float[4] m, float[4] var) => (float[] y, float[] z) {
      c = Conv(x, w)
      y = BatchNormalization(c, s, b, m, var)
      z = Conv(x, w)
    })",
                      with_norm({"w"}));
  EXPECT_EQ(r.changes, 1u);
  EXPECT_THAT(r.types(), ElementsAre("Conv", "Conv"));
}

TEST(FuseBatchNorm, KeepsHalfPrecision) {
  const auto r = rewrite(parse_model(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float16[N,3,5,5] x, float16[4,3,3,3] w, float16[4] s, float16[4] b, float16[4] m, float16[4] var) => (float16[N,4,3,3] y) {
      c = Conv(x, w)
      y = BatchNormalization(c, s, b, m, var)
    })",
                                     with_norm({"w"})),
                         passes::make_fuse_batch_norm(), 1e-2);
  EXPECT_EQ(r.changes, 1u);
  EXPECT_EQ(r.after->nodes()[0]->constant_input(2).scalar_type(), at::kHalf);
}

TEST(FuseBatchNorm, DoesNotFire) {
  struct Case {
    const char* why;
    const char* outputs;
    const char* body;
    std::vector<std::string> constants;
  };
  for (const Case& c : std::vector<Case>{
           {"the convolution's result is a graph output", "float[] y, float[] c", "c = Conv(x, w) y = BatchNormalization(c, s, b, m, var)",
            with_norm({"w"})},
           {"it has another reader", "float[] y, float[] z", "c = Conv(x, w) y = BatchNormalization(c, s, b, m, var) z = Relu(c)",
            with_norm({"w"})},
           {"the weight is an input", "float[] y", "c = Conv(x, w) y = BatchNormalization(c, s, b, m, var)", kNorm},
           {"the scale is an input", "float[] y", "c = Conv(x, w) y = BatchNormalization(c, s, b, m, var)", {"w", "b", "m", "var"}},
           {"a Relu lies between", "float[] y", "c = Conv(x, w) r = Relu(c) y = BatchNormalization(r, s, b, m, var)", with_norm({"w"})},
       }) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(fuse(model_text("float[2,3,5,5] x, float[4,3,3,3] w, float[4] s, float[4] b, float[4] m, float[4] var", c.outputs, c.body),
                   c.constants)
                  .changes,
              0u);
  }
  // Channels of a batched product are in the middle.
  EXPECT_EQ(fuse(model_text("float[2,4,3] x, float[3,4] w, float[4] s, float[4] b, float[4] m, float[4] var", "float[] y",
                            "c = MatMul(x, w) y = BatchNormalization(c, s, b, m, var)"),
                 with_norm({"w"}))
                .changes,
            0u);
}

TEST(FuseBatchNorm, DoesNotFireInTraining) {
  auto graph = parse_model(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[2,3,5,5] x, float[4,3,3,3] w, float[4] s, float[4] b, float[4] m, float[4] var) => (float[] y) {
      c = Conv(x, w)
      y, rm, rv = BatchNormalization<training_mode = 1>(c, s, b, m, var)
    })",
                           with_norm({"w"}));
  PassContext context;
  EXPECT_EQ(passes::make_fuse_batch_norm()->run(*graph, context), 0u);
}

}  // namespace
}  // namespace ppq::test
