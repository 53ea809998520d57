#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/graph.h"
#include "ppq/onnx.h"

namespace ppq {
namespace {

constexpr const char* kModel = R"(<ir_version: 8, opset_import: ["" : 17]>
  g (float[N,4] x, bool go) => (float[N,4] y) <float[4] k = {1, 2, 3, 4}> {
    a = Relu(x)
    b = Add(a, k)
    y = If (go) <then_branch = t () => (float[N,4] p) { p = Mul(b, k) }, else_branch = e () => (float[N,4] q) { q = Neg(b) }>
  })";

TEST(Clone, IsTheSameModel) {
  auto graph = read_onnx_text(kModel);
  graph->producer_name = "someone";
  graph->metadata = {{"key", "value"}};
  auto copy = graph->clone();
  copy->verify();
  EXPECT_EQ(write_onnx_bytes(*copy), write_onnx_bytes(*graph));
}

TEST(Clone, SharesNothingThatIsChanged) {
  auto graph = read_onnx_text(kModel);
  const std::string before = write_onnx_bytes(*graph);
  auto copy = graph->clone();
  for (Value* value : copy->values())
    for (Value* original : graph->values()) ASSERT_NE(value, original);
  Node* branch = nullptr;
  for (Node* node : copy->nodes())
    if (node->is("If")) branch = node;
  ASSERT_NE(branch, nullptr);
  branch->attributes.get_graph("then_branch")->nodes()[0]->op_type = "Div";
  copy->find_value("k")->set_constant(at::zeros({4}));
  copy->rename(copy->find_value("a"), "renamed");
  copy->nodes()[0]->attributes.set("extra", int64_t{1});
  copy->nodes()[0]->dispatch = Dispatch::Float;
  EXPECT_EQ(write_onnx_bytes(*graph), before);
  EXPECT_EQ(graph->nodes()[0]->dispatch, Dispatch::ByPlatform);
}

TEST(Clone, QuantizationsAreCopiedAndSharedAsBefore) {
  auto graph = read_onnx_text(kModel);
  auto shared = std::make_shared<TensorQuant>();
  shared->params.scale = at::full({}, 0.5f);
  shared->state = QuantState::Active;
  auto single = std::make_shared<TensorQuant>();
  Node *relu = graph->nodes()[0], *add = graph->nodes()[1];
  relu->output_quant = {shared};
  relu->quantized = true;
  add->input_quant = {shared, single};
  add->output_quant = {nullptr};
  auto copy = graph->clone();
  Node *relu2 = copy->nodes()[0], *add2 = copy->nodes()[1];
  ASSERT_NE(relu2->quant_of_output(), nullptr);
  EXPECT_EQ(relu2->quant_of_output(), add2->quant_of_input(0)) << "one place for the scale";
  EXPECT_NE(relu2->quant_of_output(), shared);
  EXPECT_NE(add2->quant_of_input(1), add2->quant_of_input(0));
  EXPECT_EQ(add2->quant_of_output(), nullptr);
  EXPECT_TRUE(relu2->quantized);
  EXPECT_EQ(relu2->quant_of_output()->state, QuantState::Active);
  relu2->quant_of_output()->state = QuantState::Initial;
  relu2->quant_of_output()->scheme.bits = 4;
  EXPECT_EQ(shared->state, QuantState::Active);
  EXPECT_EQ(shared->scheme.bits, 8);
}

}  // namespace
}  // namespace ppq
