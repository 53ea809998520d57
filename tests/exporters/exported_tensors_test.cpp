#include "exporters/exported_tensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/onnx.h"

namespace ppq::test {
namespace {

using testing::ElementsAre;

TensorQuantPtr quantization(at::Tensor scale, bool exported = true) {
  auto quant = std::make_shared<TensorQuant>();
  quant->params = {scale, at::zeros_like(scale)};
  quant->state = QuantState::Active;
  quant->exported = exported;
  return quant;
}
TensorQuantPtr quantization(double scale, bool exported = true) { return quantization(at::scalar_tensor(scale, at::kFloat), exported); }

/// "x quantized, w float, b missing, c accumulator".
std::vector<std::string> listed(const Graph& graph) {
  std::vector<std::string> lines;
  for (const ExportedTensor& tensor : exported_tensors(graph))
    lines.push_back(tensor.value->name() + (tensor.state == ExportedTensor::State::Float     ? " float"
                                            : tensor.state == ExportedTensor::State::Missing ? " missing"
                                            : tensor.accumulator                             ? " accumulator"
                                                                                             : " quantized"));
  return lines;
}

struct Net {
  std::unique_ptr<Graph> graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]>
    g (float[1,1,2,2] x) => (float[1,2,2,2] y, int64[4] n)
    <float[2,1,1,1] w = {1, 2}, float[2] b = {3, 4}> { [conv] c = Conv(x, w, b) [relu] y = Relu(c) [size] n = Shape(c) })");
  Node &conv = *graph->find_node("conv"), &relu = *graph->find_node("relu");

  Net() {
    conv.quantized = relu.quantized = true;
    graph->find_node("size")->dispatch = Dispatch::ShapeOrIndex;
    conv.input_quant = {quantization(0.5), quantization(at::tensor({0.25F, 2.0F})), nullptr};
    conv.output_quant = {quantization(1)};
    relu.input_quant = {quantization(3)};
    relu.output_quant = {quantization(4)};
  }
};

TEST(ExportedTensors, InGraphOrderEachOnce) {
  Net net;
  EXPECT_THAT(listed(*net.graph), ElementsAre("x quantized", "w quantized", "b accumulator", "c quantized", "y quantized"));
  EXPECT_EQ(exported_tensors(*net.graph)[3].quant, net.conv.output_quant[0]) << "the producer's goes before the reader's";
}

TEST(ExportedTensors, ABiasIsOnInputScaleTimesWeightScale) {
  Net net;
  const TensorQuantPtr bias = exported_tensors(*net.graph)[2].quant;
  EXPECT_EQ(bias->scheme.bits, 32);
  EXPECT_EQ(bias->scheme.granularity, Granularity::PerChannel);
  EXPECT_EQ(bias->params.scale[0].item<float>(), 0.5F * 0.25F);
  EXPECT_EQ(bias->params.scale[1].item<float>(), 0.5F * 2.0F);
  net.conv.input_quant[2] = quantization(at::tensor({5.0F, 6.0F}), /*exported=*/false);
  EXPECT_EQ(exported_tensors(*net.graph)[2].quant->params.scale[1].item<float>(), 6.0F) << "its own goes before";
  net.conv.input_quant[2] = quantization(at::tensor({5.0F, 6.0F}));
  EXPECT_FALSE(exported_tensors(*net.graph)[2].accumulator) << "a target that writes biases";
  net.conv.input_quant[1] = net.conv.input_quant[2] = nullptr;
  EXPECT_THAT(listed(*net.graph), ElementsAre("x quantized", "w missing", "c quantized", "y quantized"));
}

TEST(ExportedTensors, WithoutAProducersTheFirstReadersCounts) {
  Net net;
  net.conv.output_quant = {nullptr};
  EXPECT_EQ(exported_tensors(*net.graph)[3].quant, net.relu.input_quant[0]);
  net.relu.input_quant = {nullptr};
  EXPECT_THAT(listed(*net.graph), ElementsAre("x quantized", "w quantized", "b accumulator", "c missing", "y quantized"));
  net.relu.input_quant = {quantization(3, /*exported=*/false)};
  EXPECT_THAT(listed(*net.graph)[3], "c missing") << "simulated, never written";
}

TEST(ExportedTensors, NodesKeptFloatAreNamed) {
  Net net;
  net.conv.dispatch = Dispatch::Float;
  net.conv.quantized = false;
  net.conv.input_quant.clear();
  net.conv.output_quant.clear();
  net.relu.input_quant = {nullptr};
  EXPECT_THAT(listed(*net.graph), ElementsAre("x missing", "w float", "c float", "y quantized"));
  EXPECT_THAT(float_nodes(*net.graph), ElementsAre("conv"));
}

}  // namespace
}  // namespace ppq::test
