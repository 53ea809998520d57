#include "kernels/channel_sums.h"

#include <ATen/ATen.h>

#include <cmath>

#include "kernels/cpu/cpu_kernels.h"
#include "ppq/error.h"

namespace ppq::kernels {
namespace {

/// By LibTorch's operators, on any device; nothing waits for it.
at::Tensor composed(const at::Tensor& x, int64_t axis, double bound) {
  std::vector<int64_t> others;
  for (int64_t i = 0; i < x.dim(); ++i)
    if (i != axis) others.push_back(i);
  if (others.empty()) return composed(x.unsqueeze(0), axis + 1, bound);
  const auto power = [&](const at::Tensor& values) {
    return at::linalg_vector_norm(values, 2, others, /*keepdim=*/false, at::kFloat).to(at::kDouble).square();
  };
  const at::Tensor sum = x.sum(others, /*keepdim=*/false, at::kDouble), zero = at::zeros_like(sum);
  if (!std::isfinite(bound)) return at::stack({sum, power(x), zero, zero});
  return at::stack({sum, power(x), power(x.clamp_min(0)), power((x.to(at::kFloat) - bound).clamp_min_(0))});
}

}  // namespace

at::Tensor channel_sums(const at::Tensor& x, int64_t axis, double bound) {
  if (axis < 0 || axis >= x.dim())
    throw Error(ErrorKind::Internal, "channel_sums",
                "axis: got " + std::to_string(axis) + " for " + std::to_string(x.dim()) + " dimensions");
  return x.device().is_cpu() ? cpu::channel_sums(x, axis, bound) : composed(x, axis, bound);
}

}  // namespace ppq::kernels
