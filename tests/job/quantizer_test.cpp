#include "ppq/quantizer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/op_run.h"
#include "support/share.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::thrown;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kTarget = TargetPlatform::QNN_DSP_INT8;

/// x → Conv → Relu → MaxPool → Reshape → Gemm → y, random weights.
std::unique_ptr<Graph> network() {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 15]>
    g (float[1,2,6,6] x, float[3,2,3,3] w, float[3] b, float[12,4] v) => (float[1,4] y) <int64[2] flat = {-1, 12}> {
      [conv] c = Conv(x, w, b) [relu] r = Relu(c) [pool] p = MaxPool<kernel_shape = [2,2], strides = [2,2]>(r) [flat] f = Reshape(p, flat) [gemm] y = Gemm(f, v) })");
  at::manual_seed(2);
  for (const char* name : {"w", "b", "v"}) {
    Value* value = graph->find_value(name);
    std::vector<int64_t> sizes;
    for (const Dim& dim : *value->shape) sizes.push_back(dim.value);
    graph->remove_input(value);
    graph->make_constant(value, at::randn(sizes));
  }
  return graph;
}

std::vector<at::Tensor> samples(size_t count) {
  at::manual_seed(9);
  std::vector<at::Tensor> list;
  for (size_t i = 0; i < count; ++i) list.push_back(at::randn({1, 2, 6, 6}));
  return list;
}

QuantizationSetting minmax() {
  QuantizationSetting setting;
  setting.quantize_activation_setting.calib_algorithm = "minmax";
  return setting;
}

struct Job {
  std::unique_ptr<Graph> graph = network();
  TorchExecutor executor{*graph, test::test_device()};
  Quantizer quantizer{*graph, kTarget};
  Graph& quantize(size_t count, size_t steps = 32, const QuantizationSetting& setting = minmax(), CollateFn collate = nullptr) {
    return quantizer.quantize(at::zeros({1, 2, 6, 6}), samples(count), executor, setting, steps, std::move(collate));
  }
};

TEST(Quantizer, QuantizesWhatTheExecutorThenSimulates) {
  Job job;
  const at::Tensor x = samples(1)[0];
  const at::Tensor plain = job.executor.forward_float({x})[0];
  EXPECT_EQ(&job.quantize(10), job.graph.get());
  const at::Tensor simulated = job.executor.forward(x)[0];
  const double noise = (simulated - plain).square().sum().item<double>() / plain.square().sum().item<double>();
  EXPECT_GT(noise, 0) << "the executor forgot its float program";
  EXPECT_LT(noise, 0.01);
  for (const Node* node : job.graph->nodes()) EXPECT_TRUE(node->quantized) << node->name;
  EXPECT_EQ(job.quantizer.samples(), 10u);
}

TEST(Quantizer, KeepsTheNetworkAsItCameAndTheOneBeforeRounding) {
  Job job;
  EXPECT_EQ(job.quantizer.original(), nullptr);
  EXPECT_EQ(job.quantizer.reference(), nullptr);
  const at::Tensor x = samples(1)[0], w = job.graph->find_value("w")->constant().clone();
  const at::Tensor plain = test::run_on_test_device(*lower(*job.graph, test::on_test_device()), {x})[0];
  job.quantize(8);
  ASSERT_NE(job.quantizer.original(), nullptr);
  ASSERT_NE(job.quantizer.reference(), nullptr);
  EXPECT_TENSOR(job.quantizer.original()->find_value("w")->constant(), w);
  EXPECT_TENSOR(test::run_on_test_device(*lower(*job.quantizer.original(), test::on_test_device()), {x})[0], plain);
  EXPECT_TENSOR_NEAR(test::run_on_test_device(*lower(*job.quantizer.reference(), test::on_test_device()), {x})[0], plain, 1e-4);
  EXPECT_FALSE(job.graph->find_node("conv")->constant_input(1).equal(w)) << "baked";
}

TEST(Quantizer, WarnsOfFewAndManySamples) {
  Job few, enough, many, exact;
  few.quantize(7);
  ASSERT_THAT(few.quantizer.warnings(), SizeIs(1));
  EXPECT_THAT(few.quantizer.warnings()[0].text, HasSubstr("7 sample(s)"));
  enough.quantize(8);
  EXPECT_THAT(enough.quantizer.warnings(), IsEmpty());
  exact.quantize(513, 512);
  EXPECT_THAT(exact.quantizer.warnings(), IsEmpty());
  many.quantize(513, 1000);
  ASSERT_THAT(many.quantizer.warnings(), SizeIs(1));
  EXPECT_THAT(many.quantizer.warnings()[0].text, HasSubstr("513 samples"));
}

TEST(Quantizer, StepsLimitTheSamples) {
  Job job;
  job.quantize(20, 9);
  EXPECT_EQ(job.quantizer.samples(), 9u);
  float low = 0, high = 0;
  for (const at::Tensor& x : samples(9)) low = std::min(low, x.min().item<float>()), high = std::max(high, x.max().item<float>());
  EXPECT_NEAR(job.graph->find_node("conv")->quant_of_input(0)->params.scale.item<double>(),
              (static_cast<double>(high) - static_cast<double>(low)) / 255, 1e-7);
}

TEST(Quantizer, NoSamplesAndNoStepsAreErrors) {
  Job job;
  EXPECT_EQ(thrown([&] { job.quantize(0); }).kind(), ErrorKind::Data);
  EXPECT_EQ(thrown([&] {
              job.quantizer.quantize(Tensors{at::zeros({1, 2, 6, 6})}, nullptr, job.executor, minmax());
            }).kind(),
            ErrorKind::Data);
  EXPECT_EQ(thrown([&] { job.quantize(8, 0); }).kind(), ErrorKind::Usage);
}

TEST(Quantizer, CollateSeesEverySample) {
  Job plain, scaled;
  plain.quantize(8);
  scaled.quantize(8, 32, minmax(), [](const at::Tensor& x) { return x * 2; });
  const auto scale = [](const Job& job) { return job.graph->find_node("conv")->quant_of_input(0)->params.scale.item<double>(); };
  EXPECT_NEAR(scale(scaled), 2 * scale(plain), 1e-7);
}

TEST(Quantizer, TheBatchSizeChangesNoNumber) {
  std::map<std::string, std::vector<double>> scales;
  for (size_t batch : {1u, 4u, 0u}) {
    Job job;
    job.quantizer.set_batch_size(batch);
    job.quantize(10);  // 4 + 4 + 2: a ragged last batch
    if (batch) {
      EXPECT_EQ(job.quantizer.batch_size(), batch);
    } else {
      EXPECT_EQ(job.quantizer.batch_size(), 10u) << "chosen: the network treats samples independently";
    }
    for (const Node* node : job.graph->nodes())
      if (const auto quant = node->quant_of_output()) scales[node->name].push_back(quant->params.scale.item<double>());
  }
  EXPECT_THAT(scales, SizeIs(5));
  for (const auto& [name, values] : scales) {
    ASSERT_THAT(values, SizeIs(3)) << name;
    EXPECT_NEAR(values[1], values[0], 1e-6 * values[0]) << name;
    EXPECT_NEAR(values[2], values[0], 1e-6 * values[0]) << name;
  }
}

TEST(Quantizer, LittleMemoryMeansSmallBatches) {
  Job job;
  job.quantizer.set_max_memory(1);
  job.quantize(10);
  EXPECT_EQ(job.quantizer.batch_size(), 1u);
}

TEST(Quantizer, RecordsItsPassesAndProgress) {
  Job job;
  size_t calls = 0;
  job.quantizer.set_progress([&](const std::string&, size_t done, size_t total) { calls += done <= total; });
  job.quantizer.set_verify(true);
  job.quantize(8);
  std::vector<std::string> names;
  for (const PassRecord& record : job.quantizer.passes()) names.push_back(record.name);
  EXPECT_EQ(names, quantization_pipeline(find_platform(kTarget), minmax()));
  EXPECT_GT(calls, 0u);
}

TEST(Quantizer, ADispatchThatWasSetIsKept) {
  Job job;
  job.graph->find_node("gemm")->dispatch = Dispatch::Float;
  job.quantize(8);
  EXPECT_FALSE(job.graph->find_node("gemm")->quantized);
  EXPECT_TRUE(job.graph->find_node("conv")->quantized);
}

TEST(Quantizer, UnknownOperatorsAreListedBeforeAnythingIsDone) {
  auto graph = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 15, "made.up" : 1]> g (float[1,4] x) => (float[1,4] y) { [odd] a = made.up.Wobble(x) [r] y = Relu(a) })",
      {.infer_shapes = false, .check = false});
  TorchExecutor executor(*graph, test::test_device());
  Quantizer quantizer(*graph, kTarget);
  const Error error = thrown([&] { quantizer.quantize(at::zeros({1, 4}), {at::zeros({1, 4})}, executor, minmax()); });
  EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(error.what(), HasSubstr("odd (made.up.Wobble"));
  EXPECT_EQ(thrown([&] { Quantizer(*graph, TargetPlatform::PPL_CUDA_MIX); }).kind(), ErrorKind::Unsupported);
}

/// PPQ's "Network Snapshot": 5 operations; values x w b c r p flat f v y; slots: conv 3+1, relu 1+1, pool 1+1, reshape 1+1, gemm 2+1.
TEST(Quantizer, TheReportCounts) {
  Job job;
  job.quantize(8);
  const std::string text = job.quantizer.report();
  auto count = [&](const std::string& label) {
    const size_t at = text.find(label + ":");
    return at == std::string::npos ? -1 : std::stoi(text.substr(text.find('[', at) + 1));
  };
  EXPECT_EQ(count("Num of Op"), 5);
  EXPECT_EQ(count("Num of Quantized Op"), 5);
  EXPECT_EQ(count("Num of Variable"), 10);
  EXPECT_EQ(count("Num of Quantized Var"), 9);
  EXPECT_EQ(count("Num of Quant Config"), 13);
  EXPECT_THAT(text, HasSubstr("--------- Network Snapshot ---------"));
  EXPECT_THAT(text, HasSubstr("Network Quantization Finished."));
  // Ten activations, two weights, one bias.
  EXPECT_EQ(count(name_of(QuantState::Active)), 10);
  EXPECT_EQ(count(name_of(QuantState::Baked)), 2);
  EXPECT_EQ(count(name_of(QuantState::PassiveBaked)), 1);
}

TEST(ExportPpqGraph, WritesTheGraphAndTheTable) {
  Job job;
  job.quantize(8);
  const std::string folder = test::temporary_dir("export");
  export_ppq_graph(*job.graph, kTarget, folder + "/net", folder + "/net.table");
  ASSERT_TRUE(std::filesystem::exists(folder + "/net.onnx"));
  EXPECT_THAT(read_file(folder + "/net.table"), HasSubstr("activation_encodings"));
  const auto back = read_onnx(folder + "/net.onnx");
  EXPECT_TENSOR(back->find_value("w")->constant(), job.graph->find_node("conv")->constant_input(1));
}

}  // namespace
}  // namespace ppq
