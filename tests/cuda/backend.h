#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/row_top2.h"
#include "kernels/search.h"

/// The CUDA kernels as the tests see them: run on the host by the shim, or on a device.
namespace ppq::test {

struct ObservationOf {
  at::Tensor x;
  int64_t axis;
  kernels::Histogram* histogram;
};

struct Backend {
  std::string name;
  at::Device device = at::kCPU;
  decltype(&kernels::fake_quantize) fake_quantize;
  decltype(&kernels::fake_quantize_) fake_quantize_;
  decltype(&kernels::fake_quantize_blocks) fake_quantize_blocks;
  decltype(&kernels::quantize_to_int) quantize_to_int;
  decltype(&kernels::fake_quantize_backward) fake_quantize_backward;
  decltype(&kernels::observe) observe;
  decltype(&kernels::merge) merge;
  decltype(&kernels::observe_range) observe_range;
  decltype(&kernels::observe_range_blocks) observe_range_blocks;
  decltype(&kernels::observe_row_top2) observe_row_top2;
  decltype(&kernels::error_sums) error_sums;
  decltype(&kernels::search_ranges) search_ranges;
  void (*observe_many)(const std::vector<ObservationOf>&);
};
const Backend& shim_backend();
/// Null without a CUDA device (or in a build without CUDA).
const Backend* device_backend();

/// Tests over both backends; those of the device skip, saying so, where there is none.
class KernelTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;
  /// x on the backend's device with its own strides.
  at::Tensor there(const at::Tensor& x) const { return x.to(backend_->device); }
  const Backend* backend_ = nullptr;
};
#define PPQ_KERNEL_TESTS(Suite)                                               \
  INSTANTIATE_TEST_SUITE_P(Kernels, Suite, testing::Values("shim", "device"), \
                           [](const testing::TestParamInfo<std::string>& info) { return info.param; })

/// `count` float32 values: normal ones, exact zeros, ties of `scale`, and (special) NaN, ±Inf, denormals and huge values.
at::Tensor sample(at::IntArrayRef sizes, uint64_t seed, float scale = 0.1f, bool special = false);
/// Equal bit for bit; NaN equals NaN.
testing::AssertionResult same(const at::Tensor& a, const at::Tensor& b);
/// The same values in memory that ends (or begins) at a page that must not be touched. Dense, contiguous.
at::Tensor guarded(const at::Tensor& x, bool at_end = true);
/// Equal state of two histograms.
testing::AssertionResult same(const kernels::Histogram& a, const kernels::Histogram& b);

}  // namespace ppq::test
