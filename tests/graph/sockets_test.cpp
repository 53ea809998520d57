#include "graph/sockets.h"

#include "passes/quantizing.h"

/// By spec: the ONNX operator descriptions say which inputs are shapes, axes and indices.
namespace ppq::passes {
namespace {

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

TEST(Sockets, PassiveOperatorsOnlyMoveElements) {
  for (const char* type : {"MaxPool", "Reshape", "Transpose", "Slice", "Split", "Squeeze", "DepthToSpace", "Gather"})
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

TEST(Sockets, TheOnlyReader) {
  Quantizing q("(float[2] x) => (float[2] y, float[2] b)", "[one] a = Relu(x) [two] b = Neg(a) [three] y = Add(b, x)");
  EXPECT_EQ(only_reader(*q.graph->find_value("a")), &q.node("two"));
  EXPECT_EQ(only_reader(*q.graph->find_value("b")), nullptr) << "a graph output";
  EXPECT_EQ(only_reader(*q.graph->find_value("x")), nullptr) << "two readers";
  EXPECT_EQ(only_reader(*q.graph->find_value("y")), nullptr) << "none";
}

}  // namespace
}  // namespace ppq::passes
