#include "kernels/kernels.h"
#include "tests/cuda/backend.h"
#include "tests/cuda/shim/shim_schedule.h"

// Every barrier of the real kernels is needed, and the shim sees when one is missing: each in turn is taken away, and a small
// job that passes with all of them must fail, by a reported race or by a wrong result.
namespace ppq::test {
namespace {

/// Runs kernels of all kinds against the CPU's; false (or an exception) when anything is wrong.
bool all_kernels_agree() {
  const Backend& backend = shim_backend();
  bool good = true;
  at::Tensor wild = at::cat({sample({9000}, 1) * 0.01, sample({9000}, 2) * 100, sample({21000}, 3) - 900});
  at::Tensor columns = sample({1200, 12}, 4);
  kernels::Histogram mine = kernels::make_histogram(1, 1024, at::kCPU), cpu = mine;
  cpu = kernels::make_histogram(1, 1024, at::kCPU);
  for (float factor : {0.02f, 1.0f, 70.0f}) {
    backend.observe(wild * factor, -1, mine);
    kernels::observe(wild * factor, -1, cpu);
    kernels::Histogram part = kernels::make_histogram(1, 1024, at::kCPU);
    backend.observe(wild * -factor, -1, part);
    backend.merge(mine, part);
    kernels::merge(cpu, part);
  }
  good = good && same(mine, cpu);
  // Growth by one or two steps with a shift, in one chunk of bins and in several.
  for (int64_t bins : {200, 700}) {
    kernels::Histogram small = kernels::make_histogram(1, bins, at::kCPU), small_cpu = kernels::make_histogram(1, bins, at::kCPU);
    at::Tensor steps = at::cat({sample({24000}, 5), sample({24000}, 6) * 2 - 9, sample({24000}, 7) * 4 + 20});
    for (const at::Tensor& x : {steps, steps * -3}) {
      backend.observe(x, -1, small);
      kernels::observe(x, -1, small_cpu);
      kernels::Histogram part = kernels::make_histogram(1, bins, at::kCPU);
      kernels::observe(x * 1.7 + 11, -1, part);
      backend.merge(small, part);
      kernels::merge(small_cpu, part);
    }
    good = good && same(small, small_cpu);
  }
  kernels::Histogram mine12 = kernels::make_histogram(12, 700, at::kCPU), cpu12 = kernels::make_histogram(12, 700, at::kCPU);
  for (float factor : {0.1f, 1.0f, 9.0f}) {
    backend.observe(columns * factor - 3, 1, mine12);
    kernels::observe(columns * factor - 3, 1, cpu12);
  }
  good = good && same(mine12, cpu12);
  // Channels-last: growth and strays in later tiles.
  at::Tensor lanes = sample({6000, 17}, 10);
  at::Tensor wider = lanes * at::linspace(0.1, 8, 6000).unsqueeze(1) - at::linspace(-40, 40, 17);
  lanes.slice(0, 1500, 6000, 53) *= 30;
  kernels::Histogram mine17 = kernels::make_histogram(17, 1100, at::kCPU), cpu17 = kernels::make_histogram(17, 1100, at::kCPU);
  at::Tensor even = at::arange(6000 * 17).view({6000, 17}).remainder(1001).to(at::kFloat) / 1024;  // grows by one step and moves down
  even.slice(0, 1500, 6000, 253) = 1.98828125f;
  kernels::Histogram moved = kernels::make_histogram(17, 1020, at::kCPU), moved_cpu = kernels::make_histogram(17, 1020, at::kCPU);
  backend.observe(even, 1, moved);
  kernels::observe(even, 1, moved_cpu);
  good = good && same(moved, moved_cpu);
  for (const at::Tensor& x : {lanes, wider * -3 + 100}) {
    backend.observe(x, 1, mine17);
    kernels::observe(x, 1, cpu17);
  }
  good = good && same(mine17, cpu17);
  for (int64_t axis : {-1, 1}) {
    int64_t channels = axis < 0 ? 1 : 12;
    kernels::Range range = kernels::make_range(channels, at::kCPU), cpu_range = kernels::make_range(channels, at::kCPU);
    backend.observe_range(columns, axis, range);
    kernels::observe_range(columns, axis, cpu_range);
    good = good && same(range.minimum, cpu_range.minimum) && same(range.maximum, cpu_range.maximum);
    at::Tensor scale = at::full({channels}, 0.05f), offset = at::zeros({channels});
    kernels::Gradients a = backend.fake_quantize_backward(columns, columns * 2, scale, offset, axis, {-8, 7}, true);
    kernels::Gradients b = kernels::fake_quantize_backward(columns, columns * 2, scale, offset, axis, {-8, 7}, true);
    good = good && at::allclose(a.scale, b.scale) && at::allclose(a.offset, b.offset);
  }
  kernels::RowTop2 top2 = kernels::make_row_top2(at::kCPU), cpu_top2 = kernels::make_row_top2(at::kCPU);
  for (const at::Tensor& rows : {sample({30, 2100}, 8), sample({20, 9}, 9), sample({400, 380}, 10), sample({20, 600}, 11)}) {
    backend.observe_row_top2(rows, false, 254.49, top2);
    kernels::observe_row_top2(rows, false, 254.49, cpu_top2);
  }
  good = good && same(top2.cells, cpu_top2.cells) && same(top2.range.minimum, cpu_top2.range.minimum) &&
         same(top2.range.maximum, cpu_top2.range.maximum);
  at::Tensor q = at::round(columns), difference = (q - columns).to(at::kDouble);
  good = good && at::allclose(backend.error_sums(q, columns)[0], (difference * difference).sum());
  std::vector<kernels::RangeSearch> searches;
  for (search::Kind kind : {search::kDivergence, search::kQuantile, search::kSquaredError}) {
    for (float center : {0.0f, 5.0f, -2.0f, 30.0f}) {  // more channels than blocks
      kernels::Histogram histogram = kernels::make_histogram(1, 300, at::kCPU);
      kernels::observe(sample({400}, searches.size()) + center, -1, histogram);
      search::Rule rule;
      rule.kind = kind;
      rule.quantile = 0.99;
      rule.quant_max = 7;
      rule.symmetric = kind == search::kDivergence && center > 0;
      searches.push_back({rule, histogram, {}, {}});
    }
  }
  searches.push_back(searches.back());
  searches.back().rule.kind = search::kPpqKl;
  return good && same(backend.search_ranges(searches), kernels::search_ranges(searches));
}

TEST(BrokenKernels, EveryMissingBarrierIsCaught) {
  shim::set_schedule(0);
  ASSERT_TRUE(all_kernels_agree());
  std::vector<std::string> places = shim::barrier_places();
  int tried = 0;
  for (const std::string& place : places) {
    if (place.find("shim_test.cpp") != std::string::npos) continue;
    ++tried;
    bool caught = false;
    for (unsigned seed = 0; seed < 4 && !caught; ++seed) {
      shim::set_schedule(seed);
      shim::break_barrier(place);
      try {
        caught = !all_kernels_agree();
      } catch (const std::runtime_error&) {
        caught = true;
      }
    }
    EXPECT_TRUE(caught) << "the barrier at " << place << " is not needed, or its absence is not seen";
  }
  shim::break_barrier("");
  shim::set_schedule(0);
  EXPECT_GE(tried, 20);
  EXPECT_TRUE(all_kernels_agree());
}

}  // namespace
}  // namespace ppq::test
