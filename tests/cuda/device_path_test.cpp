// What stands around the kernels on a device: recorded graphs, uploads, a calibration with and without them, and on several
// devices. Only a device can run it; its logic runs on the CPU in tests/executor and tests/passes.
#include <gmock/gmock.h>

#include "data/upload_ahead.h"
#include "executor/repeated_work.h"
#include "kernels/capture.h"
#include "ppq/ppq.h"
#include "support/thrown.h"
#include "tests/cuda/backend.h"

namespace ppq::test {
namespace {

struct DevicePath : KernelTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, DevicePath, testing::Values("device"),
                         [](const testing::TestParamInfo<std::string>& info) { return info.param; });

TEST_P(DevicePath, AReplayedObserverCountsAsOneThatIsCalled) {
  const at::Device device = backend_->device;
  std::vector<at::Tensor> batches;
  for (uint64_t i = 0; i < 5; ++i) batches.push_back(sample({3, 7, 41}, i, 0.1f * static_cast<float>(i + 1), true).to(device));
  kernels::Histogram called = kernels::make_histogram(7, 2048, device), replayed = kernels::make_histogram(7, 2048, device);
  at::Tensor input = at::zeros_like(batches[0]);
  kernels::observe(batches[0], 1, called);
  kernels::observe(batches[0], 1, replayed);
  const auto graph = kernels::capture(device, [&] { kernels::observe(input, 1, replayed); });
  for (size_t i = 1; i < batches.size(); ++i) {
    kernels::observe(batches[i], 1, called);
    input.copy_(batches[i]);
    graph->replay();
  }
  EXPECT_TRUE(same(called.counts, replayed.counts));
  EXPECT_TRUE(same(called.first, replayed.first));
  EXPECT_TRUE(same(called.minimum, replayed.minimum));
  EXPECT_TRUE(same(called.nonfinite, replayed.nonfinite));
}

TEST_P(DevicePath, WhatCannotBeRecordedIsRefusedAndTheDeviceGoesOn) {
  const at::Tensor x = at::ones({8}, at::TensorOptions().device(backend_->device));
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(thrown([&] { kernels::capture(x.device(), [&] { x.sum().item<float>(); }); }).kind(), ErrorKind::Unsupported);
  EXPECT_EQ(thrown([&] { kernels::capture(x.device(), [] { throw std::runtime_error("mine\nand more"); }); }).problem(), "mine");
  EXPECT_EQ(x.sum().item<float>(), 8);
}

TEST_P(DevicePath, MemoryThatTheDeviceLacksIsAResourceError) {
  EXPECT_EQ(thrown([&] { reserve_memory(backend_->device, size_t{1} << 50); }).kind(), ErrorKind::Resource);
  EXPECT_NO_THROW(reserve_memory(backend_->device, size_t{1} << 20));
}

constexpr const char* kModel = R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,3,9,9] x, float[4,3,3,3] W) => (float[N,4] y) {
  c = Conv<kernel_shape = [3, 3]>(x, W) r = Relu(c) s = Softmax<axis = 1>(r) p = GlobalAveragePool(r) f = Flatten(p) t = GlobalAveragePool(s) u = Flatten(t) y = Add(f, u) })";

std::unique_ptr<Graph> network() {
  at::manual_seed(3);
  auto graph = read_onnx_text(kModel);
  Value* weight = graph->find_value("W");
  graph->remove_input(weight);
  graph->make_constant(weight, at::randn({4, 3, 3, 3}));
  return graph;
}

TEST_P(DevicePath, AProgramThatIsReplayedGivesWhatItGave) {
  const auto graph = network();
  LowerOptions options;
  options.device = backend_->device;
  const auto program = lower(*graph, options);
  RepeatedProgram repeated(program, capture_on(backend_->device));
  for (int64_t i = 0; i < 6; ++i) {
    const at::Tensor x = at::randn({i == 4 ? 1 : 5, 3, 9, 9}, at::TensorOptions().device(backend_->device));
    EXPECT_TRUE(at::allclose(repeated.run({x})[0], run(*program, {x})[0], 1e-5, 1e-6)) << i;
  }
}

TEST_P(DevicePath, ACalibrationGivesTheScalesOfTheCpu) {
  at::manual_seed(5);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 41; ++i) samples.push_back(at::randn({1, 3, 9, 9}));
  const int count = static_cast<int>(c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount());
  std::vector<at::Device> all;
  for (int i = 0; i < count; ++i) all.emplace_back(at::kCUDA, static_cast<c10::DeviceIndex>(i));
  std::vector<std::vector<double>> scales;
  for (int way = 0; way < 4; ++way) {  // the CPU, one device without graphs, with them, all devices
    const auto graph = network();
    TorchExecutor executor(*graph, way == 0 ? at::Device(at::kCPU) : backend_->device);
    Quantizer quantizer(*graph, TargetPlatform::QNN_DSP_INT8);
    quantizer.set_batch_size(4);
    quantizer.set_device_graphs(way >= 2);
    if (way == 3) quantizer.set_devices(all);
    QuantizationSetting setting;
    setting.quantize_activation_setting.calib_algorithm = "percentile-global";
    quantizer.quantize({samples[0]}, make_dataset(samples), executor, setting, samples.size());
    auto& list = scales.emplace_back();
    for (const Node* node : graph->nodes())
      for (size_t i = 0; i < node->outputs().size(); ++i)
        if (const auto quant = node->quant_of_output(i); quant && quant->params.defined() && quant->params.scale.numel() == 1)
          list.push_back(quant->params.scale.item<double>());
    for (const PassRecord& pass : quantizer.passes())
      if (pass.name == "calibrate" && way == 2) {
        EXPECT_THAT(pass.decision, testing::HasSubstr("cuda:0: 8 batches by a recorded graph"));
      }
  }
  ASSERT_FALSE(scales[0].empty());
  for (size_t way = 1; way < scales.size(); ++way) {
    ASSERT_EQ(scales[way].size(), scales[0].size());
    for (size_t i = 0; i < scales[0].size(); ++i) EXPECT_NEAR(scales[way][i], scales[0][i], 1e-3 * scales[0][i]) << "way " << way;
  }
}

std::vector<at::Tensor> random_samples(int count) {
  at::manual_seed(7);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < count; ++i) samples.push_back(at::randn({1, 3, 9, 9}));
  return samples;
}

/// Where samples lie makes no difference; on the CPU, where they can lie in one place only, the numbers are those of the device.
struct DevicePathOfSamples : KernelTest {};
PPQ_KERNEL_TESTS(DevicePathOfSamples);

TEST_P(DevicePathOfSamples, BatchesOfSamplesThatLieOnTheDeviceAreThoseOfTheHost) {
  const auto samples = random_samples(11);
  std::vector<at::Tensor> there;
  for (const at::Tensor& x : samples) there.push_back(x.to(backend_->device));
  for (const size_t batch_size : {1, 4}) {
    BatchLoader loader(make_dataset(there), batch_size), plain(make_dataset(samples), batch_size);
    UploadedBatches batches(loader, backend_->device);
    while (const auto expected = plain.next()) {
      const auto batch = batches.next();
      ASSERT_TRUE(batch.has_value());
      EXPECT_EQ(batch->tensors[0].device(), backend_->device);
      EXPECT_TRUE(same(batch->tensors[0], expected->tensors[0]));
    }
    EXPECT_FALSE(batches.next());
  }
}

/// PPQ's own programs bring samples to the device in collate_fn.
TEST_P(DevicePathOfSamples, ACollateFunctionMayBringSamplesToTheDevice) {
  const auto samples = random_samples(12);
  std::vector<double> scales;
  for (const bool there : {false, true}) {
    const auto graph = network();
    TorchExecutor executor(*graph, backend_->device);
    Quantizer quantizer(*graph, TargetPlatform::QNN_DSP_INT8);
    quantizer.set_batch_size(4);
    QuantizationSetting setting;
    setting.quantize_activation_setting.calib_algorithm = "minmax";
    quantizer.quantize(samples[0], samples, executor, setting, samples.size(),
                       there ? CollateFn([&](const at::Tensor& x) { return x.to(backend_->device); }) : nullptr);
    scales.push_back(graph->nodes()[0]->quant_of_input(0)->params.scale.item<double>());
  }
  EXPECT_EQ(scales[0], scales[1]);
}

/// The platform's own setting, whose equalization tries pairs of convolutions on tensors of the device, one channel of which is far
/// from the others.
TEST_P(DevicePathOfSamples, ADefaultJobWithEqualizationEnds) {
  const auto samples = random_samples(16);
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,3,9,9] x, float[8,3,3,3] V, float[4,8,1,1] W)
    => (float[N,4,7,7] y) { c = Conv(x, V) r = Relu(c) y = Conv(r, W) })");
  at::manual_seed(3);
  for (const auto& [name, sizes] : {std::pair<const char*, std::vector<int64_t>>{"V", {8, 3, 3, 3}}, {"W", {4, 8, 1, 1}}}) {
    Value* weight = graph->find_value(name);
    graph->remove_input(weight);
    at::Tensor numbers = at::randn(sizes);
    numbers.select(*name == 'V' ? 0 : 1, 2).mul_(*name == 'V' ? 64.0 : 1 / 64.0);
    graph->make_constant(weight, numbers);
  }
  const auto plain = graph->clone();
  TorchExecutor executor(*graph, backend_->device);
  Quantizer quantizer(*graph, TargetPlatform::QNN_DSP_INT8);
  const QuantizationSetting setting = QuantizationSettingFactory::setting_for("qnn_dsp_int8");
  ASSERT_TRUE(setting.equalization);
  quantizer.quantize(samples[0], samples, executor, setting, samples.size());
  const at::Tensor quantized = executor.forward(samples[0])[0].cpu(), expected = run(*lower(*plain, {}), {samples[0]})[0];
  EXPECT_LT((quantized - expected).square().sum().item<double>(), 0.02 * expected.square().sum().item<double>());
}

}  // namespace
}  // namespace ppq::test
