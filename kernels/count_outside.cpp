#include "kernels/count_outside.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>

#include "kernels/cpu/layout.h"
#include "kernels/cpu/parallel.h"

namespace ppq::kernels {
namespace {

constexpr int64_t kSegment = 65536;  ///< elements: counts in 32 bits suffice

int32_t count(const float* x, int64_t n, float low, float high) {
  int32_t outside = 0;
  for (int64_t i = 0; i < n; ++i) outside += static_cast<int32_t>(x[i] < low) | static_cast<int32_t>(x[i] > high);
  return outside;
}

}  // namespace

at::Tensor count_outside(const at::Tensor& x, double low, double high) {
  if (!x.device().is_cpu() || x.scalar_type() != at::kFloat) return at::logical_or(x.lt(low), x.gt(high)).sum(at::kDouble);
  const at::Tensor values = cpu::dense(x);
  const float* data = values.const_data_ptr<float>();
  const int64_t all = values.numel();
  std::atomic<int64_t> outside = 0;
  cpu::parallel_for((all + kSegment - 1) / kSegment, 2, [&](int64_t begin, int64_t end) {
    int64_t mine = 0;
    for (int64_t s = begin; s < end; ++s)
      mine += count(data + s * kSegment, std::min(kSegment, all - s * kSegment), static_cast<float>(low), static_cast<float>(high));
    outside += mine;
  });
  return at::scalar_tensor(static_cast<double>(outside), values.options().dtype(at::kDouble));
}

}  // namespace ppq::kernels
