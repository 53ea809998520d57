#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// a = Tanh(x), b = Relu(x), then `op` over both; numbers are given by hand: a holds [-1, 1], b [0, 4], the output [-1, 5].
struct Two : Quantizing {
  explicit Two(const std::string& op, const std::string& outputs = "float[N,4] y")
      : Quantizing("(float[N,4] x) => (" + outputs + ")", "[left] a = Tanh(x) [right] b = Relu(x) " + op) {
    for (Node* n : graph->nodes()) n->quantized = true;
    const auto low = range(-1, 1), high = range(0, 4), out = range(-1, 5);
    node("left").output_quant = {low}, node("right").output_quant = {high};
    node("op").input_quant = {low, high}, node("op").output_quant = {out};
  }
  static TensorQuantPtr range(double low, double high) {
    const PlainRange numbers(low, high);
    return active(numbers.scale, numbers.offset);
  }
};

void expect_range(const TensorQuantPtr& quant, double low, double high) {
  const PlainRange expected(low, high);
  ASSERT_TRUE(quant);
  EXPECT_NEAR(scale_of(quant), expected.scale, 1e-6 * expected.scale);
  EXPECT_EQ(offset_of(quant), expected.offset);
}

TEST(AlignQuantization, ToLargeHoldsAllInputs) {
  for (const char* op : {"[op] y = Add(a, b)", "[op] y = Sub(a, b)", "[op] y = Sum(a, b)"}) {
    SCOPED_TRACE(op);
    Two q(op);
    const auto out = q.out("op");
    EXPECT_EQ(q.pass("align-quantization"), 1u);
    const auto both = q.in("op", 0);
    EXPECT_EQ(q.in("op", 1), both);
    EXPECT_EQ(q.out("left"), both) << "producers too: a tensor is rounded once";
    EXPECT_EQ(q.out("right"), both);
    // The real range of [-1, 1] in uint8 steps: zero is a step, so one end moves by less than a step.
    expect_range(both, -128 * (2.0 / 255), 4);
    EXPECT_EQ(q.out("op"), out);
    expect_range(out, -1, 5);
  }
}

TEST(AlignQuantization, ARangeThatHoldsTheOthersStaysBitForBit) {
  for (int i = 0; i < 100; ++i) {
    Two q("[op] y = Add(a, b)");
    const auto wide = active(0.03 + 0.0007 * i, 90 + i % 7);
    q.node("right").output_quant = {wide}, q.node("op").input_quant[1] = wide;
    const float scale = wide->params.scale.item<float>();
    const double offset = offset_of(wide);
    q.pass("align-quantization");
    EXPECT_EQ(q.in("op", 0), q.in("op", 1));
    EXPECT_EQ(q.in("op", 0)->params.scale.item<float>(), scale);
    EXPECT_EQ(offset_of(q.in("op", 0)), offset);
  }
}

TEST(AlignQuantization, ToOutputTakesTheOutputsNumbers) {
  Two q("[op] y = Concat<axis=1>(a, b)", "float[N,8] y");
  const auto out = q.out("op");
  EXPECT_EQ(q.pass("align-quantization"), 1u);
  for (const auto& quant : {q.in("op", 0), q.in("op", 1), q.out("left"), q.out("right")}) EXPECT_EQ(quant, q.out("op"));
  expect_range(q.out("op"), -1, 5);
  EXPECT_FLOAT_EQ(scale_of(q.out("op")), scale_of(out));
}

TEST(AlignQuantization, NoneAndOtherOperatorsDoNothing) {
  Two product("[op] y = Mul(a, b)");
  EXPECT_EQ(product.pass("align-quantization"), 0u);
  EXPECT_NE(product.in("op", 0), product.in("op", 1));
  Two off("[op] y = Add(a, b)");
  off.setting.fusion_setting.align_elementwise_to = "None";
  EXPECT_EQ(off.pass("align-quantization"), 0u);
  Two concat("[op] y = Concat<axis=1>(a, b)", "float[N,8] y");
  concat.setting.fusion_setting.align_concat_to = "None";
  EXPECT_EQ(concat.pass("align-quantization"), 0u);
  Two not_quantized("[op] y = Add(a, b)");
  not_quantized.node("op").quantized = false;
  EXPECT_EQ(not_quantized.pass("align-quantization"), 0u);
}

TEST(AlignQuantization, WhatMustNotMoveStays) {
  struct Case {
    const char* why;
    std::function<void(TensorQuant&)> change;
  };
  for (const Case& c : std::vector<Case>{{"a fixed range (Sigmoid, an encodings file)", [](TensorQuant& q) { q.fixed = true; }},
                                         {"not calibrated", [](TensorQuant& q) { q.state = QuantState::Initial; }},
                                         {"a minifloat", [](TensorQuant& q) { q.scheme.format = NumberFormat::Floating; }},
                                         {"another width", [](TensorQuant& q) { q.scheme.quant_max = 65535; }}}) {
    SCOPED_TRACE(c.why);
    Two q("[op] y = Add(a, b)");
    const auto right = q.in("op", 1);
    c.change(*right);
    EXPECT_EQ(q.pass("align-quantization"), 0u);
    EXPECT_EQ(q.in("op", 1), right);
    expect_range(right, 0, 4);
    expect_range(q.in("op", 0), -1, 1);
  }
  Two half("[op] y = Add(a, b)");
  half.node("op").input_quant[1] = nullptr;
  EXPECT_EQ(half.pass("align-quantization"), 0u) << "a float input stays float";
  EXPECT_FALSE(half.in("op", 1));
}

TEST(AlignQuantization, ConstantsKeepTheirOwn) {
  Quantizing q("(float[N,4] x) => (float[N,4] y) <float[4] k = {1, 2, 3, 4}>", "[op] y = Add(x, k)");
  q.node("op").quantized = true;
  q.node("op").input_quant = {Two::range(-1, 1), Two::range(0, 4)};
  q.node("op").output_quant = {Two::range(-1, 5)};
  EXPECT_EQ(q.pass("align-quantization"), 0u);
  expect_range(q.in("op", 1), 0, 4);
}

TEST(AlignQuantization, GroupsThatTouchAreOneGroup) {
  Quantizing q("(float[N,4] x) => (float[N,4] y, float[N,4] z)",
               "[l] a = Tanh(x) [m] b = Relu(x) [r] c = Abs(x) [one] y = Add(a, b) [two] z = Add(b, c)");
  for (Node* n : q.graph->nodes()) n->quantized = true;
  const auto a = Two::range(-1, 0), b = Two::range(0, 4), c = Two::range(0, 9);
  q.node("l").output_quant = {a}, q.node("m").output_quant = {b}, q.node("r").output_quant = {c};
  q.node("one").input_quant = {a, b}, q.node("two").input_quant = {b, c};
  q.node("one").output_quant = {Two::range(0, 1)}, q.node("two").output_quant = {Two::range(0, 1)};
  EXPECT_EQ(q.pass("align-quantization"), 1u);
  for (const auto& quant : {q.in("one", 0), q.in("one", 1), q.in("two", 0), q.in("two", 1), q.out("l"), q.out("m"), q.out("r")}) {
    EXPECT_EQ(quant, q.in("one", 0));
    expect_range(quant, -1, 9);
  }
}

TEST(AlignQuantization, OfOutputsInARowTheLastDecides) {
  Quantizing q("(float[N,4] x) => (float[N,12] y)",
               "[l] a = Tanh(x) [m] b = Relu(x) [one] c = Concat<axis = 1>(a, b) [two] y = Concat<axis = 1>(c, a)");
  for (Node* n : q.graph->nodes()) n->quantized = true;
  const auto a = Two::range(-1, 1), b = Two::range(0, 4), c = Two::range(-4, 4), y = Two::range(-1, 0);
  q.node("l").output_quant = {a}, q.node("m").output_quant = {b};
  q.node("one").input_quant = {a, b}, q.node("one").output_quant = {c};
  q.node("two").input_quant = {c, a}, q.node("two").output_quant = {y};
  EXPECT_EQ(q.pass("align-quantization"), 1u);
  for (const auto& quant : {q.out("l"), q.out("m"), q.in("one", 0), q.out("one"), q.in("two", 1), q.out("two")}) {
    EXPECT_EQ(quant, q.out("two"));
    expect_range(quant, -1, 0);
  }
}

TEST(AlignQuantization, ReachesThroughDataMovementToTheProducer) {
  Quantizing q("(float[1,2,4,4] x) => (float[1,2,2,2] y)",
               "[t] a = Tanh(x) [pool] p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a) [h] h = MaxPool<kernel_shape=[2,2], "
               "strides=[2,2]>(x) [op] y = Add(p, h)");
  for (Node* n : q.graph->nodes()) n->quantized = true;
  const auto a = Two::range(-1, 0), x = Two::range(0, 4);
  q.node("t").output_quant = {a}, q.node("pool").input_quant = {a}, q.node("pool").output_quant = {a};
  q.node("h").input_quant = {x}, q.node("h").output_quant = {x};
  q.node("op").input_quant = {a, x}, q.node("op").output_quant = {Two::range(-1, 4)};
  EXPECT_EQ(q.pass("align-quantization"), 1u);
  for (const auto& quant : {q.out("t"), q.in("pool"), q.out("pool"), q.in("h"), q.out("h")}) EXPECT_EQ(quant, q.in("op", 0));
  expect_range(q.in("op", 0), -1, 4);
}

TEST(AlignQuantization, WithoutForceOtherReadersKeepTheirs) {
  Two q("[op] y = Add(a, b) [other] z = Abs(b)", "float[N,4] y, float[N,4] z");
  const auto right = q.out("right");
  q.node("other").input_quant = {right};
  q.setting.fusion_setting.force_alignment_overlap = false;
  q.pass("align-quantization");
  EXPECT_EQ(q.in("op", 0), q.in("op", 1));
  EXPECT_EQ(q.in("other"), q.out("right"));
  expect_range(q.in("other"), 0, 4);
}

/// The other reader is one step up, in front of what only moves elements.
TEST(AlignQuantization, WithoutForceOtherReadersBeforeDataMovementKeepTheirs) {
  for (const bool force : {false, true}) {
    Quantizing q(
        "(float[1,4] x) => (float[4,1] y, float[1,4] z)",
        "[left] a = Tanh(x) [turn] t = Transpose(a) [right] b = Abs(x) [turn2] u = Transpose(b) [op] y = Add(t, u) [other] z = Abs(a)");
    for (Node* n : q.graph->nodes()) n->quantized = true;
    const auto a = Two::range(-1, 1), b = Two::range(0, 4);
    q.node("left").output_quant = {a}, q.node("turn").input_quant = {a}, q.node("turn").output_quant = {a};
    q.node("right").output_quant = {b}, q.node("turn2").input_quant = {b}, q.node("turn2").output_quant = {b};
    q.node("other").input_quant = {a};
    q.node("op").input_quant = {a, b}, q.node("op").output_quant = {Two::range(-1, 5)};
    q.setting.fusion_setting.force_alignment_overlap = force;
    EXPECT_EQ(q.pass("align-quantization"), 1u);
    EXPECT_EQ(q.in("op", 0), q.in("op", 1));
    EXPECT_EQ(q.in("other"), q.out("left"));
    EXPECT_EQ(q.in("other") == q.in("op", 0), force);
    if (!force) expect_range(q.in("other"), -1, 1);
  }
}

struct Mode {
  const char *op, *field, *word;
  double low, high;  ///< of the first input then
  bool both;         ///< the inputs share a scale
  bool output;       ///< so do input and output
};

/// Every word that PPQ has for every group: a holds [-1, 1], b [0, 4], the output [-1, 5].
TEST(AlignQuantization, EveryWordOfEveryGroup) {
  for (const Mode& mode : std::vector<Mode>{{"Add(a, b)", "elementwise", "None", -1, 1, false, false},
                                            {"Add(a, b)", "elementwise", "Align to Large", -128 * (2.0 / 255), 4, true, false},
                                            {"Sub(a, b)", "elementwise", "Align to Output", -1, 5, true, true},
                                            {"Concat<axis = 1>(a, b)", "concat", "None", -1, 1, false, false},
                                            {"Concat<axis = 1>(a, b)", "concat", "Align to Large", -128 * (2.0 / 255), 4, true, false},
                                            {"Concat<axis = 1>(a, b)", "concat", "Align to Output", -1, 5, true, true},
                                            {"GlobalAveragePool(a)", "pooling", "None", -1, 1, false, false},
                                            {"GlobalAveragePool(a)", "pooling", "Align to Input", -1, 1, false, true},
                                            {"AveragePool<kernel_shape = [1, 1]>(a)", "pooling", "Align to Output", -1, 5, false, true},
                                            {"Resize(a, , k)", "resize", "None", -1, 1, false, false},
                                            {"Resize(a, , k)", "resize", "Align to Input", -1, 1, false, true},
                                            {"Resize(a, , k)", "resize", "Align to Output", -1, 5, false, true}}) {
    SCOPED_TRACE(std::string(mode.op) + ", " + mode.word);
    Quantizing q("(float[1,2,4,4] x) => (float[n0,n1,n2,n3] y) <float[4] k = {1, 1, 2, 2}>",
                 "[left] a = Tanh(x) [right] b = Relu(x) [op] y = " + std::string(mode.op));
    for (Node* n : q.graph->nodes()) n->quantized = true;
    const auto a = Two::range(-1, 1), b = Two::range(0, 4);
    q.node("left").output_quant = {a}, q.node("right").output_quant = {b};
    Node& op = q.node("op");
    op.input_quant.assign(op.inputs().size(), nullptr);
    op.input_quant[0] = a;
    const bool two = op.inputs().size() == 2;
    if (two) op.input_quant[1] = b;
    op.output_quant = {Two::range(-1, 5)};
    FusionSetting& fusion = q.setting.fusion_setting;
    fusion.align_elementwise_to = fusion.align_concat_to = fusion.align_avgpooling_to = fusion.align_resize_to = "None";
    for (auto& [name, field] : {std::pair{"elementwise", &fusion.align_elementwise_to},
                                {"concat", &fusion.align_concat_to},
                                {"pooling", &fusion.align_avgpooling_to},
                                {"resize", &fusion.align_resize_to}})
      if (std::string(name) == mode.field) *field = mode.word;
    EXPECT_EQ(q.pass("align-quantization"), std::string(mode.word) == "None" ? 0u : 1u);
    expect_range(q.in("op", 0), mode.low, mode.high);
    EXPECT_EQ(q.in("op", 0), q.out("left")) << "the producer follows";
    EXPECT_EQ(two && q.in("op", 0) == q.in("op", 1), mode.both);
    EXPECT_EQ(q.in("op", 0) == q.out("op"), mode.output);
    if (!mode.output) expect_range(q.out("op"), -1, 5);
  }
}

TEST(AlignQuantization, PoolingAndResizeAsAsked) {
  for (const auto& [text, expected] : {std::pair{"None", 0}, {"Align to Input", 1}, {"Align to Output", 1}}) {
    SCOPED_TRACE(text);
    Quantizing q("(float[1,2,4,4] x) => (float[1,2,1,1] y)", "[pool] y = GlobalAveragePool(x)");
    q.node("pool").quantized = true;
    q.node("pool").input_quant = {Two::range(-1, 3)}, q.node("pool").output_quant = {Two::range(0, 1)};
    q.setting.fusion_setting.align_avgpooling_to = text;
    EXPECT_EQ(q.pass("align-quantization"), static_cast<size_t>(expected));
    const bool one = q.in("pool") == q.out("pool");
    EXPECT_EQ(one, expected == 1);
    if (std::string(text) == "Align to Input") expect_range(q.out("pool"), -1, 3);
    if (std::string(text) == "Align to Output") expect_range(q.in("pool"), 0, 1);
  }
  Quantizing q("(float[1,2,4,4] x) => (float[1,2,8,8] y) <float[4] s = {1, 1, 2, 2}>", "[r] y = Resize(x, , s)");
  q.node("r").quantized = true;
  q.node("r").input_quant = {Two::range(-1, 3), nullptr, nullptr}, q.node("r").output_quant = {Two::range(-2, 1)};
  EXPECT_EQ(q.pass("align-quantization"), 1u);
  EXPECT_EQ(q.in("r"), q.out("r"));
  expect_range(q.in("r"), -2, 1);
}

TEST(AlignQuantization, SymmetricRangesNest) {
  Two q("[op] y = Add(a, b)");
  for (const auto& quant : {q.in("op", 0), q.in("op", 1)})
    quant->scheme.symmetric = true, quant->scheme.quant_min = -128, quant->scheme.quant_max = 127;
  q.in("op", 0)->params = {at::scalar_tensor(0.01f), at::scalar_tensor(0.0f)};
  q.in("op", 1)->params = {at::scalar_tensor(0.03f), at::scalar_tensor(0.0f)};
  q.pass("align-quantization");
  EXPECT_EQ(q.in("op", 0), q.in("op", 1));
  EXPECT_FLOAT_EQ(scale_of(q.in("op", 0)), 0.03f) << "the larger scale as it is";
  EXPECT_EQ(offset_of(q.in("op", 0)), 0);
}

TEST(AlignQuantization, WrongWordsAreUsageErrors) {
  for (const auto& [word, hint] : {std::pair{"Align to Moon", "choose"}, {"Align to Input", ""}}) {
    Two q("[op] y = Add(a, b)");
    q.setting.fusion_setting.align_elementwise_to = word;
    const Error error = thrown([&] { q.pass("align-quantization"); });
    EXPECT_EQ(error.kind(), ErrorKind::Usage) << word;
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("align_elementwise_to"), HasSubstr(word)));
    EXPECT_THAT(error.hint(), HasSubstr(hint));
  }
}

/// [-1, 1] beside [0, 40] in 8 bits: 20 times as wide, 12 steps are left.
TEST(AlignQuantization, PartsThatLoseTheirStepsAreNamed) {
  Two q("[op] y = Concat<axis = 1>(a, b)", "float[N,8] y");
  q.node("right").output_quant = {Two::range(0, 40)}, q.node("op").input_quant[1] = q.out("right");
  q.node("op").output_quant = {Two::range(-1, 40)};
  q.pass("align-quantization");
  ASSERT_THAT(q.warnings, SizeIs(1));
  const Warning& warning = q.warnings[0];
  EXPECT_EQ(warning.code, "concat-ranges");
  EXPECT_THAT(warning.tensors, testing::ElementsAre("y", "b", "a"));
  EXPECT_NEAR(warning.figures.at("ratio"), 20, 0.1);
  EXPECT_NEAR(warning.figures.at("steps"), 255 / 20.0, 0.1);
  EXPECT_EQ(warning.remedy, "--keep-float 'op'");
  EXPECT_THAT(warning.text, HasSubstr("try --split-output 'y', --keep-float 'op', or --bits 'op=16'"));
}

/// What moves the elements on is named once, whichever way it is reached: here 2^30 ways.
TEST(AlignQuantization, TheRemedyNamesEachNodeOnce) {
  std::string body = "[op] c0 = Concat<axis = 1>(a, b) ";
  for (int i = 0; i < 30; ++i) {
    const std::string n = std::to_string(i), to = i < 29 ? "c" + std::to_string(i + 1) : "y";
    body += "[s" + n + "] p" + n + ", q" + n + " = Split<axis = 1>(c" + n + ") [j" + n + "] " + to + " = Concat<axis = 1>(p" + n + ", q" +
            n + ") ";
  }
  Two q(body, "float[N,8] y");
  for (Node* node : q.graph->nodes()) node->quantized = true;
  q.node("right").output_quant = {Two::range(0, 40)}, q.node("op").input_quant[1] = q.out("right");
  q.node("op").output_quant = {Two::range(-1, 40)};
  q.pass("align-quantization");
  ASSERT_THAT(q.warnings, testing::Not(testing::IsEmpty()));
  const std::string& remedy = q.warnings[0].remedy;
  EXPECT_THAT(remedy, testing::StartsWith("--keep-float 'op' --keep-float 's0'"));
  size_t named = 0;
  for (size_t at = 0; (at = remedy.find("--keep-float", at)) != std::string::npos; ++at) ++named;
  EXPECT_EQ(named, 61u);
}

TEST(AlignQuantization, PartsOfLikeRangesAndOfNothingAreNot) {
  for (const double high : {30.0, 1e-5}) {
    Two q("[op] y = Concat<axis = 1>(a, b)", "float[N,8] y");
    q.node("right").output_quant = {Two::range(0, high)}, q.node("op").input_quant[1] = q.out("right");
    if (high < 1) q.out("right")->scheme.min_range = 1e-4;
    q.pass("align-quantization");
    EXPECT_THAT(q.warnings, IsEmpty()) << high;
  }
}

}  // namespace
}  // namespace ppq::test
