// Samples per second of a calibration beside those of the float network alone, on one device. Run through scripts/bench/calibration.
#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "analysis/report.h"
#include "calibration/batching.h"
#include "core/log.h"
#include "executor/host_waits.h"
#include "ppq/ppq.h"

namespace ppq {
namespace {

using Clock = std::chrono::steady_clock;

void wait_for(at::Device device) {
  if (device.is_cuda()) at::detail::getCUDAHooks().deviceSynchronize(device.index());
}

double seconds(at::Device device, const std::function<void()>& work) {
  wait_for(device);
  const auto start = Clock::now();
  work();
  wait_for(device);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The network without observers and without quantization: LibTorch's own operators, over batches that are on the device.
double float_seconds(const Graph& graph, const std::vector<Tensors>& batches, at::Device device) {
  LowerOptions options;
  options.device = device;
  const auto program = lower(graph, options);
  run(*program, batches[0]);
  return seconds(device, [&] {
    for (const Tensors& batch : batches) run(*program, batch);
  });
}

struct Calibration {
  double seconds = 0;
  size_t waits = 0;
  std::string graphs;
};

/// One calibration of a fresh copy: what the pass takes, end of the observers included, and where `count_waits` (which looks at
/// every operator, so that the time says nothing) how often its loop waited.
Calibration calibrate(const Graph& model, const DatasetPtr& samples, const std::string& platform, at::Device device, size_t batch,
                      bool graphs, bool count_waits = false) {
  const auto graph = model.clone();
  const PlatformSpec& spec = find_platform(platform);
  const QuantizationSetting setting = QuantizationSettingFactory::setting_for(spec.name);
  dispatch_graph(*graph, spec.id, setting.dispatcher);
  PassContext context;
  context.platform = &spec;
  context.setting = &setting;
  context.calibration = samples;
  context.batch_size = batch;
  context.device = device;
  context.device_graphs = graphs;
  Calibration result;
  std::optional<HostWaits> waits;
  if (count_waits) waits.emplace(device);
  bool begun = false;
  size_t before = 0;
  context.progress = [&](const std::string& what, size_t done, size_t total) {
    if (what != "calibrate" || !waits) return;
    if (!begun) begun = true, before = waits->count();
    if (done == total) result.waits = waits->count() - before;
  };
  for (const std::string& name : quantization_pipeline(spec, setting)) {
    if (name.rfind("equalize", 0) == 0) continue;
    const PassRecord record = run_passes(*graph, {name}, context).at(0);
    if (name != "calibrate") continue;
    result.seconds = record.seconds;
    result.graphs = record.decision;
    return result;
  }
  throw Error(ErrorKind::Usage, "--platform", platform + " has no calibration");
}

int measure(const std::string& model, const std::string& data, const std::string& platform, const std::string& device_name, size_t most,
            size_t batch, int rounds) {
  configure_log({LogLevel::Quiet, false, false});
  const at::Device device = resolve_device(device_name);
  const auto graph = read_onnx(model);
  PassContext context;
  run_passes(*graph, cleanup_pipeline(), context);
  const auto specs = input_specs(*graph);
  const DatasetPtr files = open_dataset(data, specs, {});
  std::vector<Tensors> in_memory;
  for (size_t i = 0; i < std::min(most, files->size()); ++i) in_memory.push_back(files->sample(i));
  const DatasetPtr samples = make_dataset(in_memory);
  std::string why;
  if (batch == 0) {
    const BatchChoice choice = choose_batch_size(*graph, *samples, device, device.is_cuda() ? size_t{2} << 30 : size_t{16} << 20, 32);
    batch = choice.batch, why = choice.reason;
  }
  std::vector<Tensors> batches;
  BatchLoader loader(samples, batch);
  while (auto next = loader.next()) {
    Tensors& there = batches.emplace_back();
    for (const at::Tensor& x : next->tensors) there.push_back(x.to(device));
  }
  double plain = INFINITY;
  Calibration best, simple;
  best.seconds = simple.seconds = INFINITY;
  for (int round = 0; round < rounds; ++round) {
    plain = std::min(plain, float_seconds(*graph, batches, device));
    for (const bool graphs : {true, false}) {
      if (!graphs && !device.is_cuda()) continue;
      const Calibration one = calibrate(*graph, samples, platform, device, batch, graphs);
      Calibration& kept = graphs ? best : simple;
      if (one.seconds < kept.seconds) kept = one;
    }
  }
  best.waits = calibrate(*graph, samples, platform, device, batch, true, /*count_waits=*/true).waits;
  const double count = static_cast<double>(samples->size());
  nlohmann::ordered_json json = {{"device", device.str()},
                                 {"model", model},
                                 {"platform", platform},
                                 {"samples", samples->size()},
                                 {"batch_size", batch},
                                 {"libtorch_float_samples_per_second", count / plain},
                                 {"calibration_samples_per_second", count / best.seconds},
                                 {"calibration_share_of_float", plain / best.seconds},
                                 {"host_waits_in_loop", best.waits},
                                 {"peak_rss_bytes", peak_rss_bytes()},
                                 {"peak_device_bytes", peak_device_bytes({device})}};
  if (!why.empty()) json["batch_reason"] = why;
  if (device.is_cuda()) {
    json["graphs"] = best.graphs;
    json["calibration_samples_per_second_without_graphs"] = count / simple.seconds;
  }
  std::cout << json.dump(1) << "\n";
  return 0;
}

}  // namespace
}  // namespace ppq

int main(int argc, char** argv) {
  if (argc != 8) {
    std::cerr << "usage: bench_calibration MODEL DATA PLATFORM DEVICE SAMPLES BATCH ROUNDS\n";
    return 2;
  }
  try {
    return ppq::measure(argv[1], argv[2], argv[3], argv[4], std::stoul(argv[5]), std::stoul(argv[6]), std::stoi(argv[7]));
  } catch (const ppq::Error& error) {
    std::cerr << "bench_calibration: " << error.what() << "\n";
    return static_cast<int>(error.kind());
  } catch (const std::exception& error) {
    std::cerr << "bench_calibration: " << error.what() << "\n";
    return 70;
  }
}
