#include "analysis/sensitivity.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ppq/ppq.h"

namespace ppq::test {
namespace {

using testing::ElementsAre;

TensorQuantPtr quant_of(double scale, double offset) {
  auto quant = std::make_shared<TensorQuant>();
  quant->params = {at::scalar_tensor(scale, at::kFloat), at::scalar_tensor(offset, at::kFloat)};
  quant->state = QuantState::Active;
  return quant;
}

double rounded(double x, double scale, double offset) {
  return (std::clamp(std::nearbyint(x / scale) + offset, 0.0, 255.0) - offset) * scale;
}

/// y = -relu(x·w), w = (1.3, -0.7): a coarse grid on x, on w, on the Relu's output (with which the product is computed in one go), and a
/// fine one on y.
struct SmallNetwork {
  std::unique_ptr<Graph> plain = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,2] x) => (float[N,1] y) <float[2,1] w = {1.3, -0.7}> {"
      " [product] a = MatMul(x, w) [relu] b = Relu(a) [turn] c = Transpose<perm = [0,1]>(b) [neg] y = Neg(c) }");
  std::unique_ptr<Graph> graph = plain->clone();
  std::vector<std::pair<float, float>> rows = {{0.91f, -0.33f}, {1.7f, 0.52f}, {2.2f, 1.41f}};
  DatasetPtr samples;

  SmallNetwork() {
    const auto fused = quant_of(0.4, 0);
    const auto set = [&](const char* name, std::vector<TensorQuantPtr> inputs, TensorQuantPtr output) {
      Node* node = graph->find_node(name);
      node->quantized = true;
      node->input_quant = std::move(inputs), node->output_quant = {std::move(output)};
    };
    set("product", {quant_of(0.25, 100), quant_of(0.5, 128)}, fused);
    set("relu", {fused}, fused);
    set("turn", {fused}, fused);
    set("neg", {fused}, quant_of(0.02, 255));
    std::vector<at::Tensor> list;
    for (const auto& [a, b] : rows) list.push_back(at::tensor({a, b}).reshape({1, 2}));
    samples = make_dataset(std::move(list));
  }

  /// Noise over signal of f against the network in float.
  template <class F>
  double noise_of(F f) const {
    double noise = 0, signal = 0;
    for (const auto& [a, b] : rows) {
      const double exact = -std::max(0.0, a * 1.3 + b * -0.7), got = f(a, b);
      noise += (got - exact) * (got - exact), signal += exact * exact;
    }
    return noise / signal;
  }
};

TEST(Sensitivity, IsWhatEachLayerAloneCosts) {
  const SmallNetwork net;
  AnalysisOptions options;
  const auto ranking = rank_layers(*net.graph, *net.plain, net.samples, options);
  ASSERT_EQ(ranking.size(), 2u) << "the Relu is computed with the product, and the Transpose rounds nothing";
  const auto of_product = [&](double w, double v) {
    return net.noise_of(
        [&](double a, double b) { return -rounded(std::max(0.0, rounded(a, 0.25, 100) * w + rounded(b, 0.25, 100) * v), 0.4, 0); });
  };
  EXPECT_EQ(ranking[0].name, "product");
  EXPECT_THAT(ranking[0].patterns, ElementsAre("product", "relu"));
  EXPECT_NEAR(ranking[0].error, of_product(1.5, -0.5), 1e-6);
  EXPECT_NEAR(ranking[0].activations, of_product(1.3, -0.7), 1e-6);
  EXPECT_EQ(ranking[0].macs_share, 1);
  EXPECT_EQ(ranking[1].name, "neg");
  EXPECT_NEAR(ranking[1].error,
              net.noise_of([](double a, double b) { return rounded(-rounded(std::max(0.0, a * 1.3 + b * -0.7), 0.4, 0), 0.02, 255); }),
              1e-6);
  EXPECT_EQ(ranking[1].macs_share, 0);
}

TEST(Sensitivity, AdvicesBitsWhereActivationsMakeTheError) {
  EXPECT_EQ(advice({"a", "Conv", {"a", "b"}, 0.1, 0.06, 0}), "--bits 'a=16'");
  EXPECT_EQ(advice({"a", "Conv", {"a", "b"}, 0.1, 0.04, 0}), "--keep-float 'a' --keep-float 'b'");
  const std::string text = to_text({{"a", "Conv", {"a"}, 0.1, 0.06, 0.25}, {"b", "Add", {"b"}, 0.01, 0.01, 0}}, 1);
  EXPECT_THAT(text, testing::AllOf(testing::HasSubstr("25.00 %  a (Conv)  --bits 'a=16'"), testing::HasSubstr("and 1 more")));
}

}  // namespace
}  // namespace ppq::test
