// What stands around the kernels on a device: recorded graphs, uploads, a calibration with and without them, and on several
// devices. Only a device can run it; its logic runs on the CPU in tests/executor and tests/passes.
#include <gmock/gmock.h>

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
  EXPECT_EQ(thrown([&] { kernels::capture(x.device(), [] { throw std::runtime_error("mine"); }); }).problem(), "mine");
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

}  // namespace
}  // namespace ppq::test
