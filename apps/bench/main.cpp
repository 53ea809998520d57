#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cpu/level.h"
#include "kernels/kernels.h"
#include "kernels/search.h"

/// Times the CPU kernels against LibTorch's own operators and prints one JSON object. Contenders of one comparison take
/// turns, and the quickest round of each counts: what a busy machine adds is not the kernel's.
namespace ppq::kernels {
namespace {

using Clock = std::chrono::steady_clock;

struct Contender {
  std::string name;
  std::function<void()> run;
};

double quickest(const std::vector<double>& samples) { return *std::min_element(samples.begin(), samples.end()); }

/// `repeat` calls a sample, so that short kernels are not drowned in the clock's own time.
std::vector<std::vector<double>> take_turns(const std::vector<Contender>& contenders, int rounds, int repeat) {
  std::vector<std::vector<double>> samples(contenders.size());
  for (int round = -3; round < rounds; ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      auto start = Clock::now();
      for (int r = 0; r < repeat; ++r) contenders[i].run();
      std::chrono::duration<double, std::micro> took = Clock::now() - start;
      if (round >= 0) samples[i].push_back(took.count() / repeat);
    }
  }
  return samples;
}

class Report {
 public:
  /// Runs the contenders; the first is ours, each other gives a ratio ours/other.
  void compare(const std::string& what, const std::string& size, const std::vector<Contender>& contenders, int rounds, int repeat) {
    auto samples = take_turns(contenders, rounds, repeat);
    std::string row = "    {\"what\": \"" + what + "\", \"size\": \"" + size + "\", \"microseconds\": {";
    for (size_t i = 0; i < contenders.size(); ++i) row += (i ? ", \"" : "\"") + contenders[i].name + "\": " + number(quickest(samples[i]));
    row += "}, \"ratios\": {";
    for (size_t i = 1; i < contenders.size(); ++i) {
      row += (i > 1 ? ", \"to " : "\"to ") + contenders[i].name + "\": " + number(quickest(samples[0]) / quickest(samples[i]));
    }
    rows_.push_back(row + "}}");
  }
  void print() const {
    std::printf("{\n  \"instructions\": \"%s\",\n  \"threads\": %d,\n  \"comparisons\": [\n", cpu_instruction_set(), at::get_num_threads());
    for (size_t i = 0; i < rows_.size(); ++i) std::printf("%s%s\n", rows_[i].c_str(), i + 1 < rows_.size() ? "," : "");
    std::printf("  ]\n}\n");
  }

 private:
  static std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", value);
    return text;
  }
  std::vector<std::string> rows_;
};

struct Size {
  std::string name;
  std::vector<int64_t> sizes;  ///< NCHW
  int rounds, repeat;
};

void bench_observers(Report& report, const Size& size) {
  at::Tensor x = at::randn(size.sizes), relu = at::relu(x), last = x.contiguous(at::MemoryFormat::ChannelsLast);
  int64_t channels = x.size(1);
  auto aminmax = [&](const at::Tensor& t) { return Contender{"aminmax", [t] { at::aminmax(t); }}; };
  Contender pair{"aminmax+histc", [x] {
                   auto [low, high] = at::aminmax(x);
                   at::histc(x, 2048, low.item(), high.item());
                 }};
  auto ours = [](const char* name, const at::Tensor& t, int64_t axis, int64_t count, int64_t bins) {
    auto h = std::make_shared<Histogram>(make_histogram(count, bins, at::kCPU));
    return Contender{name, [t, axis, h] { observe(t, axis, *h); }};
  };
  Contender fresh{"observe", [x] {
                    Histogram h = make_histogram(1, 2048, at::kCPU);
                    observe(x, -1, h);
                  }};
  report.compare("observe normal values", size.name, {ours("observe", x, -1, 1, 2048), aminmax(x), pair}, size.rounds, size.repeat);
  report.compare("observe normal values, new histogram each time", size.name, {fresh, aminmax(x)}, size.rounds, size.repeat);
  report.compare("observe after relu", size.name, {ours("observe", relu, -1, 1, 2048), aminmax(relu)}, size.rounds, size.repeat);
  report.compare("observe constant", size.name, {ours("observe", at::ones_like(x), -1, 1, 2048), aminmax(x)}, size.rounds, size.repeat);
  Contender whole = ours("per tensor", x, -1, 1, 2048);
  report.compare("observe per channel nchw", size.name, {ours("per channel", x, 1, channels, 2048), whole}, size.rounds, size.repeat);
  report.compare("observe per channel channels-last", size.name, {ours("per channel", last, 1, channels, 2048), whole}, size.rounds,
                 size.repeat);
  auto range = std::make_shared<Range>(make_range(1, at::kCPU));
  report.compare("observe range", size.name, {{"range", [x, range] { observe_range(x, -1, *range); }}, aminmax(x)}, size.rounds,
                 size.repeat);
  at::Tensor flat = x.view({-1, 64}), blocks = flat.view({flat.size(0), 2, 32});
  auto block_range = std::make_shared<Range>(make_block_range(flat.sizes(), 1, 32, at::kCPU));
  report.compare("observe range, blocks of 32", size.name,
                 {{"blocks", [flat, block_range] { observe_range_blocks(flat, 1, 32, *block_range); }},
                  {"aminmax of rows", [blocks] { at::aminmax(blocks, 2); }},
                  {"whole range", [x, range] { observe_range(x, -1, *range); }}},
                 size.rounds, size.repeat);
}

/// The end of a calibration of 300 tensors with histograms of 4096 bins. LibTorch has nothing to compare with.
void bench_search(Report& report, int rounds) {
  std::vector<Histogram> histograms;
  for (int i = 0; i < 300; ++i) {
    at::Tensor x = at::randn({20000}) * (1 + i % 7);
    histograms.push_back(make_histogram(1, 4096, at::kCPU));
    observe(i % 3 ? at::relu(x) : x, -1, histograms.back());
  }
  for (auto [kind, name] : {std::pair{search::kQuantile, "percentile"}, {search::kSquaredError, "mse"}, {search::kDivergence, "kl"}}) {
    std::vector<RangeSearch> searches;
    for (const Histogram& h : histograms) {
      RangeSearch one{{}, h, {}, {}};
      one.rule.kind = kind;
      one.rule.quantile = 0.9999;
      searches.push_back(one);
    }
    report.compare(std::string("range search, ") + name + ", asymmetric 8 bits", "300 tensors",
                   {{"search_ranges", [searches] { search_ranges(searches); }}}, std::min(rounds, 5), 1);
  }
}

void bench_fake_quantize(Report& report, const Size& size) {
  at::Tensor x = at::randn(size.sizes), last = x.contiguous(at::MemoryFormat::ChannelsLast), y = x.clone(), z = x.clone();
  int64_t channels = x.size(1);
  at::Tensor scale = at::full({1}, 0.03f), zero = at::zeros({1}), offset = at::full({1}, 7.0f);
  at::Tensor scales = at::full({channels}, 0.03f), zeros = at::zeros({channels});
  Format format{-128, 127};
  auto in_place = [&](const char* name, at::Tensor t, const at::Tensor& s, const at::Tensor& o, int64_t axis) {
    return Contender{name, [=]() mutable { fake_quantize_(t, s, o, axis, format); }};
  };
  Contender multiply{"mul_", [z]() mutable { z.mul_(1.0); }};
  Contender stock{"fake_quantize_per_tensor_affine", [x] { at::fake_quantize_per_tensor_affine(x, 0.03, 0, -128, 127); }};
  report.compare("fake quantize in place, symmetric", size.name, {in_place("fake_quantize_", y, scale, zero, -1), multiply, stock},
                 size.rounds, size.repeat);
  report.compare("fake quantize in place, with offset", size.name, {in_place("fake_quantize_", y, scale, offset, -1), multiply},
                 size.rounds, size.repeat);
  report.compare("fake quantize new tensor", size.name,
                 {{"fake_quantize", [=] { fake_quantize(x, scale, zero, -1, format); }}, stock, {"mul", [x] { at::mul(x, 1.0); }}},
                 size.rounds, size.repeat);
  Contender whole = in_place("per tensor", z, scale, zero, -1);
  report.compare("fake quantize per channel nchw", size.name, {in_place("per channel", y, scales, zeros, 1), whole}, size.rounds,
                 size.repeat);
  report.compare("fake quantize per channel channels-last", size.name, {in_place("per channel", last, scales, zeros, 1), whole},
                 size.rounds, size.repeat);
  Format fp8{-448, 448, Rounding::HalfEven, true, 4, 3};
  report.compare("fake quantize e4m3 in place", size.name,
                 {{"fake_quantize_", [=]() mutable { fake_quantize_(y, scale, zero, -1, fp8); }}, multiply}, size.rounds, size.repeat);
  report.compare(
      "backward", size.name,
      {{"fake_quantize_backward", [=] { fake_quantize_backward(x, x, scale, zero, -1, format); }}, {"mul", [x] { at::mul(x, x); }}},
      size.rounds, size.repeat);
  report.compare("error sums", size.name,
                 {{"error_sums", [=] { error_sums(x, z); }}, {"(q-f)^2 sum", [x, z] { at::sub(x, z).square_().sum(); }}}, size.rounds,
                 size.repeat);
}

}  // namespace
}  // namespace ppq::kernels

int main(int argc, char** argv) {
  using namespace ppq::kernels;
  int rounds = argc > 1 ? std::atoi(argv[1]) : 31;
  at::manual_seed(1);
  Report report;
  for (const Size& size : {Size{"50 MB", {8, 64, 156, 156}, rounds, 1}, Size{"1 MB", {1, 64, 64, 64}, rounds, 20}}) {
    bench_observers(report, size);
    bench_fake_quantize(report, size);
  }
  bench_search(report, rounds);
  report.print();
}
