#include "passes/quantizing.h"

namespace ppq::test {
namespace {

struct Conv : Quantizing {
  explicit Conv(const std::string& outputs = "float[N,3,3,3] y", const std::string& tail = "[act] y = Relu(c)")
      : Quantizing("(float[N,2,5,5] x, float[3,2,3,3] w, float[3] b) => (" + outputs + ")", "[conv] c = Conv(x, w, b) " + tail,
                   {"w", "b"}) {}
};

TEST(FuseQuantization, AnOperationAndItsActivationHaveOne) {
  for (const char* tail : {"[act] y = Relu(c)", "[act] y = Clip(c)"}) {
    Conv q("float[N,3,3,3] y", tail);
    q.pass("configure-quantization");
    const auto outer = q.out("act");
    EXPECT_EQ(q.pass("fuse-quantization"), 1u) << tail;
    EXPECT_EQ(q.out("conv"), outer) << "of the activation's output: that is what is observed";
    EXPECT_EQ(q.in("act"), outer);
    EXPECT_EQ(q.out("act"), outer);
    EXPECT_EQ(outer->observed, "y");
    EXPECT_NE(q.in("conv"), outer);
    EXPECT_EQ(q.pass("fuse-quantization"), 0u) << "once is enough";
  }
}

TEST(FuseQuantization, LinearActivationsFuseWithAnyOperation) {
  Quantizing q("(float[4] a, float[4] b) => (float[4] y)", "[add] s = Add(a, b) [act] y = Relu(s)");
  q.passes({"configure-quantization", "fuse-quantization"});
  EXPECT_EQ(q.out("add"), q.out("act"));
  EXPECT_EQ(q.in("act"), q.out("act"));
  EXPECT_NE(q.in("add", 0), q.out("add"));
}

TEST(FuseQuantization, ActivationsDoNotFuse) {
  struct Case {
    const char *why, *outputs, *tail;
    std::function<void(Quantizing&)> change;
  };
  const char* one = "float[N,3,3,3] y";
  const char* relu = "[act] y = Relu(c)";
  for (const Case& c : std::vector<Case>{
           {"the inner tensor is a graph output", "float[N,3,3,3] y, float[N,3,3,3] c", relu, {}},
           {"another reader", "float[N,3,3,3] y, float[N,3,3,3] z", "[act] y = Relu(c) [other] z = Tanh(c)", {}},
           {"a sub-graph reads the inner tensor",
            "float[N,3,3,3] y, float[N,3,3,3] z",
            "[act] y = Relu(c) m = ReduceMax<keepdims = 0>(x) go = IsNaN(m) z = If (go) <then_branch = t () => (float[N,3,3,3] u) { u = "
            "Abs(c) }, else_branch = e () => (float[N,3,3,3] v) { v = Neg(c) }>",
            {}},
           {"the target does not fuse this type", one, "[act] y = Tanh(c)", {}},
           {"the activation is float", one, relu, [](Quantizing& q) { q.node("act").dispatch = Dispatch::Float; }},
           {"the operation is float", one, relu, [](Quantizing& q) { q.node("conv").dispatch = Dispatch::Float; }},
           {"switched off", one, relu, [](Quantizing& q) { q.setting.fusion_setting.fuse_activation = false; }},
       }) {
    SCOPED_TRACE(c.why);
    Conv q(c.outputs, c.tail);
    if (c.change) c.change(q);
    q.pass("configure-quantization");
    EXPECT_EQ(q.pass("fuse-quantization"), 0u);
    if (q.out("conv")) {
      EXPECT_NE(q.out("conv"), q.out("act"));
    }
  }
}

TEST(FuseQuantization, FixedNumbersAndOtherSchemesStay) {
  Conv fixed;
  fixed.pass("configure-quantization");
  fixed.out("conv")->fixed = true;
  EXPECT_EQ(fixed.pass("fuse-quantization"), 0u);
  Conv wide;
  wide.pass("configure-quantization");
  wide.out("act")->scheme.quant_max = 65535;
  EXPECT_EQ(wide.pass("fuse-quantization"), 0u);
  EXPECT_NE(wide.out("conv"), wide.out("act"));
}

TEST(FuseQuantization, DataMovementKeepsItsInputsQuantization) {
  Quantizing q("(float[1,4,6,6] x) => (float[1,2,3,3] y, float[1,2,3,3] z)",
               "[pool] p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) [split] y, z = Split<axis=1>(p)");
  q.pass("configure-quantization");
  const auto data = q.in("pool"), inner = q.in("split");
  EXPECT_EQ(q.pass("fuse-quantization"), 2u);
  EXPECT_EQ(q.out("pool"), data);
  EXPECT_EQ(q.out("split", 0), inner);
  EXPECT_EQ(q.out("split", 1), inner);

  Quantizing off("(float[1,4,6,6] x) => (float[1,4,3,3] y)", "[pool] y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)");
  off.setting.fusion_setting.fuse_passive_op = false;
  off.pass("configure-quantization");
  EXPECT_EQ(off.pass("fuse-quantization"), 0u);
  Quantizing average("(float[1,4,6,6] x) => (float[1,4,3,3] y)", "[pool] y = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x)");
  average.pass("configure-quantization");
  EXPECT_EQ(average.pass("fuse-quantization"), 0u) << "an average makes new numbers";
}

struct Gate : Quantizing {
  Gate(const std::string& gate, const std::string& outputs = "float[N,3] y", const char* fused = "Swish")
      : Quantizing("(float[N,4] i, float[4,3] w) => (" + outputs + ")", "[gemm] x = Gemm(i, w) " + gate, {"w"}) {
    platform.fusion.activations.insert(fused);
    for (const char* type : {"Softplus", "HardSigmoid"}) platform.quant_types.insert(type);
  }
};

TEST(FuseQuantization, GatesAreFloatInside) {
  for (const auto& [gate, fused] : {std::pair{"[s] g = Sigmoid(x) [mul] y = Mul(x, g)", "Swish"},
                                    {"[s] g = Sigmoid(x) [mul] y = Mul(g, x)", "Swish"},
                                    {"[s] g = HardSigmoid(x) [mul] y = Mul(x, g)", "HardSwish"},
                                    {"[p] t = Softplus(x) [s] g = Tanh(t) [mul] y = Mul(x, g)", "Mish"}}) {
    SCOPED_TRACE(gate);
    Gate q(gate, "float[N,3] y", fused);
    q.pass("configure-quantization");
    const auto product = q.out("mul");
    EXPECT_EQ(q.pass("fuse-quantization"), 1u);
    EXPECT_EQ(q.out("mul"), product) << "only the product is rounded";
    for (const auto& inner : {q.out("gemm"), q.in("s"), q.out("s"), q.in("mul", 0), q.in("mul", 1)}) EXPECT_FALSE(inner);
    EXPECT_TRUE(q.in("gemm"));
  }
}

TEST(FuseQuantization, GatesThatOthersLookIntoStay) {
  const char* swish = "[s] g = Sigmoid(x) [mul] y = Mul(x, g)";
  for (const auto& [why, gate, outputs, fused] :
       {std::tuple{"the target has no Swish", swish, "float[N,3] y", "Mish"},
        {"x is a graph output", swish, "float[N,3] y, float[N,3] x", "Swish"},
        {"the gate has another reader", "[s] g = Sigmoid(x) [mul] y = Mul(x, g) [o] z = Tanh(g)", "float[N,3] y, float[N,3] z", "Swish"},
        {"x has a third reader", "[s] g = Sigmoid(x) [mul] y = Mul(x, g) [o] z = Tanh(x)", "float[N,3] y, float[N,3] z", "Swish"},
        {"the gate is of another tensor", "[t] h = Tanh(x) [s] g = Sigmoid(h) [mul] y = Mul(x, g)", "float[N,3] y", "Swish"}}) {
    SCOPED_TRACE(why);
    Gate q(gate, outputs, fused);
    q.pass("configure-quantization");
    q.pass("fuse-quantization");
    EXPECT_TRUE(q.out("gemm"));
    EXPECT_TRUE(q.out("s"));
  }
}

/// Conv and Relu round once, behind the Relu: by hand, for a convolution of one element.
TEST(FuseQuantization, TheFusedTensorIsRoundedOnce) {
  Quantizing q("(float[N,1,1,1] x) => (float[N,1,1,1] y) <float[1,1,1,1] w = {0.7}>", "[conv] c = Conv(x, w) [act] y = Relu(c)");
  q.calibrate_with({at::full({1, 1, 1, 1}, -3.0f), at::full({1, 1, 1, 1}, 2.1f)});
  q.setting.quantize_activation_setting.calib_algorithm = "minmax";
  q.passes({"configure-quantization", "fuse-quantization", "quantize-parameters", "calibrate"});
  const PlainRange in(-3, static_cast<double>(2.1f)), weight(0, static_cast<double>(0.7f));
  const double w = round_to(static_cast<double>(0.7f), weight.scale, weight.offset);
  const PlainRange out(0, static_cast<double>(2.1f) * w);
  EXPECT_NEAR(scale_of(q.out("act")), out.scale, 1e-8);
  EXPECT_EQ(offset_of(q.out("act")), 0);
  for (double x : {-2.9, -0.5, 0.013, 0.4, 1.83}) {
    const double y = round_to(std::max(0.0, round_to(x, in.scale, in.offset) * w), out.scale, out.offset);
    EXPECT_NEAR(q.simulate({at::full({1, 1, 1, 1}, x, at::kFloat)})[0].item<double>(), y, 1e-6) << x;
  }
}

}  // namespace
}  // namespace ppq::test
