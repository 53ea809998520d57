#include "passes/quantizing.h"

#include <set>

#include "graph/quant_slots.h"

namespace ppq::test {
namespace {

using enum TargetPlatform;

/// x → Conv(w, b) → Relu → y, weights random.
Quantizing convolution(TargetPlatform target = QNN_DSP_INT8) {
  return Quantizing("(float[N,2,5,5] x, float[3,2,3,3] w, float[3] b) => (float[N,3,3,3] y)", "[conv] c = Conv(x, w, b) [relu] y = Relu(c)",
                    {"w", "b"}, target);
}

TEST(ConfigureQuantization, GivesEverySlotTheTargetsScheme) {
  auto q = convolution();
  EXPECT_EQ(q.pass("configure-quantization"), 2u);
  for (const auto& activation : {q.in("conv"), q.out("conv"), q.in("relu"), q.out("relu")}) {
    EXPECT_EQ(activation->scheme, q.platform.scheme(SlotRole::Data));
    EXPECT_EQ(activation->state, QuantState::Initial);
    EXPECT_TRUE(activation->exported);
  }
  const auto w = q.in("conv", 1), b = q.in("conv", 2);
  EXPECT_EQ(w->scheme.bits, 8);
  EXPECT_EQ(w->scheme.quant_min, 0);
  EXPECT_EQ(w->scheme.quant_max, 255);
  EXPECT_EQ(w->scheme.granularity, Granularity::PerTensor);
  EXPECT_EQ(w->state, QuantState::Initial);
  EXPECT_EQ(b->state, QuantState::Passive);
  EXPECT_EQ(b->scheme.bits, 30);
  EXPECT_FALSE(b->exported) << "the target works it out by itself";
  EXPECT_EQ(q.in("conv")->observed, "x");
  EXPECT_EQ(q.out("conv")->observed, "c");
}

TEST(ConfigureQuantization, SharesNothing) {
  auto q = convolution();
  q.pass("configure-quantization");
  std::set<const TensorQuant*> all;
  for (const auto& slot : quant_slots(*q.graph)) all.insert(slot.quant().get());
  EXPECT_EQ(quant_slots(*q.graph).size(), 6u);
  EXPECT_EQ(all.size(), 6u);
}

TEST(ConfigureQuantization, WeightsOfTheTensorProcessorAreSymmetricPerChannel) {
  auto q = convolution(QNN_HTP_INT8);
  q.pass("configure-quantization");
  const QuantScheme& scheme = q.in("conv", 1)->scheme;
  EXPECT_TRUE(scheme.symmetric);
  EXPECT_EQ(scheme.quant_min, -128);
  EXPECT_EQ(scheme.quant_max, 127);
  EXPECT_EQ(scheme.granularity, Granularity::PerChannel);
  EXPECT_EQ(scheme.axis, 0);
  EXPECT_EQ(q.in("conv", 2)->scheme.bits, 32);
  auto wide = convolution(QNN_HTP_A16W8);
  wide.pass("configure-quantization");
  EXPECT_EQ(wide.in("conv", 0)->scheme.quant_max, 65535);
  EXPECT_EQ(wide.in("conv", 1)->scheme.bits, 8);
}

TEST(ConfigureQuantization, TheChannelAxisFollowsTheOperator) {
  struct Case {
    const char *signature, *body;
    int axis;
  };
  for (const Case& c : {Case{"(float[N,4,5] x, float[4,3,2] w) => (float[N,3,6] y)", "[op] y = ConvTranspose(x, w)", 1},
                        Case{"(float[N,4] x, float[4,3] w) => (float[N,3] y)", "[op] y = Gemm(x, w)", 1},
                        Case{"(float[N,4] x, float[3,4] w) => (float[N,3] y)", "[op] y = Gemm<transB=1>(x, w)", 0},
                        Case{"(float[N,4] x, float[2,4,3] w) => (float[2,N,3] y)", "[op] y = MatMul(x, w)", 2}}) {
    Quantizing q(c.signature, c.body, {"w"}, QNN_HTP_INT8);
    q.pass("configure-quantization");
    EXPECT_EQ(q.in("op", 1)->scheme.axis, c.axis) << c.body;
    EXPECT_EQ(q.in("op", 1)->scheme.granularity, Granularity::PerChannel) << c.body;
  }
  Quantizing left("(float[4,3] w, float[3,N] x) => (float[4,N] y)", "[op] y = MatMul(w, x)", {"w"}, QNN_HTP_INT8);
  left.pass("configure-quantization");
  EXPECT_EQ(left.in("op", 0)->scheme.granularity, Granularity::PerTensor) << "the target has channels on the right-hand side only";
  Quantizing dynamic("(float[N,4] x, float[4,3] w) => (float[N,3] y)", "[op] y = MatMul(x, w)", {}, QNN_HTP_INT8);
  dynamic.pass("configure-quantization");
  EXPECT_EQ(dynamic.in("op", 1)->scheme, dynamic.platform.scheme(SlotRole::Data)) << "computed at run time: an activation";
}

TEST(ConfigureQuantization, ShapesIndicesAndIntegersGetNone) {
  Quantizing q("(float[2,6] x, int64[2] i) => (float[2,4] y, float[2,6] z) <int64[2] s = {3, 4}>",
               "[reshape] r = Reshape(x, s) [gather] y = Gather(r, i) [big] g = Add(i, i) [c] f = Cast<to=1>(g) [add] z = Add(x, x)");
  q.pass("configure-quantization");
  EXPECT_TRUE(q.in("reshape", 0));
  EXPECT_FALSE(q.in("reshape", 1));
  EXPECT_TRUE(q.in("gather", 0));
  EXPECT_FALSE(q.in("gather", 1));
  EXPECT_TRUE(q.node("big").quantized) << "the type is in the list";
  EXPECT_FALSE(q.in("big", 0)) << "but the tensors are integers";
  EXPECT_FALSE(q.out("big"));
}

TEST(ConfigureQuantization, DispatchDecides) {
  auto q = convolution();
  q.node("conv").dispatch = Dispatch::Float;
  q.node("relu").dispatch = Dispatch::ShapeOrIndex;
  EXPECT_EQ(q.pass("configure-quantization"), 0u);
  EXPECT_TRUE(quant_slots(*q.graph).empty());
  EXPECT_EQ(q.node("conv").input_quant.size(), 3u);

  Quantizing erf("(float[4] x) => (float[4] y)", "[erf] y = Erf(x)");
  EXPECT_EQ(erf.pass("configure-quantization"), 0u) << "not in the target's list";
  erf.node("erf").dispatch = Dispatch::Quantized;
  EXPECT_EQ(erf.pass("configure-quantization"), 1u) << "asked for";
  EXPECT_TRUE(erf.out("erf"));
}

TEST(ConfigureQuantization, FixedRangesAreKnownBeforeCalibration) {
  Quantizing q("(float[4] x) => (float[4] y)", "[s] y = Sigmoid(x)");
  q.pass("configure-quantization");
  EXPECT_TRUE(q.out("s")->fixed);
  EXPECT_EQ(q.out("s")->state, QuantState::Active);
  EXPECT_FLOAT_EQ(scale_of(q.out("s")), 1.0f / 255);
  EXPECT_EQ(offset_of(q.out("s")), 0);
  EXPECT_EQ(q.in("s")->state, QuantState::Initial);
}

TEST(ConfigureQuantization, WhatTheUserFixedStays) {
  auto q = convolution();
  const auto fixed = active(0.25, 3), leftover = active(0.5, 0);
  fixed->fixed = true;
  q.node("conv").input_quant = {fixed, leftover, nullptr};
  q.pass("configure-quantization");
  EXPECT_EQ(q.in("conv", 0), fixed);
  EXPECT_EQ(scale_of(fixed), 0.25);
  EXPECT_NE(q.in("conv", 1), leftover);
  EXPECT_EQ(q.in("conv", 1)->state, QuantState::Initial);
}

TEST(ConfigureQuantization, BoundsAndPaddingFollowTheirData) {
  Quantizing q(
      "(float[1,2,4,4] x) => (float[1,2,6,6] y) <float low = {0}, float high = {6}, int64[8] pads = {0,0,1,1,0,0,1,1}, float fill = {0}>",
      "[clip] c = Clip(x, low, high) [pad] y = Pad(c, pads, fill)");
  q.pass("configure-quantization");
  for (const auto& bound : {q.in("clip", 1), q.in("clip", 2), q.in("pad", 2)}) {
    EXPECT_EQ(bound->state, QuantState::Passive);
    EXPECT_FALSE(bound->exported);
  }
  EXPECT_FALSE(q.in("pad", 1));
}

TEST(ConfigureQuantization, ConstantOperandsHaveExactRanges) {
  Quantizing q("(float[4] x) => (float[4] y) <float[4] k = {1,2,3,4}>", "[add] y = Add(x, k)");
  for (SlotRule* rule : q.rules(SlotRole::Data)) rule->scheme.observer = "percentile";
  q.setting.extra.bits = {{"add", 16}};
  q.pass("configure-quantization");
  EXPECT_EQ(q.in("add", 0)->scheme.observer, "percentile");
  EXPECT_EQ(q.in("add", 1)->scheme.observer, "minmax");
  EXPECT_EQ(q.in("add", 1)->scheme.bits, 16) << "as wide as what it meets";
}

TEST(ConfigureQuantization, BiasesStayFloatWhereTheTargetWantsThem) {
  auto q = convolution();
  for (SlotRule* rule : q.rules(SlotRole::Bias)) rule->treatment = SlotRule::Treatment::Float;
  q.pass("configure-quantization");
  EXPECT_FALSE(q.in("conv", 2));
  EXPECT_TRUE(q.in("conv", 1));
}

TEST(ConfigureQuantization, KeepFloatTakesNamesTypesAndExpressions) {
  for (const char* pattern : {"conv", "Conv", "con.*"}) {
    auto q = convolution();
    q.setting.extra.keep_float = {pattern};
    EXPECT_EQ(q.pass("configure-quantization"), 1u) << pattern;
    EXPECT_FALSE(q.node("conv").quantized);
    EXPECT_FALSE(q.out("conv"));
    EXPECT_TRUE(q.in("relu"));
  }
  auto q = convolution();
  q.setting.extra.keep_float = {"cnov"};
  const Error error = thrown([&] { q.pass("configure-quantization"); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_THAT(error.what(), HasSubstr("'cnov'"));
  EXPECT_THAT(error.hint(), HasSubstr("conv"));
}

TEST(ConfigureQuantization, SixteenBitsWidenWhatANodeReadsAndWrites) {
  auto q = convolution();
  q.setting.extra.bits = {{"relu", 16}};
  q.pass("configure-quantization");
  EXPECT_EQ(q.in("conv", 0)->scheme.bits, 8);
  EXPECT_EQ(q.out("conv")->scheme.bits, 16) << "one tensor has one width";
  EXPECT_EQ(q.in("relu")->scheme.bits, 16);
  EXPECT_EQ(q.out("relu")->scheme.bits, 16);
  EXPECT_EQ(q.out("relu")->scheme.quant_max, 65535);
  EXPECT_EQ(q.in("conv", 1)->scheme.bits, 8) << "weights stay";
  auto both = convolution();
  both.setting.extra.bits = {{"conv", 16}, {"relu", 8}};
  both.pass("configure-quantization");
  EXPECT_EQ(both.out("conv")->scheme.bits, 16) << "the widest that its producer or a reader asks for";
  EXPECT_EQ(both.out("relu")->scheme.bits, 8);
}

/// A layer's input is what the activation before it gives, so the layer in front writes it as wide, also through data movement.
TEST(ConfigureQuantization, WhatIsComputedInOneGoHasOneWidth) {
  const auto widths = [](const std::map<std::string, int>& bits, bool fusion = true) {
    Quantizing q(
        "(float[1,2,4,4] x, float[2,2,1,1] w, float[2,2,1,1] v) => (float[1,2,2,2] z)",
        "[one] a = Conv(x, w) [relu] b = Relu(a) [pool] c = MaxPool<kernel_shape = [2,2], strides = [2,2]>(b) [two] d = Conv(c, v) "
        "[clip] z = Clip(d)",
        {"w", "v"});
    q.setting.extra.bits = bits;
    q.setting.fusion = fusion;
    q.pass("configure-quantization");
    std::vector<int> found;
    for (const char* name : {"one", "relu", "pool", "two", "clip"}) found.push_back(q.out(name)->scheme.bits);
    found.push_back(q.in("one")->scheme.bits);
    return found;
  };
  EXPECT_THAT(widths({{"two", 16}}), testing::ElementsAre(16, 16, 16, 16, 16, 8));
  EXPECT_THAT(widths({{"one", 16}}), testing::ElementsAre(16, 16, 16, 8, 8, 16));
  EXPECT_THAT(widths({{"two", 16}, {"activation:relu", 8}}), testing::ElementsAre(8, 8, 16, 16, 16, 8)) << "a pattern goes before";
  EXPECT_THAT(widths({{"activation:relu", 4}}), testing::ElementsAre(4, 4, 8, 8, 8, 8)) << "narrow ones stay where they were asked for";
  EXPECT_THAT(widths({{"two", 16}}, false), testing::ElementsAre(8, 8, 16, 16, 8, 8)) << "nothing is computed in one go";
}

TEST(ConfigureQuantization, BitsOfWeightsAndActivations) {
  auto q = convolution();
  q.setting.extra.bits = {{"conv", 4}};
  q.pass("configure-quantization");
  EXPECT_EQ(q.in("conv", 1)->scheme.bits, 4);
  EXPECT_EQ(q.in("conv", 1)->scheme.quant_max, 15);
  EXPECT_EQ(q.in("conv", 0)->scheme.bits, 8) << "4 bits speak of weights";
  auto h = convolution(QNN_HTP_INT8);
  h.setting.extra.bits = {{"weight:Conv", 16}, {"activation:conv", 4}};
  h.pass("configure-quantization");
  EXPECT_EQ(h.in("conv", 1)->scheme.quant_min, -32768);
  EXPECT_EQ(h.in("conv", 1)->scheme.quant_max, 32767);
  EXPECT_EQ(h.in("conv", 0)->scheme.quant_max, 15);
  auto bad = convolution();
  bad.setting.extra.bits = {{"conv", 5}};
  const Error error = thrown([&] { bad.pass("configure-quantization"); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_THAT(error.what(), HasSubstr("got 5, expected 4, 8 or 16"));
}

TEST(ConfigureQuantization, TheDispatchingTableHasTheLastWord) {
  auto q = convolution();
  q.node("relu").dispatch = Dispatch::Float;
  q.setting.dispatching_table = {{"conv", 0}, {"relu", 304}, {"FP32 OPERATION NAME", 0}, {"YOUR OEPRATION NAME", 1}, {"konv", -1}};
  q.pass("configure-quantization");
  EXPECT_EQ(q.node("conv").dispatch, Dispatch::Float);
  EXPECT_EQ(q.node("relu").dispatch, Dispatch::Quantized);
  ASSERT_THAT(q.warnings, SizeIs(1)) << "example rows are no names";
  EXPECT_THAT(q.warnings[0].text, testing::AllOf(HasSubstr("konv"), HasSubstr("conv")));
  q.setting.dispatching_table = {{"conv", -1}, {"relu", -2}};
  q.pass("configure-quantization");
  EXPECT_EQ(q.node("conv").dispatch, Dispatch::ShapeOrIndex);
  EXPECT_EQ(q.node("relu").dispatch, Dispatch::ByPlatform);
}

TEST(ConfigureQuantization, LeavesTheFloatNetworkAlone) {
  auto q = convolution();
  const Tensors inputs = random_inputs(*q.graph);
  const Tensors before = run_float(*q.graph, inputs);
  q.pass("configure-quantization");
  EXPECT_TENSOR(run_float(*q.graph, inputs)[0], before[0]);
  EXPECT_TENSOR(q.simulate(inputs)[0], before[0]) << "nothing has numbers yet";
}

/// By the operator's description C is broadcast to the result: a row is a bias, anything else an operand, as wide as an activation.
TEST(ConfigureQuantization, WhatGemmAddsIsABiasOrAnOperand) {
  const auto scheme_of_c = [](const std::string& c, TargetPlatform target) {
    Quantizing q("(float[4,3] x, float[4,4] computed) => (float[4,4] y) <float[3,4] w = {0,1,2,3,4,5,6,7,8,9,10,11}, " + c + ">",
                 "[gemm] y = Gemm(x, w, " + (c.starts_with("float[1] unused") ? std::string("computed") : std::string("c")) + ")", {},
                 target);
    q.pass("configure-quantization");
    return q.in("gemm", 2);
  };
  for (const char* row : {"float[4] c = {1, 2, 3, 4}", "float[1,4] c = {1, 2, 3, 4}", "float[1] c = {1}", "float c = {1}"})
    for (const auto& target : {QNN_DSP_INT8, QNN_HTP_INT8, QNN_HTP_A16W8})
      EXPECT_EQ(scheme_of_c(row, target)->state, QuantState::Passive) << row;
  for (const char* operand :
       {"float[4,1] c = {1, 2, 3, 4}", "float[4,4] c = {0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}", "float[1] unused = {1}"})
    for (const auto& [target, bits] : {std::pair{QNN_DSP_INT8, 8}, {QNN_HTP_INT8, 8}, {QNN_HTP_A16W8, 16}}) {
      const auto quant = scheme_of_c(operand, target);
      ASSERT_TRUE(quant) << operand;
      EXPECT_EQ(quant->state, QuantState::Initial) << operand;
      EXPECT_EQ(quant->scheme.bits, bits) << operand;
      EXPECT_EQ(quant->scheme.granularity, Granularity::PerTensor) << operand;
      EXPECT_FALSE(quant->scheme.symmetric) << operand;
    }
}

TEST(ConfigureQuantization, WhatHasNoElementsGetsNone) {
  Quantizing q("(float[1,4] x) => (float[1,4] y) <int64[1] at = {4}, int64[1] axis = {1}, float[1,0] nil = {}>",
               "[slice] e = Slice(x, at, at, axis) [concat] y = Concat<axis = 1>(nil, x, e)");
  q.pass("configure-quantization");
  EXPECT_FALSE(q.out("slice"));
  EXPECT_TRUE(q.in("slice"));
  EXPECT_FALSE(q.in("concat", 0) || q.in("concat", 2));
  EXPECT_TRUE(q.in("concat", 1) && q.out("concat"));
}

}  // namespace
}  // namespace ppq::test
