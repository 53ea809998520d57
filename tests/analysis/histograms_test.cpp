#include "analysis/histograms.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "ppq/ppq.h"

namespace ppq {
namespace {

TensorQuantPtr quant_of(const at::Tensor& scale, const at::Tensor& offset) {
  auto quant = std::make_shared<TensorQuant>();
  quant->params = {scale, offset};
  quant->state = QuantState::Active;
  return quant;
}
TensorQuantPtr quant_of(float scale, float offset) { return quant_of(at::scalar_tensor(scale), at::scalar_tensor(offset)); }

int64_t total(const std::vector<int64_t>& counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

/// x → OP → y over rows of 4, y quantized.
struct OneNode {
  std::unique_ptr<Graph> plain, graph;
  OneNode(const std::string& op, TensorQuantPtr quant) {
    plain = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,4] y) { [op] y = )" + op + "(x) }");
    graph = plain->clone();
    graph->find_node("op")->output_quant = {std::move(quant)};
    graph->find_node("op")->quantized = true;
  }
  std::vector<TensorHistogram> gather(const DatasetPtr& samples, size_t batch = 1) const {
    AnalysisOptions options;
    options.batch_size = batch;
    return gather_histograms(*graph, *plain, samples, {"y"}, options);
  }
};

DatasetPtr random_rows(size_t samples, double spread) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(7);
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < samples; ++i) rows.push_back(at::randn({1, 4 * 500}, generator).mul(spread).reshape({500, 4}));
  return make_dataset(std::move(rows));
}

/// Counted by a plain loop over the same edges.
std::vector<int64_t> counted(const TensorHistogram& h, const std::vector<double>& values) {
  std::vector<int64_t> counts(h.float_counts.size());
  for (const double value : values)
    ++counts.at(static_cast<size_t>(std::floor((value - h.low) / (h.high - h.low) * static_cast<double>(counts.size()))));
  return counts;
}

TEST(Histograms, CountWhatALoopCounts) {
  constexpr float kScale = 0.03f;
  const OneNode net("Neg", quant_of(kScale, 100));
  const DatasetPtr samples = random_rows(kHistogramSamples, 1.5);
  std::vector<double> floats, steps;
  for (size_t i = 0; i < samples->size(); ++i) {
    const at::Tensor x = samples->sample(i)[0].contiguous();
    for (int64_t k = 0; k < x.numel(); ++k) {
      const float y = -x.const_data_ptr<float>()[k];
      floats.push_back(static_cast<double>(y));
      steps.push_back(static_cast<double>((std::clamp(std::nearbyint(y / kScale) + 100, 0.0f, 255.0f) - 100) * kScale));
    }
  }
  for (const size_t batch : {1u, 3u}) {
    const auto found = net.gather(samples, batch);
    ASSERT_EQ(found.size(), 1u);
    const TensorHistogram& h = found[0];
    EXPECT_EQ(h.tensor, "y");
    EXPECT_EQ(h.float_counts, counted(h, floats));
    EXPECT_EQ(h.quantized_counts, counted(h, steps));
    EXPECT_LE(h.float_counts.size(), 160u);
    EXPECT_LT(h.low, *std::min_element(floats.begin(), floats.end()));
    EXPECT_GT(h.high, *std::max_element(floats.begin(), floats.end()));
  }
}

/// A bin holds whole steps, so that rounding alone moves nothing from one bin to another.
TEST(Histograms, RoundingAloneLooksTheSame) {
  const OneNode net("Neg", quant_of(0.05f, 128));
  const auto found = net.gather(random_rows(2, 1));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].float_counts, found[0].quantized_counts);
  const double bins = static_cast<double>(found[0].float_counts.size()), steps = (found[0].high - found[0].low) / bins / 0.05;
  EXPECT_NEAR(steps, std::round(steps), 1e-6);
  EXPECT_NEAR(found[0].low / 0.05 + 0.5, std::round(found[0].low / 0.05 + 0.5), 1e-4) << "half a step from a value";
}

TEST(Histograms, WhatIsClippedLiesInTheLastBinOfTheRange) {
  const OneNode net("Abs", quant_of(0.01f, 0));  // 0 to 2.55
  const auto found = net.gather(make_dataset(std::vector<at::Tensor>{at::tensor({1.0f, -5.0f, 9.0f, 0.0f}).reshape({1, 4})}));
  ASSERT_EQ(found.size(), 1u);
  const TensorHistogram& h = found[0];
  EXPECT_EQ(h.float_counts, counted(h, {1, 5, 9, 0}));
  EXPECT_EQ(h.quantized_counts, counted(h, {1, 2.55, 2.55, 0}));
}

TEST(Histograms, ChannelsAndValuesThatAreNotFinite) {
  const OneNode channels("Abs", quant_of(at::tensor({0.1f, 0.2f, 0.3f, 0.4f}), at::zeros({4})));
  channels.graph->find_node("op")->output_quant[0]->scheme.granularity = Granularity::PerChannel;
  channels.graph->find_node("op")->output_quant[0]->scheme.axis = 1;
  const auto found = channels.gather(random_rows(1, 3));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(total(found[0].float_counts), 2000);
  EXPECT_EQ(total(found[0].quantized_counts), 2000);

  const OneNode logarithm("Log", quant_of(0.1f, 200));
  const auto finite = logarithm.gather(make_dataset(std::vector<at::Tensor>{at::tensor({0.0f, 1.0f, 2.0f, 3.0f}).reshape({1, 4})}));
  ASSERT_EQ(finite.size(), 1u);
  EXPECT_EQ(total(finite[0].float_counts), 3) << "-Inf is in no bin";
  EXPECT_EQ(total(finite[0].quantized_counts), 4) << "at the end of the range";

  EXPECT_TRUE(gather_histograms(*channels.graph, *channels.plain, random_rows(1, 1), {"x", "nothing"}, {}).empty()) << "not quantized";
}

TEST(Histograms, AreThoseOfTheWorstTensorsWithoutCopies) {
  ErrorAnalysis errors;
  for (const auto& [name, noise] : {std::pair{"x", 1.0}, {"y", 4.0}, {"flat", 4.0}, {"z", 2.0}, {"unseen", 0.0}}) {
    TensorError error;
    error.name = name;
    error.graphwise.noise = noise, error.graphwise.signal = 8, error.graphwise.count = noise > 0 ? 4 : 0;
    errors.tensors.push_back(error);
  }
  const auto names = [&](size_t count, bool apart) {
    std::vector<std::string> all;
    for (const TensorError* error : worst_tensors(errors, count, apart)) all.push_back(error->name);
    return all;
  };
  EXPECT_THAT(names(9, false), testing::ElementsAre("y", "flat", "z", "x"));
  EXPECT_THAT(names(2, true), testing::ElementsAre("y", "z"));
  const OneNode net("Abs", quant_of(0.1f, 0));
  const auto found = histograms_of_worst(*net.graph, *net.plain, random_rows(1, 1), errors, {});
  ASSERT_EQ(found.size(), 1u) << "x is not quantized, the others are not there";
  EXPECT_EQ(found[0].tensor, "y");
}

}  // namespace
}  // namespace ppq
