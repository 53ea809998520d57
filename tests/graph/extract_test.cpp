#include "graph/extract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "ppq/quant.h"

namespace ppq {
namespace {

constexpr const char* kModel = R"(<ir_version: 8, opset_import: ["" : 17]>
  g (float[1,4] x) => (float[1,4] y) <float[4] k = {1, 2, 3, 4}> {
    [relu] a = Relu(x)
    [add] b = Add(a, k)
    [mul] c = Mul(b, a)
    [sum] d = Add(c, k)
    [neg] y = Neg(d)
  })";

std::vector<std::string> names(const std::vector<Value*>& values) {
  std::vector<std::string> result;
  for (const Value* value : values) result.push_back(value->name());
  return result;
}

TEST(Extract, ComputesWhatThePartOfTheNetworkComputes) {
  const auto graph = read_onnx_text(kModel);
  const auto part = extract(*graph, {graph->find_node("add"), graph->find_node("mul"), graph->find_node("sum")},
                            {graph->find_value("c"), graph->find_value("d")});
  part->verify();
  EXPECT_THAT(names(part->inputs()), testing::ElementsAre("a"));
  EXPECT_THAT(names(part->outputs()), testing::ElementsAre("c", "d"));
  EXPECT_EQ(part->constants().size(), 1u) << "read twice, one constant";
  const at::Tensor a = at::tensor({0.5f, 1.5f, -2.f, 3.f}).view({1, 4}), k = at::tensor({1.f, 2.f, 3.f, 4.f});
  const Tensors out = run(*lower(*part, {}), {a});
  EXPECT_TRUE(at::equal(out[0], (a + k) * a));
  EXPECT_TRUE(at::equal(out[1], (a + k) * a + k));
}

TEST(Extract, LeavesTheGraphAloneAndKeepsWhatSlotsShare) {
  const auto graph = read_onnx_text(kModel);
  auto shared = std::make_shared<TensorQuant>();
  Node* add = graph->find_node("add");
  Node* mul = graph->find_node("mul");
  add->output_quant = {shared};
  mul->input_quant = {shared, nullptr};
  mul->dispatch = Dispatch::Float;
  const std::string before = write_onnx_bytes(*graph);
  const auto part = extract(*graph, {add, mul}, {graph->find_value("c")});
  EXPECT_EQ(part->find_node("mul")->dispatch, Dispatch::Float);
  EXPECT_EQ(part->find_node("add")->quant_of_output(), part->find_node("mul")->quant_of_input(0));
  EXPECT_NE(part->find_node("add")->quant_of_output(), shared);
  EXPECT_EQ(part->find_node("mul")->quant_of_input(1), nullptr);
  part->find_value("k")->set_constant(at::zeros({4}));
  part->find_node("add")->op_type = "Sub";
  EXPECT_EQ(write_onnx_bytes(*graph), before);
}

}  // namespace
}  // namespace ppq
