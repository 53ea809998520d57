#include "ops/op_facts.h"

#include <map>

#include "ops/op.h"

#include "passes/quantizing.h"

namespace ppq {
namespace {

std::string label(const ops::OpRow& row) { return std::string(row.domain) + "." + row.type + " " + std::to_string(row.since); }

bool same(const OpFacts& a, const OpFacts& b) {
  return a.kind == b.kind && a.inputs == b.inputs && a.outputs == b.outputs && a.traits.weight_axis == b.traits.weight_axis &&
         a.traits.channel_axis == b.traits.channel_axis && a.traits.scale_free == b.traits.scale_free &&
         a.traits.random == b.traits.random && a.traits.moves_if == b.traits.moves_if;
}

TEST(OpFacts, EveryOperatorStatesThem) {
  for (const ops::OpRow& row : ops::all_ops()) {
    const OpFacts& facts = row.facts;
    EXPECT_EQ(facts.inputs.find_first_not_of("dwblfs"), std::string_view::npos) << label(row) << ": inputs " << facts.inputs;
    EXPECT_EQ(facts.outputs.find_first_not_of("dfs"), std::string_view::npos) << label(row) << ": outputs " << facts.outputs;
    EXPECT_FALSE(facts.outputs.empty()) << label(row);
    const bool layer = facts.kind == OpKind::Layer, weight = facts.inputs.find('w') != std::string_view::npos;
    EXPECT_EQ(layer, weight) << label(row) << ": layers, and only they, have weights";
    EXPECT_EQ(layer, facts.traits.weight_axis != nullptr) << label(row);
    EXPECT_EQ(layer, facts.traits.channel_axis == 1 || facts.traits.channel_axis == -1) << label(row);
    EXPECT_TRUE(!facts.traits.moves_if || facts.kind == OpKind::Movement) << label(row);
    if (facts.kind == OpKind::Movement || facts.kind == OpKind::Activation) {
      EXPECT_TRUE(facts.inputs.starts_with('d') && facts.outputs.starts_with('d')) << label(row) << ": from data to data";
    }
  }
}

TEST(OpFacts, WhatTheExecutorKeepsOnTheHostIsNoData) {
  for (const ops::OpRow& row : ops::all_ops())
    for (size_t i = 0; i < 32; ++i)
      if (row.host_inputs >> i & 1) {
        EXPECT_NE(std::string_view("lfs").find(row.facts.inputs[std::min(i, row.facts.inputs.size() - 1)]), std::string_view::npos)
            << label(row) << ": input " << i;
      }
}

TEST(OpFacts, AreTheSameInEveryVersion) {
  std::map<std::pair<std::string, std::string>, ops::OpRow> first;
  for (const ops::OpRow& row : ops::all_ops()) {
    const auto [place, fresh] = first.emplace(std::pair{std::string(row.domain), std::string(row.type)}, row);
    EXPECT_TRUE(same(place->second.facts, row.facts)) << label(row) << " and " << label(place->second);
  }
}

TEST(OpFacts, WithoutAKernelNothingIsKnown) {
  Graph graph;
  const OpFacts& facts = op_facts(*graph.add_node("Wobble", "node", {}, {}));
  EXPECT_EQ(facts.kind, OpKind::Computation);
  EXPECT_EQ(facts.inputs, "d");
}

// By spec: the ONNX operator descriptions say which inputs are shapes, axes and indices.

using test::Quantizing;

/// A node of any type, with as many inputs and outputs as wanted.
struct Bare {
  Graph graph;
  Node* node;
  Bare(const std::string& type, size_t inputs = 5, size_t outputs = 2) {
    std::vector<Value*> in, out;
    for (size_t i = 0; i < inputs; ++i) in.push_back(graph.add_value("x" + std::to_string(i)));
    for (size_t i = 0; i < outputs; ++i) out.push_back(graph.add_value("y" + std::to_string(i)));
    node = graph.add_node(type, "node", in, out);
  }
};

std::string letters(const std::string& type, size_t inputs) {
  Bare bare(type, inputs);
  std::string text;
  auto letter = [](Socket s) { return s == Socket::Quantizable ? 'q' : s == Socket::Float ? 'f' : 's'; };
  for (size_t i = 0; i < inputs; ++i) text += letter(input_socket(*bare.node, i));
  text += '>';
  for (size_t i = 0; i < 2; ++i) text += letter(output_socket(*bare.node, i));
  return text;
}

TEST(Sockets, OfOperatorsWithShapesAndIndices) {
  for (const auto& [type, inputs, expected] : std::vector<std::tuple<const char*, size_t, const char*>>{
           {"Reshape", 2, "qs>qq"},        {"Gather", 2, "qf>qq"},     {"Resize", 4, "qsss>qq"},
           {"Split", 2, "qs>qq"},          {"TopK", 2, "qs>qf"},       {"Tile", 2, "qs>qq"},
           {"Expand", 2, "qs>qq"},         {"RoiAlign", 3, "qfs>qq"},  {"Clip", 3, "qff>qq"},
           {"ConstantOfShape", 1, "s>qq"}, {"NonZero", 1, "q>ff"},     {"Range", 3, "sss>qq"},
           {"Shape", 1, "q>ss"},           {"Slice", 5, "qssss>qq"},   {"Squeeze", 2, "qs>qq"},
           {"Unsqueeze", 2, "qs>qq"},      {"Where", 3, "fqq>qq"},     {"Equal", 2, "qq>ff"},
           {"ScatterND", 3, "qfq>qq"},     {"Pad", 4, "qsfs>qq"},      {"MaxPool", 1, "q>qf"},
           {"Dropout", 3, "qfs>qf"},       {"ReduceMean", 2, "qs>qq"}, {"NonMaxSuppression", 5, "qqsff>ff"},
           {"Conv", 3, "qqq>qq"},          {"Add", 2, "qq>qq"}})
    EXPECT_EQ(letters(type, inputs), expected) << type;
}

TEST(Sockets, AnotherDomainsOperatorIsAnother) {
  Bare bare("Reshape");
  bare.node->domain = "made.up";
  EXPECT_EQ(input_socket(*bare.node, 1), Socket::Quantizable);
  bare.node->domain = "ai.onnx";
  EXPECT_EQ(input_socket(*bare.node, 1), Socket::ShapeOrIndex);
}

TEST(Sockets, ElementsTravelThroughDataInputsOnly) {
  EXPECT_TRUE(carries_value(*Bare("Reshape").node, 0));
  EXPECT_FALSE(carries_value(*Bare("Reshape").node, 1));
  EXPECT_TRUE(carries_value(*Bare("ScatterND").node, 2));
  EXPECT_FALSE(carries_value(*Bare("ScatterND").node, 1));
  for (const char* type : {"Shape", "Size", "ConstantOfShape", "NonMaxSuppression", "ArgMax"})
    EXPECT_FALSE(carries_value(*Bare(type).node, 0)) << type;
}

TEST(Sockets, ComputingOperatorsHaveWeights) {
  for (const char* type : {"Conv", "ConvTranspose", "Gemm", "MatMul"}) EXPECT_TRUE(is_computing(*Bare(type).node)) << type;
  for (const char* type : {"Add", "Relu", "MaxPool"}) EXPECT_FALSE(is_computing(*Bare(type).node)) << type;
}

TEST(Sockets, WeightsAndBiasesOfLayers) {
  for (const char* type : {"Conv", "ConvTranspose", "Gemm"}) {
    Bare bare(type);
    bare.graph.make_constant(bare.node->input(2), at::ones({5}));
    EXPECT_FALSE(is_weight(*bare.node, 0)) << type;
    EXPECT_TRUE(is_weight(*bare.node, 1)) << type;
    EXPECT_FALSE(is_weight(*bare.node, 2)) << type;
    EXPECT_TRUE(is_bias(*bare.node, 2)) << type;
    EXPECT_FALSE(is_bias(*bare.node, 1)) << type;
    EXPECT_TRUE(takes_bias(*bare.node)) << type;
  }
  Bare product("MatMul"), add("Add");
  EXPECT_TRUE(is_weight(*product.node, 0) && is_weight(*product.node, 1)) << "of either side";
  EXPECT_FALSE(takes_bias(*product.node));
  EXPECT_FALSE(is_weight(*add.node, 1) || is_bias(*add.node, 2) || takes_bias(*add.node));
}

/// What a matrix product adds broadcasts like the operands of Add: only one number a column is a bias.
TEST(Sockets, WhatGemmAddsIsABiasOrAnOperand) {
  const auto adds = [](const at::Tensor& constant, const char* type = "Gemm") {
    Bare bare(type, 3, 1);
    if (constant.defined()) bare.graph.make_constant(bare.node->input(2), constant);
    EXPECT_EQ(is_bias(*bare.node, 2) && constant.defined(), takes_bias(*bare.node));
    return is_bias(*bare.node, 2);
  };
  for (const at::IntArrayRef sizes : std::vector<std::vector<int64_t>>{{}, {1}, {4}, {1, 1}, {1, 4}})
    EXPECT_TRUE(adds(at::ones(sizes))) << sizes;
  for (const at::IntArrayRef sizes : std::vector<std::vector<int64_t>>{{4, 1}, {4, 4}, {2, 4}})
    EXPECT_FALSE(adds(at::ones(sizes))) << sizes;
  EXPECT_FALSE(adds({})) << "computed at run time";
  EXPECT_TRUE(adds({}, "Conv")) << "there it can be nothing else";
  EXPECT_TRUE(takes_bias(*Bare("Gemm", 2, 1).node)) << "it could have one";
}

TEST(Sockets, AxesOfOutputChannels) {
  const auto axis = [](const std::string& type, at::IntArrayRef sizes, int64_t transposed = 0, size_t input = 1) {
    Bare bare(type);
    for (size_t i : {0u, 1u}) bare.graph.make_constant(bare.graph.find_value("x" + std::to_string(i)), at::zeros(sizes));
    bare.node->attributes.set("transB", transposed);
    return weight_channel_axis(*bare.node, input);
  };
  EXPECT_EQ(axis("Conv", {8, 3, 1, 1}), 0);
  EXPECT_EQ(axis("ConvTranspose", {3, 8, 1, 1}), 1);
  EXPECT_EQ(axis("Gemm", {3, 8}), 1);
  EXPECT_EQ(axis("Gemm", {8, 3}, 1), 0);
  EXPECT_EQ(axis("MatMul", {2, 3, 8}), 2);
  EXPECT_EQ(axis("MatMul", {8}), 0);
  EXPECT_EQ(axis("MatMul", {2, 3}, 0, 0), 1) << "a weight on the left";
  EXPECT_EQ(axis("Gemm", {3, 8}, 0, 0), 0) << "no weight";
  EXPECT_EQ(axis("Add", {3, 8}), 0) << "no layer";
  EXPECT_EQ(output_channel_axis(*Bare("Conv").node, 4), 1);
  EXPECT_EQ(output_channel_axis(*Bare("ConvTranspose").node, 3), 1);
  EXPECT_EQ(output_channel_axis(*Bare("Gemm").node, 2), 1);
  EXPECT_EQ(output_channel_axis(*Bare("MatMul").node, 4), 3);
  for (const char* type : {"Gemm", "MatMul"}) EXPECT_TRUE(is_matrix_product(*Bare(type).node)) << type;
  for (const char* type : {"Conv", "Add"}) EXPECT_FALSE(is_matrix_product(*Bare(type).node)) << type;
}

TEST(Sockets, LimitsFollowTheData) {
  EXPECT_TRUE(is_limit(*Bare("Clip").node, 1) && is_limit(*Bare("Clip").node, 2) && is_limit(*Bare("Pad").node, 2));
  EXPECT_FALSE(is_limit(*Bare("Clip").node, 0) || is_limit(*Bare("Pad").node, 1) || is_limit(*Bare("Pad").node, 3));
  EXPECT_FALSE(is_limit(*Bare("Add").node, 1));
}

TEST(Sockets, Activations) {
  for (const char* type : {"Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Swish",
                           "Tanh", "Softplus", "Gelu", "Mish"})
    EXPECT_TRUE(is_activation(*Bare(type).node)) << type;
  for (const char* type : {"Softmax", "Add", "MaxPool", "Conv", "Dropout"}) EXPECT_FALSE(is_activation(*Bare(type).node)) << type;
  Bare bare("FastGelu");
  EXPECT_FALSE(is_activation(*bare.node));
  bare.node->domain = "com.microsoft";
  EXPECT_TRUE(is_activation(*bare.node));
}

TEST(Sockets, OperatorsOfOtherDomainsHaveTheirs) {
  Bare sampler("grid_sampler");
  sampler.node->domain = "mmcv";
  EXPECT_EQ(input_socket(*sampler.node, 1), Socket::Float);
}

/// s > 0 times a channel in, s times it out: on numbers.
TEST(Sockets, ScaleFreeOperatorsAre) {
  const at::Tensor x = at::randn({2, 3, 4, 4}), s = at::tensor({0.5f, 4.0f, 2.0f}).view({1, 3, 1, 1});
  for (const ops::OpRow& row : ops::all_ops()) {
    if (!row.facts.traits.scale_free) continue;
    Bare bare(row.type, 1, 1);
    if (std::string(row.type).ends_with("Pool") && !std::string(row.type).starts_with("Global"))
      bare.node->attributes.set("kernel_shape", std::vector<int64_t>{2, 2});
    const auto kernel = row.make({*bare.node, 20});
    const auto run = [&](const at::Tensor& input) {
      std::vector<at::Tensor> in{input.clone()}, out(1);
      if (std::string(row.type) == "PRelu") in.push_back(at::full({3, 1, 1}, 0.25f));
      kernel(in, out);
      return out[0];
    };
    EXPECT_TRUE(at::allclose(run(x * s), run(x) * s)) << row.type;
    EXPECT_TRUE(is_scale_free(*bare.node)) << row.type;
  }
  for (const char* type : {"Sigmoid", "Clip", "Add", "Softmax"}) EXPECT_FALSE(is_scale_free(*Bare(type).node)) << type;
}

TEST(Sockets, RandomNumbers) {
  for (const char* type : {"RandomNormal", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout"})
    EXPECT_TRUE(is_random(*Bare(type).node)) << type;
  EXPECT_FALSE(is_random(*Bare("Add").node));
}

TEST(Sockets, PassiveOperatorsOnlyMoveElements) {
  for (const char* type : {"MaxPool", "Reshape", "Transpose", "Slice", "Split", "Squeeze", "DepthToSpace", "Gather", "GlobalMaxPool",
                           "Identity", "Dropout", "Expand", "Tile", "Compress", "TopK"})
    EXPECT_TRUE(is_passive(*Bare(type).node)) << type;
  for (const char* type : {"AveragePool", "Add", "Relu", "Concat", "Conv"}) EXPECT_FALSE(is_passive(*Bare(type).node)) << type;
  Bare nearest("Resize"), linear("Resize");
  linear.node->attributes.set("mode", std::string("linear"));
  EXPECT_TRUE(is_passive(*nearest.node)) << "nearest is the default";
  EXPECT_FALSE(is_passive(*linear.node)) << "interpolation makes new numbers";
}

TEST(Sockets, PaddingWithZeroIsPassiveWithOthersNot) {
  for (const auto& [fill, passive] : {std::pair{"0", true}, {"1.5", false}}) {
    Quantizing q("(float[1,4] x) => (float[1,6] y) <int64[4] p = {0,1,0,1}, float v = {" + std::string(fill) + "}>",
                 "[pad] y = Pad(x, p, v)");
    EXPECT_EQ(is_passive(q.node("pad")), passive) << fill;
    q.node("pad").attributes.set("mode", std::string("reflect"));
    EXPECT_TRUE(is_passive(q.node("pad"))) << "the value is not used";
  }
  Bare old("Pad", 1, 1);
  old.node->attributes.set("value", 1.5f);
  EXPECT_FALSE(is_passive(*old.node)) << "an attribute before opset 11";
  Quantizing run_time("(float[1,4] x, float v) => (float[1,6] y) <int64[4] p = {0,1,0,1}>", "[pad] y = Pad(x, p, v)");
  EXPECT_FALSE(is_passive(run_time.node("pad")));
}

TEST(Sockets, FloatTypes) {
  Graph graph;
  Value* value = graph.add_value("v");
  for (DataType dtype : {DataType::Undefined, DataType::Float, DataType::Float16, DataType::BFloat16}) {
    value->dtype = dtype;
    EXPECT_TRUE(may_be_float(*value)) << name_of(dtype);
  }
  for (DataType dtype : {DataType::Int64, DataType::Bool, DataType::UInt8, DataType::String}) {
    value->dtype = dtype;
    EXPECT_FALSE(may_be_float(*value)) << name_of(dtype);
  }
}

}  // namespace
}  // namespace ppq
