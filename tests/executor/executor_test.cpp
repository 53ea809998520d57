#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/op_run.h"

namespace ppq {
namespace {

using test::floats;

std::unique_ptr<Graph> model() {
  return read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,2] x) => (float[N,2] y) { a = Neg(x) y = Abs(a) })",
                        {.infer_shapes = false});
}

TensorQuantPtr coarse() {
  auto quant = std::make_shared<TensorQuant>();
  quant->params = {at::full({}, 0.5f), at::full({}, 128.0f)};
  quant->state = QuantState::Active;
  return quant;
}

TEST(TorchExecutor, ForwardSimulatesAndForwardFloatDoesNot) {
  auto graph = model();
  graph->nodes()[0]->output_quant = {coarse()};
  TorchExecutor executor(*graph, test::test_device_name());
  const at::Tensor x = floats({0.8f, -1.3f}).reshape({1, 2});
  EXPECT_TENSOR(executor.forward(x)[0], floats({1.0f, 1.5f}).reshape({1, 2}));
  EXPECT_TENSOR(executor({x})[0], executor.forward(x)[0]);
  EXPECT_TENSOR(executor.forward_float({x})[0], floats({0.8f, 1.3f}).reshape({1, 2}));
  EXPECT_EQ(executor.device(), test::test_device());
}

TEST(TorchExecutor, LoadGraphForgetsTheOldProgram) {
  auto graph = model();
  TorchExecutor executor(*graph, test::test_device());
  const at::Tensor x = floats({0.8f, -1.3f}).reshape({1, 2});
  EXPECT_TENSOR(executor.forward(x)[0], floats({0.8f, 1.3f}).reshape({1, 2}));
  graph->nodes()[0]->output_quant = {coarse()};
  executor.load_graph(*graph);
  EXPECT_TENSOR(executor.forward(x)[0], floats({1.0f, 1.5f}).reshape({1, 2}));
  auto other = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,2] x) => (float[N,2] y) { y = Neg(x) })");
  executor.load_graph(*other);
  EXPECT_EQ(&executor.graph(), other.get());
  EXPECT_TENSOR(executor.forward(x)[0], -x);
}

TEST(TracingOperationMeta, WritesShapesAndTypesThatAreUnknown) {
  auto graph = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,2] x) => (int64[R] s, float[N,2] y) { s = Shape(x) a = Neg(x) y = Abs(a) })",
      {.infer_shapes = false});
  Value* a = graph->find_value("a");
  EXPECT_EQ(a->dtype, DataType::Undefined);
  EXPECT_FALSE(a->shape.has_value());
  TorchExecutor executor(*graph, test::test_device_name());
  executor.tracing_operation_meta({at::zeros({3, 2})});
  EXPECT_EQ(a->dtype, DataType::Float);
  ASSERT_TRUE(a->shape.has_value());
  EXPECT_EQ(to_string(*a->shape), "[3, 2]");
  EXPECT_EQ(to_string(*graph->find_value("x")->shape), "[N, 2]") << "a symbol stays: one traced batch is only one of many";
  EXPECT_EQ(graph->find_value("s")->dtype, DataType::Int64);
}

TEST(TracingOperationMeta, FillsUnknownDimensionsOnly) {
  auto graph = model();
  Value* a = graph->find_value("a");
  a->dtype = DataType::Float;
  a->shape = Shape{{-1, ""}, {2, ""}};
  TorchExecutor executor(*graph, test::test_device_name());
  executor.tracing_operation_meta({at::zeros({5, 2})});
  EXPECT_EQ(to_string(*a->shape), "[5, 2]");
}

}  // namespace
}  // namespace ppq
