#include <array>

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

const char* const kWrittenOut = "<float two = {2}, float eps = {1e-5}, float one = {1}, float half = {0.5}, float root = {1.4142135}>";

/// Gemm, LayerNormalization and Gelu written out, Gemm.
struct WrittenOut : Quantizing {
  explicit WrittenOut(const std::string& outputs = "float[2,6] y", const std::string& more = "",
                      TargetPlatform target = TargetPlatform::QNN_HTP_INT8)
      : Quantizing(
            parse_model("<ir_version: 8, opset_import: [\"\" : 13]> m (float[2,4] i, float[4,6] w, float[6] g, float[6] b, float[6,6] "
                        "v) => (" +
                            outputs + ") " + kWrittenOut +
                            " { [up] x = MatMul(i, w) [mean] m = ReduceMean<axes = [-1]>(x) [sub] d = Sub(x, m) [pow] q = Pow(d, two) "
                            "[var] s = ReduceMean<axes = [-1]>(q) [add] e = Add(s, eps) [sqrt] r = Sqrt(e) [div] n = Div(d, r) [scale] k "
                            "= Mul(n, g) [shift] z = Add(k, b) [down] h = MatMul(z, v) [over] o = Div(h, root) [erf] f = Erf(o) [inc] a = "
                            "Add(f, one) [gate] p = Mul(h, a) [last] y = Mul(p, half) " +
                            more + "}",
                        {"w", "g", "b", "v"}),
            target) {}
  static constexpr std::array kInside = {"mean", "sub", "pow", "var", "add", "sqrt", "div", "scale", "over", "erf", "inc", "gate"};
};

TEST(FuseQuantization, OperatorsThatWereWrittenOutAreFloatInside) {
  WrittenOut q;
  q.pass("configure-quantization");
  EXPECT_TRUE(q.out("sub")) << "or the test shows nothing";
  EXPECT_EQ(q.pass("fuse-quantization"), 2u);
  for (const char* node : WrittenOut::kInside) EXPECT_FALSE(q.out(node)) << node;
  for (const auto& [node, index] : {std::pair{"sub", 1},
                                    {"var", 0},
                                    {"div", 0},
                                    {"scale", 0},
                                    {"scale", 1},
                                    {"shift", 0},
                                    {"shift", 1},
                                    {"gate", 1},
                                    {"last", 0},
                                    {"last", 1}})
    EXPECT_FALSE(q.in(node, static_cast<size_t>(index))) << node << index;
  for (const char* node : {"up", "shift", "down", "last"}) EXPECT_TRUE(q.out(node)) << node;
  for (const char* node : {"mean", "sub", "gate"}) EXPECT_TRUE(q.in(node)) << node << " reads what is rounded";
}

/// The same slots are quantized as around the operator itself.
TEST(FuseQuantization, AsTheOperatorItself) {
  for (const TargetPlatform target : {TargetPlatform::QNN_HTP_INT8, TargetPlatform::ONNXRUNTIME}) {
    SCOPED_TRACE(name_of(target));
    WrittenOut parts("float[2,6] y", "", target), whole("float[2,6] y", "", target);
    EXPECT_EQ(whole.pass("fuse-layer-norm"), 1u);
    EXPECT_EQ(whole.pass("fuse-gelu"), 1u);
    for (WrittenOut* q : {&parts, &whole}) q->passes({"configure-quantization", "fuse-quantization", "simplify-quantization"});
    for (const char* node : {"up", "shift", "down", "last"}) EXPECT_EQ(!parts.out(node), !whole.out(node)) << node;
    EXPECT_EQ(!parts.in("sub"), !whole.in("shift"));
    EXPECT_EQ(!parts.in("gate"), !whole.in("last"));
    EXPECT_EQ(parts.node("shift").quantized, whole.node("shift").quantized);
  }
}

/// TensorRT computes Gelu in one go with the layer before it.
TEST(FuseQuantization, AnActivationThatWasWrittenOutJoinsItsLayer) {
  WrittenOut q("float[2,6] y", "", TargetPlatform::TRT_INT8);
  q.passes({"configure-quantization", "fuse-quantization"});
  EXPECT_FALSE(q.out("down"));
  EXPECT_FALSE(q.in("gate"));
  EXPECT_TRUE(q.out("last"));
  WrittenOut read("float[2,6] y, float[2,6] u", "u = Abs(h)", TargetPlatform::TRT_INT8);
  read.passes({"configure-quantization", "fuse-quantization"});
  EXPECT_TRUE(read.out("down")) << "others read it";
}

TEST(FuseQuantization, WrittenOutOperatorsThatStayApart) {
  struct Case {
    const char *why, *outputs, *more;
    std::function<void(Quantizing&)> before, after;
  };
  for (const Case& c : std::vector<Case>{
           {"the target has none", "float[2,6] y", "", [](Quantizing& q) { q.platform.fusion.composites.clear(); }, {}},
           {"switched off", "float[2,6] y", "", [](Quantizing& q) { q.setting.fusion_setting.fuse_activation = false; }, {}},
           {"the inner tensor is an output", "float[2,6] y, float[2,6] d", "", {}, {}},
           {"others read the inner tensor", "float[2,6] y, float[2,6] u", "u = Abs(d)", {}, {}},
           {"an encodings file has numbers for it", "float[2,6] y", "", {}, [](Quantizing& q) { q.out("sub")->fixed = true; }}}) {
    SCOPED_TRACE(c.why);
    WrittenOut q(c.outputs, c.more);
    if (c.before) c.before(q);
    q.pass("configure-quantization");
    if (c.after) c.after(q);
    q.pass("fuse-quantization");
    EXPECT_TRUE(q.out("sub"));
  }
}

/// Two blocks of a transformer, written out, with 8-bit activations.
TEST(FuseQuantization, WrittenOutTransformersKeepTheirPrecision) {
  const std::string norm =
      "m{0} = ReduceMean<axes = [-1]>(x{0}) d{0} = Sub(x{0}, m{0}) q{0} = Pow(d{0}, two) s{0} = ReduceMean<axes = [-1]>(q{0}) e{0} = "
      "Add(s{0}, eps) r{0} = Sqrt(e{0}) n{0} = Div(d{0}, r{0}) k{0} = Mul(n{0}, g) z{0} = Add(k{0}, b) ";
  const std::string mlp =
      "h{0} = MatMul(z{0}, w{0}) o{0} = Div(h{0}, root) f{0} = Erf(o{0}) a{0} = Add(f{0}, one) p{0} = Mul(h{0}, a{0}) c{0} = Mul(p{0}, "
      "half) "
      "t{0} = MatMul(c{0}, v{0}) x{1} = Add(t{0}, x{0}) ";
  const auto numbered = [](std::string text, int n) {
    for (const auto& [from, to] : {std::pair{std::string("{0}"), n}, {std::string("{1}"), n + 1}})
      for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;) text.replace(at, from.size(), std::to_string(to));
    return text;
  };
  std::string body;
  for (int block : {0, 1}) body += numbered(norm + mlp, block);
  const std::string text =
      "<ir_version: 8, opset_import: [\"\" : 13]> m (float[N,8,16] x0, float[16] g, float[16] b, float[16,32] w0, "
      "float[32,16] v0, float[16,32] w1, float[32,16] v1) => (float[N,8,32] y) " +
      std::string(kWrittenOut) + " {" + body +
      numbered(
          "m{0} = ReduceMean<axes = [-1]>(x{0}) d{0} = Sub(x{0}, m{0}) q{0} = Pow(d{0}, two) s{0} = ReduceMean<axes = [-1]>(q{0}) "
          "e{0} = Add(s{0}, eps) r{0} = Sqrt(e{0}) n{0} = Div(d{0}, r{0}) k{0} = Mul(n{0}, g) z{0} = Add(k{0}, b) "
          "y = MatMul(z{0}, w0) ",
          2) +
      "}";
  const auto error = [&](bool joined, double token) {
    Quantizing q(parse_model(text, {"g", "b", "w0", "v0", "w1", "v1"}), TargetPlatform::QNN_HTP_INT8);
    if (!joined) q.platform.fusion.composites.clear();
    at::manual_seed(5);
    const at::Tensor sizes = at::cat({at::full({1}, token), at::full({7}, 1.0)}).reshape({8, 1});
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 8; ++i) samples.push_back(at::randn({1, 8, 16}) * sizes);
    q.calibrate_with(samples);
    q.setting.quantize_activation_setting.calib_algorithm = "minmax";
    q.passes({"configure-quantization", "fuse-quantization", "simplify-quantization", "quantize-parameters", "calibrate",
              "quantize-passive-parameters"});
    double noise = 0, signal = 0;
    for (const at::Tensor& sample : samples) {
      const at::Tensor expected = run_float(*q.graph, {sample})[0], got = q.simulate({sample})[0];
      noise += (got - expected).square().sum().item<double>(), signal += expected.square().sum().item<double>();
    }
    return noise / signal;
  };
  // Like tokens: a fifth less noise at least. A token 12 times as large as the others, as the first one often is: their variances are
  // rounded to zero, and nothing is left of the network.
  EXPECT_LT(error(true, 4), 0.8 * error(false, 4));
  EXPECT_LT(error(true, 12), 2e-3);
  EXPECT_FALSE(error(false, 12) < 0.1);
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
