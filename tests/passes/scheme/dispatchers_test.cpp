#include "passes/quantizing.h"

/// By PPQ's description of its dispatchers: conservative, pointwise, allin, aggressive, pplnn, perseus.
namespace ppq::test {
namespace {

/// "conv:q relu:q erf:f shape:s": q left to the platform's list (quantized), f float, s shape or index.
std::string dispatched(const Quantizing& q, const std::string& dispatcher) {
  dispatch_graph(*q.graph, TargetPlatform::QNN_DSP_INT8, dispatcher);
  std::string text;
  for (const Node* node : q.graph->nodes()) {
    const char letter = node->dispatch == Dispatch::ByPlatform     ? 'q'
                        : node->dispatch == Dispatch::Float        ? 'f'
                        : node->dispatch == Dispatch::ShapeOrIndex ? 's'
                                                                   : '!';
    text += (text.empty() ? "" : " ") + node->name + ":" + letter;
  }
  return text;
}

/// Something before the first convolution, an operator the target cannot do in the middle, two convolutions.
struct Chain : Quantizing {
  Chain()
      : Quantizing("(float[1,2,8,8] x, float[2,2,1,1] w, float[2,2,1,1] v) => (float[1,2,8,8] y) <float[1] mean = {0.5}>",
                   "[pre] p = Sub(x, mean) [conv] c = Conv(p, w) [relu] r = Relu(c) [erf] e = Erf(r) [frelu] f = Relu(e) [add] a = Add(f, "
                   "e) [conv2] d = Conv(a, v) [tanh] y = Tanh(d)",
                   {"w", "v"}) {}
};

TEST(Conservative, FromComputingOperatorsDownToTheFirstTheTargetCannotDo) {
  Chain q;
  EXPECT_EQ(dispatched(q, "conservative"), "pre:f conv:q relu:q erf:f frelu:f add:f conv2:q tanh:q");
}

TEST(Conservative, WithoutComputingOperatorsAllIsFloat) {
  Quantizing q("(float[4] x) => (float[4] y)", "[a] a = Add(x, x) [b] y = Relu(a)");
  EXPECT_EQ(dispatched(q, "conservative"), "a:f b:f");
}

/// The usual flattening: the batch taken from Shape, put together, and given to Reshape.
struct Flatten : Quantizing {
  Flatten()
      : Quantizing(
            "(float[N,2,8,8] x, float[2,2,1,1] w, float[128,3] v) => (float[N,3] y) <int64 i = {0}, int64[1] axis = {0}, int64[1] rest = "
            "{-1}>",
            "[conv] c = Conv(x, w) [shape] s = Shape(c) [gather] g = Gather(s, i) [unsqueeze] u = Unsqueeze(g, axis) [concat] t = "
            "Concat<axis = 0>(u, rest) "
            "[reshape] r = Reshape(c, t) [gemm] y = Gemm(r, v)",
            {"w", "v"}) {}
};

TEST(Conservative, ShapeArithmeticIsNeverQuantized) {
  Flatten q;
  EXPECT_EQ(dispatched(q, "conservative"), "conv:q shape:s gather:s unsqueeze:s concat:s reshape:q gemm:q");
}

TEST(Conservative, DataMovementRightBeforeQuantizedOperatorsGoesAlong) {
  const char* body = "[pad] p = Pad(x, pads) [conv] y = Conv(p, w)";
  Quantizing q("(float[1,2,6,6] x, float[2,2,3,3] w) => (float[1,2,6,6] y) <int64[8] pads = {0,0,1,1,0,0,1,1}>", body, {"w"});
  EXPECT_EQ(dispatched(q, "conservative"), "pad:q conv:q");
  Quantizing seen("(float[1,2,6,6] x, float[2,2,3,3] w) => (float[1,2,6,6] y, float[1,2,8,8] p) <int64[8] pads = {0,0,1,1,0,0,1,1}>", body,
                  {"w"});
  EXPECT_EQ(dispatched(seen, "conservative"), "pad:f conv:q") << "a graph output stays float";
  Quantizing captured(
      "(bool go, float[1,2,6,6] x, float[2,2,3,3] w) => (float[1,2,6,6] y, float[1,2,8,8] z) <int64[8] pads = {0,0,1,1,0,0,1,1}>",
      std::string(body) +
          " [choose] z = If (go) <then_branch = t () => (float[1,2,8,8] u) { u = Abs(p) }, else_branch = e () => "
          "(float[1,2,8,8] v) { v = Neg(p) }>",
      {"w"});
  EXPECT_EQ(dispatched(captured, "conservative"), "pad:f conv:q choose:f") << "a sub-graph reads it in float";
}

TEST(Conservative, TopKIsFloatAndReluFollowsItsProducer) {
  Quantizing q("(float[1,8] x, float[8,8] w) => (float[1,2] y, int64[1,2] n, float[2] z) <int64[1] k = {2}, float fill = {1}>",
               "[gemm] g = Gemm(x, w) [top] t, n = TopK(g, k) [relu] y = Relu(t) [s] s = Shape(x) [cast] f = Cast<to = 1>(s) [soirelu] h = "
               "Relu(f) [end] z = Neg(h)",
               {"w"});
  const std::string text = dispatched(q, "conservative");
  EXPECT_THAT(text, HasSubstr("gemm:q top:f relu:f s:s"));
  const Node &cast = q.node("cast"), &relu = q.node("soirelu");
  EXPECT_EQ(relu.dispatch, cast.dispatch);
}

TEST(Conservative, IndicesOfGatherAreNoData) {
  Quantizing q("(float[1,4] x, float[4,4] w, int64[2] i) => (float[1,2] y) <int64 one = {1}>",
               "[gemm] g = Gemm(x, w) [index] j = Add(i, one) [gather] y = Gather<axis = 1>(g, j)", {"w"});
  EXPECT_EQ(dispatched(q, "conservative"), "gemm:q index:s gather:q");
}

TEST(Conservative, IndicesComputedFromDataAreFloatNotShapes) {
  Quantizing q("(float[1,8] x, float[8,8] w, float[8,3] table) => (float[1,3] y)",
               "[gemm] g = Gemm(x, w) [arg] n = ArgMax<axis = 1, keepdims = 0>(g) [embed] y = Gather(table, n)", {"w", "table"});
  EXPECT_EQ(dispatched(q, "conservative"), "gemm:q arg:f embed:f");
}

TEST(Pointwise, ComputingOperatorsAlone) {
  Chain q;
  EXPECT_EQ(dispatched(q, "pointwise"), "pre:f conv:q relu:f erf:f frelu:f add:f conv2:q tanh:f");
  Flatten flatten;
  EXPECT_EQ(dispatched(flatten, "pointwise"), "conv:q shape:s gather:s unsqueeze:s concat:s reshape:f gemm:q");
}

TEST(Allin, EveryTypeOfTheList) {
  Chain q;
  EXPECT_EQ(dispatched(q, "allin"), "pre:q conv:q relu:q erf:f frelu:q add:q conv2:q tanh:q");
}

TEST(Aggressive, TypesDoNotStopIt) {
  for (const char* name : {"aggressive", "aggresive", "AGGRESSIVE"}) {
    Chain q;
    EXPECT_EQ(dispatched(q, name), "pre:f conv:q relu:q erf:q frelu:q add:q conv2:q tanh:q")
        << "the platform's list leaves Erf float later";
  }
  Flatten flatten;
  EXPECT_EQ(dispatched(flatten, "aggressive"), "conv:q shape:s gather:s unsqueeze:s concat:s reshape:q gemm:q");
}

TEST(Pplnn, WhatLiesBetweenConvolutions) {
  Chain chain;
  EXPECT_EQ(dispatched(chain, "pplnn"), "pre:f conv:q relu:q erf:f frelu:f add:f conv2:q tanh:f")
      << "Erf cuts the way; Relu goes with its convolution";
  Quantizing q("(float[1,2,8,8] x, float[2,2,1,1] w, float[2,2,1,1] v) => (float[1,2,8,8] y)",
               "[pre] p = Tanh(x) [conv] c = Conv(p, w) [tanh] t = Tanh(c) [add] a = Add(t, t) [conv2] d = Conv(a, v) [post] y = Tanh(d)",
               {"w", "v"});
  EXPECT_EQ(dispatched(q, "pplnn"), "pre:f conv:q tanh:q add:q conv2:q post:f");
}

TEST(Perseus, DataLinksUpAndDown) {
  for (const char* name : {"perseus", "pursus"}) {
    Chain q;
    EXPECT_EQ(dispatched(q, name), "pre:q conv:q relu:q erf:q frelu:q add:q conv2:q tanh:q")
        << "also before the first convolution; the list of types comes later";
    Flatten flatten;
    EXPECT_EQ(dispatched(flatten, name), "conv:q shape:s gather:s unsqueeze:s concat:s reshape:q gemm:q");
  }
}

TEST(Perseus, DataMixedWithShapesIsFloat) {
  Quantizing q("(float[1,2,8,4] x, float[2,2,1,1] w) => (float[1,2,8,4] y)",
               "[conv] c = Conv(x, w) [shape] s = Shape(c) [cast] f = Cast<to = 1>(s) [mul] m = Mul(c, f) [tanh] y = Tanh(m)", {"w"});
  EXPECT_EQ(dispatched(q, "perseus"), "conv:q shape:s cast:f mul:f tanh:f");
}

TEST(DispatchGraph, UnknownNamesListTheNearest) {
  Chain q;
  const Error error = thrown([&] { dispatch_graph(*q.graph, TargetPlatform::QNN_DSP_INT8, "conservativ"); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("'conservativ'"), HasSubstr("conservative")));
  EXPECT_EQ(thrown([&] { dispatch_graph(*q.graph, TargetPlatform::PPL_CUDA_MIX); }).kind(), ErrorKind::Unsupported);
}

/// PPQ's dispatchers never let a shape or an index be rounded, whatever the dispatcher.
TEST(DispatchGraph, TheResultComputesWhatItDidBefore) {
  for (const char* name : {"conservative", "pointwise", "allin", "aggressive", "pplnn", "perseus"}) {
    Flatten q;
    const Tensors inputs = random_inputs(*q.graph, 3);
    const at::Tensor before = run_float(*q.graph, inputs)[0];
    dispatch_graph(*q.graph, TargetPlatform::QNN_DSP_INT8, name);
    q.setting.quantize_activation_setting.calib_algorithm = "minmax";
    q.context.calibration = make_dataset(std::vector<Tensors>{inputs});
    q.passes({"configure-quantization", "fuse-quantization", "simplify-quantization", "quantize-parameters", "calibrate",
              "quantize-passive-parameters"});
    const at::Tensor after = q.simulate(inputs)[0];
    ASSERT_EQ(after.sizes(), before.sizes()) << name;
    const double error = (after - before).square().sum().item<double>() / before.square().sum().item<double>();
    EXPECT_LT(error, 0.01) << name;
    EXPECT_GT(error, 0) << name << " quantizes something";
  }
}

}  // namespace
}  // namespace ppq::test
