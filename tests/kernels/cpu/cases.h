#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cpu/level.h"
#include "kernels/kernels.h"

/// Shared by the tests of the CPU kernels: tensors of every layout, awkward values, and comparison by bits.
namespace ppq::kernels::test {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Normal numbers, the same for a seed.
inline at::Tensor random_values(at::IntArrayRef sizes, uint64_t seed, double spread = 1) {
  at::manual_seed(seed);
  return at::randn(sizes) * spread;
}

/// Puts zeros of both signs, ties, denormals, huge numbers and (asked for) NaN and Inf among the values.
inline at::Tensor with_awkward_values(at::Tensor x, bool nonfinite) {
  std::vector<float> awkward{0.0f, -0.0f, 0.5f, -0.5f, 1.5f, 2.5f, -2.5f, 0.49999997f, 1e-45f, -1e-45f, 1e-39f, 3e38f, -3e38f, 1e10f};
  if (nonfinite) awkward.insert(awkward.end(), {kNan, kInf, -kInf});
  at::Tensor flat = x.view({-1});
  for (size_t i = 0; i < awkward.size(); ++i) {
    int64_t at = static_cast<int64_t>(i) * 7 + 3;
    if (at < flat.numel()) flat[at] = awkward[i];
  }
  return x;
}

struct Case {
  at::Tensor x;
  int64_t axis;
  std::string name;
};

/// x in the layouts a kernel must take: sizes from nothing to several chunks, every axis, channels-last, odd channels, permuted
/// memory, a view that starts off a vector's alignment, and one with gaps.
inline std::vector<Case> layouts(bool nonfinite, double spread = 1) {
  std::vector<Case> cases;
  auto make = [&](at::IntArrayRef sizes) { return with_awkward_values(random_values(sizes, cases.size() + 1, spread), nonfinite); };
  for (int64_t n : {0, 1, 7, 16, 31, 1000, 4096, 4097, 140001}) cases.push_back({make({n}), -1, "flat " + std::to_string(n)});
  cases.push_back({make({140002}).narrow(0, 1, 140001), -1, "misaligned"});
  for (int64_t axis : {0, 1, 2, 3, -1}) {
    cases.push_back({make({3, 5, 7, 6}), axis, "nchw axis " + std::to_string(axis)});
    cases.push_back({make({3, 5, 7, 6}).contiguous(at::MemoryFormat::ChannelsLast), axis, "channels-last axis " + std::to_string(axis)});
    cases.push_back({make({3, 5, 7, 6}).permute({2, 0, 3, 1}), axis, "permuted axis " + std::to_string(axis)});
    cases.push_back({make({3, 5, 7, 13}).slice(3, 1, 12, 2), axis, "gaps axis " + std::to_string(axis)});
  }
  cases.push_back({make({2, 67, 49, 40}), 1, "nchw odd channels"});
  cases.push_back({make({2, 67, 49, 40}).contiguous(at::MemoryFormat::ChannelsLast), 1, "channels-last odd channels"});
  cases.push_back({make({64, 1, 3, 3}), 0, "depthwise weight"});
  cases.push_back({make({1, 1, 50, 50}), 1, "one channel"});
  cases.push_back({make({0, 4, 5}), 1, "empty"});
  cases.push_back({make({33, 17}), 1, "matrix columns"});
  cases.push_back({make({3, 2, 1, 70001}), 1, "long runs"});
  return cases;
}

/// The same bits; any NaN equals any NaN.
inline ::testing::AssertionResult same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return ::testing::AssertionFailure() << "shape or type differs";
  at::Tensor left = a.contiguous(), right = b.contiguous();
  size_t size = left.element_size();
  at::Tensor left_nan = at::isFloatingType(a.scalar_type()) ? at::isnan(left) : at::zeros(left.sizes(), at::kBool);
  at::Tensor right_nan = at::isFloatingType(a.scalar_type()) ? at::isnan(right) : left_nan;
  for (int64_t i = 0; i < left.numel(); ++i) {
    bool nan = left_nan.const_data_ptr<bool>()[i];
    if (nan && right_nan.const_data_ptr<bool>()[i]) continue;
    const char* l = static_cast<const char*>(left.const_data_ptr()) + i * size;
    const char* r = static_cast<const char*>(right.const_data_ptr()) + i * size;
    if (std::memcmp(l, r, size) != 0) {
      return ::testing::AssertionFailure() << "element " << i << ": " << left.view({-1})[i].item<double>() << " and "
                                           << right.view({-1})[i].item<double>();
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace ppq::kernels::test
