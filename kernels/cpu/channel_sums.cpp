#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/parallel.h"

namespace ppq::kernels::cpu {
namespace {

constexpr int64_t kSegment = 65536;  ///< elements, fixed: sums do not depend on the threads
constexpr int64_t kKinds = 4;

/// Neighbouring channels: segments of whole rows, each with sums of its own, added in order.
void sum_columns(const Level& level, const char* data, int64_t size, Type type, const Layout& layout, float bound, double* sums) {
  const int64_t channels = layout.channels, rows = std::max<int64_t>(1, kSegment / channels);
  const int64_t segments = (layout.outer + rows - 1) / rows;
  std::vector<double> pieces(static_cast<size_t>(segments * kKinds * channels));
  parallel_for(segments, 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s)
      level.channel_sums_varying(data + s * rows * channels * size, type, std::min(rows, layout.outer - s * rows), channels, bound,
                                 &pieces[static_cast<size_t>(s * kKinds * channels)]);
  });
  for (size_t i = 0; i < pieces.size(); ++i) sums[i % static_cast<size_t>(kKinds * channels)] += pieces[i];
}

/// Each channel's elements lie together, `outer` times.
void sum_rows(const Level& level, const char* data, int64_t size, Type type, const Layout& layout, float bound, double* sums) {
  const int64_t channels = layout.channels, segments = (layout.inner + kSegment - 1) / kSegment;
  std::vector<double> pieces(static_cast<size_t>(channels * segments * kKinds));
  parallel_for(channels * segments, std::max<int64_t>(1, kSegment / std::max<int64_t>(1, layout.inner * layout.outer)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t channel = item / segments, start = item % segments * kSegment;
                   for (int64_t o = 0; o < layout.outer; ++o)
                     level.channel_sums_uniform(data + ((o * channels + channel) * layout.inner + start) * size, type,
                                                std::min(kSegment, layout.inner - start), bound,
                                                &pieces[static_cast<size_t>(item * kKinds)]);
                 }
               });
  for (int64_t item = 0; item < channels * segments; ++item)
    for (int64_t kind = 0; kind < kKinds; ++kind)
      sums[kind * channels + item / segments] += pieces[static_cast<size_t>(item * kKinds + kind)];
}

}  // namespace

at::Tensor channel_sums(const at::Tensor& x_in, int64_t axis, double bound) {
  const at::Tensor x = dense(x_in);
  const Type type = type_of(x, "channel_sums");
  const Layout layout = layout_of(x, axis);
  at::Tensor result = at::zeros({kKinds, x.size(axis)}, x.options().dtype(at::kDouble));
  if (layout.count() == 0) return result;
  const bool columns = layout.inner == 1 && layout.channels > 1;
  (columns ? sum_columns : sum_rows)(current_level(), static_cast<const char*>(x.const_data_ptr()), x.element_size(), type, layout,
                                     static_cast<float>(bound), result.mutable_data_ptr<double>());
  return result;
}

}  // namespace ppq::kernels::cpu
