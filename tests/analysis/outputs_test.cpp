// What error analysis makes of the network's outputs: against which network, shapes that differ, and top-1 agreement.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/error_analysis.h"
#include "ppq/ppq.h"

namespace ppq {
namespace {

DatasetPtr rows(const std::vector<std::vector<float>>& values) {
  std::vector<at::Tensor> list;
  for (const auto& row : values) list.push_back(at::tensor(row).reshape({1, static_cast<int64_t>(row.size())}));
  return make_dataset(std::move(list));
}

std::unique_ptr<Graph> adding(const std::string& bias) {
  return read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,3] x) => (float[N,3] y) <float[3] b = {" + bias +
                        "}> { y = Add(x, b) }");
}

TEST(OutputsOfAnalysis, AreMeasuredAgainstTheOriginalNetwork) {
  // A pass between original and reference that moved the function: the outputs tell, the inner tensors do not.
  const auto original = adding("0, 0, 0"), reference = adding("3, 0, 0");
  const auto samples = rows({{1, 2, 2}, {0, 3, 4}});
  const auto moved = analyze_errors(*reference, *reference, *original, samples, {});
  EXPECT_NEAR(output_snr(moved), (9.0 + 9.0) / (9.0 + 25.0), 1e-12) << "Σ(q-f)² / Σf² by hand";
}

TEST(OutputsOfAnalysis, CountTheSamplesWithTheSameLargestScore) {
  const auto original = adding("0, 0, 0"), reference = adding("1.5, 0, 0");
  // Largest: 1 → 0 (1+1.5 > 2); 2 → 2; 0 → 0; 1 → 1.
  const auto samples = rows({{1, 2, 0}, {0, 1, 4}, {5, 1, 1}, {0, 9, 1}});
  for (size_t batch : {1u, 3u}) {
    AnalysisOptions options;
    options.batch_size = batch;
    const auto analysis = analyze_errors(*reference, *reference, *original, samples, options);
    EXPECT_DOUBLE_EQ(analysis.agreement.at("y"), 0.75) << batch;
  }
}

TEST(OutputsOfAnalysis, MayDifferInShape) {
  // NonZero of the rounded scores finds fewer than of the float ones; the other output is measured all the same.
  auto plain = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,3] x) => (float[N,3] y, int64[2,K] hits) { [abs] y = Abs(x) hits = NonZero(y) "
      "}");
  auto quantized = plain->clone();
  auto quant = std::make_shared<TensorQuant>();
  quant->params = {at::scalar_tensor(0.5f), at::scalar_tensor(0.0f)};
  quant->state = QuantState::Active;
  quantized->find_node("abs")->output_quant = {quant};
  quantized->find_node("abs")->quantized = true;
  const auto analysis = analyze_errors(*quantized, *plain, *plain, rows({{0.1f, 1, 2}}), {});
  EXPECT_THAT(analysis.unlike, testing::ElementsAre("hits"));
  EXPECT_NEAR(analysis.outputs[0].second.nsr(), 0.01 / 5.01, 1e-6);
  EXPECT_EQ(analysis.outputs[1].second.count, 0);
}

}  // namespace
}  // namespace ppq
