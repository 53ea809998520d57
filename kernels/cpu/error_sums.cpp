#include <ATen/ATen.h>

#include <array>
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/parallel.h"
#include "ppq/error.h"

namespace ppq::kernels::cpu {

at::Tensor error_sums(const at::Tensor& quantized, const at::Tensor& reference) {
  const char* function = "error_sums";
  if (quantized.sizes() != reference.sizes()) {
    throw Error(ErrorKind::Internal, function, "quantized and reference tensor differ in shape");
  }
  constexpr int64_t kSegment = 16384;  // fixed, so sums do not depend on the threads
  const Level& level = current_level();
  at::Tensor q = quantized, f = reference;
  if (q.scalar_type() != f.scalar_type()) q = q.to(at::kFloat), f = f.to(at::kFloat);
  f = dense(f);
  if (q.strides() != f.strides()) q = at::empty_like(f).copy_(q);
  Type type = type_of(q, function);
  int64_t count = q.numel(), segments = (count + kSegment - 1) / kSegment, size = q.element_size();
  const char* left = static_cast<const char*>(q.const_data_ptr());
  const char* right = static_cast<const char*>(f.const_data_ptr());
  std::vector<std::array<double, 4>> pieces(segments);
  parallel_for(segments, 2, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      int64_t start = s * kSegment;
      level.error_sums(left + start * size, right + start * size, type, std::min(kSegment, count - start), pieces[s].data());
    }
  });
  at::Tensor result = at::zeros({4}, q.options().dtype(at::kDouble));
  double* sums = result.mutable_data_ptr<double>();
  for (const auto& piece : pieces) {
    for (int i = 0; i < 4; ++i) sums[i] += piece[i];
  }
  return result;
}

}  // namespace ppq::kernels::cpu
