// Measures, on a CUDA device, what share of the memory bandwidth each kernel reaches, the peak memory of an observation, and
// that the calibration calls do not synchronise. Run through scripts/bench/cuda. Exits 4 without a device.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/kernels.h"
#include "kernels/row_top2.h"

#if PPQ_WITH_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

namespace {

using ppq::kernels::Format;
using ppq::kernels::Histogram;
using ppq::kernels::Range;

/// Median milliseconds of one call, by events around `calls` of them, after a warm-up.
double milliseconds(const std::function<void()>& body, int calls) {
  for (int i = 0; i < 3; ++i) body();
  std::vector<float> times;
  for (int repeat = 0; repeat < 11; ++repeat) {
    at::cuda::CUDAEvent start(cudaEventDefault), stop(cudaEventDefault);
    start.record();
    for (int i = 0; i < calls; ++i) body();
    stop.record();
    stop.synchronize();
    times.push_back(start.elapsed_time(stop) / static_cast<float>(calls));
  }
  std::nth_element(times.begin(), times.begin() + 5, times.end());
  return times[5];
}

/// Runs `body` with LibTorch's synchronisation debug mode: a synchronising LibTorch call throws.
bool is_asynchronous(const std::function<void()>& body) {
  c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_ERROR);
  bool asynchronous = true;
  try {
    body();
  } catch (const c10::Error&) {
    asynchronous = false;
  }
  c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_DISABLED);
  return asynchronous;
}

struct Bench {
  nlohmann::json rows = nlohmann::json::array();
  double copy_gb_s = 0;  ///< what a plain device copy reaches: the yardstick
  size_t l2_bytes = 0;   ///< smaller tensors are not read from memory

  void add(const std::string& kernel, const at::Tensor& x, double bytes, const std::function<void()>& body, int calls = 0) {
    double ms = milliseconds(body, calls > 0 ? calls : x.nbytes() > (8 << 20) ? 20 : 200), gb_s = bytes / ms * 1e-6;
    rows.push_back({{"kernel", kernel},
                    {"type", c10::toString(x.scalar_type())},
                    {"megabytes", static_cast<double>(x.nbytes()) * 1e-6},
                    {"milliseconds", ms},
                    {"gigabytes_per_second", gb_s},
                    {"share_of_copy", gb_s / copy_gb_s},
                    {"fits_l2", x.nbytes() <= l2_bytes},
                    {"asynchronous", is_asynchronous(body)}});
    std::printf("%-34s %-8s %8.1f MB  %8.4f ms  %7.0f GB/s  %5.1f %% of a copy%s\n", kernel.c_str(), c10::toString(x.scalar_type()),
                static_cast<double>(x.nbytes()) * 1e-6, ms, gb_s, 100 * gb_s / copy_gb_s, x.nbytes() <= l2_bytes ? " (in L2)" : "");
  }
};

void measure(Bench& bench, const at::Tensor& x, const std::string& layout) {
  const double bytes = static_cast<double>(x.nbytes());
  const Format format{0, 255};
  at::Tensor one = at::full({1}, 0.05f, x.options().dtype(at::kFloat)), zero = at::zeros_like(one);
  at::Tensor many = at::full({x.size(1)}, 0.05f, one.options()), zeros = at::zeros_like(many);
  at::Tensor target = x.clone(), dy = at::randn_like(x);
  for (int64_t axis : {int64_t{-1}, int64_t{1}}) {
    std::string name = (axis < 0 ? " per tensor, " : " per channel, ") + layout;
    const at::Tensor &scale = axis < 0 ? one : many, &offset = axis < 0 ? zero : zeros;
    bench.add("fake_quantize_" + name, x, 2 * bytes, [&] { ppq::kernels::fake_quantize_(target, scale, offset, axis, format); });
    bench.add("quantize_to_int" + name, x, bytes + static_cast<double>(x.numel()),
              [&] { ppq::kernels::quantize_to_int(x, scale, offset, axis, format, at::kByte); });
    bench.add("fake_quantize_backward" + name, x, 3 * bytes,
              [&] { ppq::kernels::fake_quantize_backward(dy, x, scale, offset, axis, format); });
    Range range = ppq::kernels::make_range(scale.numel(), x.device());
    bench.add("observe_range" + name, x, bytes, [&] { ppq::kernels::observe_range(x, axis, range); });
    Histogram histogram = ppq::kernels::make_histogram(scale.numel(), 2048, x.device());
    bench.add("observe" + name, x, bytes, [&] { ppq::kernels::observe(x, axis, histogram); });
  }
  bench.add("error_sums " + layout, x, 2 * bytes, [&] { ppq::kernels::error_sums(target, x); });
}

/// 200 tensors of 16 KB: what a net of many small layers costs.
void measure_small(Bench& bench, at::Device device) {
  std::vector<at::Tensor> tensors;
  std::vector<Histogram> histograms;
  for (int i = 0; i < 200; ++i) {
    tensors.push_back(at::randn({4096}, at::device(device)));
    histograms.push_back(ppq::kernels::make_histogram(1, 2048, device));
  }
  std::vector<ppq::kernels::cuda::Observation> list;
  for (int i = 0; i < 200; ++i) list.push_back({tensors[i], -1, &histograms[i]});
  double bytes = 200 * 16384.0;
  bench.add("observe, 200 x 16 KB one by one", tensors[0], bytes, [&] {
    for (int i = 0; i < 200; ++i) ppq::kernels::observe(tensors[i], -1, histograms[i]);
  });
  bench.add("observe_many, 200 x 16 KB", tensors[0], bytes, [&] { ppq::kernels::cuda::observe_many(list); });
}

/// Blocks of 32 weights, along rows and across them.
void measure_blocks(Bench& bench, const at::Tensor& x) {
  for (int64_t axis : {int64_t{1}, int64_t{0}}) {
    Range range = ppq::kernels::make_block_range(x.sizes(), axis, 32, x.device());
    const double state = static_cast<double>(range.minimum.numel()) * 16;
    bench.add(std::string("observe_range_blocks, 32 along ") + (axis == 1 ? "rows" : "columns"), x, static_cast<double>(x.nbytes()) + state,
              [&] { ppq::kernels::observe_range_blocks(x, axis, 32, range); });
  }
}

/// Rows of attention and of a vocabulary, as a Softmax gives them.
void measure_rows(Bench& bench, at::Device device) {
  for (auto [rows, length] : {std::pair<int64_t, int64_t>{16000000, 10}, {442368, 384}, {5120, 32000}})
    for (at::ScalarType type : {at::kFloat, at::kHalf}) {
      at::Tensor x = at::softmax(at::randn({rows, length}, at::device(device)) * 5, 1).to(type);
      ppq::kernels::RowTop2 state = ppq::kernels::make_row_top2(device);
      bench.add("observe_row_top2, rows of " + std::to_string(length), x, static_cast<double>(x.nbytes()),
                [&] { ppq::kernels::observe_row_top2(x, false, 254.49, state); });
    }
}

/// The end of a calibration of 300 tensors. The table of searches is copied first, so this is not asynchronous.
void measure_search(Bench& bench, at::Device device) {
  std::vector<Histogram> histograms;
  for (int i = 0; i < 300; ++i) {
    at::Tensor x = at::randn({20000}, at::device(device)) * (1 + i % 7);
    histograms.push_back(ppq::kernels::make_histogram(1, 4096, device));
    ppq::kernels::observe(i % 3 ? at::relu(x) : x, -1, histograms.back());
  }
  for (auto [kind, name] :
       {std::pair{ppq::search::kQuantile, "percentile"}, {ppq::search::kSquaredError, "mse"}, {ppq::search::kDivergence, "kl"}}) {
    std::vector<ppq::kernels::RangeSearch> searches;
    double bytes = 0;
    for (const Histogram& h : histograms) {
      ppq::kernels::RangeSearch one{{}, h, {}, {}};
      one.rule.kind = kind;
      one.rule.quantile = 0.9999;
      searches.push_back(one);
      bytes += static_cast<double>(h.counts.nbytes());
    }
    bench.add(
        std::string("search_ranges, 300 tensors, ") + name, histograms[0].minimum, bytes, [&] { ppq::kernels::search_ranges(searches); },
        5);
  }
}

int run(const char* file) {
  if (c10::cuda::device_count() == 0) {
    std::cerr << "bench_cuda: no CUDA device: nothing can be measured here\n";
    return 4;
  }
  at::Device device(at::kCUDA, c10::cuda::current_device());
  const cudaDeviceProp* properties = at::cuda::getCurrentDeviceProperties();
  Bench bench;
  bench.l2_bytes = static_cast<size_t>(properties->l2CacheSize);
  at::Tensor from = at::randn({64 << 20}, at::device(device)), to = at::empty_like(from);
  bench.copy_gb_s = 2 * static_cast<double>(from.nbytes()) / milliseconds([&] { to.copy_(from); }, 10) * 1e-6;
  from = at::Tensor();
  to = at::Tensor();
  for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    // 411 MB of float32 and 206 MB of 16 bits: several times any L2 cache, whose 50 to 130 MB would else be what is measured.
    at::Tensor large = at::relu(at::randn({256, 128, 56, 56}, at::device(device)) * 2).to(type), small = large.slice(0, 0, 1).clone();
    measure(bench, large, "NCHW");
    measure(bench, large.contiguous(at::MemoryFormat::ChannelsLast), "NHWC");
    measure(bench, small, "NCHW");
  }
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) measure_blocks(bench, at::randn({16384, 8192}, at::device(device)).to(type));
  measure_rows(bench, device);
  measure_small(bench, device);
  measure_search(bench, device);
  auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  nlohmann::json result = {{"device", properties->name},
                           {"multiprocessors", properties->multiProcessorCount},
                           {"l2_bytes", bench.l2_bytes},
                           {"copy_gigabytes_per_second", bench.copy_gb_s},
                           {"peak_bytes", stats.allocated_bytes[0].peak},
                           {"kernels", bench.rows}};
  std::ofstream(file) << result.dump(1) << "\n";
  std::cout << "wrote " << file << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "cuda.json");
  } catch (const std::exception& error) {
    std::cerr << "bench_cuda: " << error.what() << "\n";
    return 70;
  }
}
#else
int main() {
  std::cerr << "bench_cuda: this build has no CUDA kernels (PPQ_CUDA is OFF): nothing can be measured here\n";
  return 4;
}
#endif
