#include <ATen/ATen.h>

#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/parallel.h"
#include "ppq/error.h"

namespace ppq::kernels::cpu {
namespace {

constexpr int64_t kSegment = 4096;  ///< elements summed in one piece; fixed, so sums do not depend on the threads

struct Sums {
  std::vector<double> scale, offset;
  explicit Sums(int64_t count) : scale(count), offset(count) {}
};

/// Channels that lie in runs of `inner` elements: a piece is part of one run.
void sum_runs(const Level& level, const QuantizeTask& task, const void* grad, const Layout& layout, bool masked, Sums& total) {
  int64_t rows = layout.outer * layout.channels, cuts = (layout.inner + kSegment - 1) / kSegment;
  Sums pieces(rows * cuts);
  int64_t grain = std::max<int64_t>(1, 8192 / std::min(layout.inner, kSegment));
  parallel_for(rows * cuts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      int64_t row = piece / cuts, start = piece % cuts * kSegment;
      level.backward_uniform(task, grad, row * layout.inner + start, std::min(kSegment, layout.inner - start), row % layout.channels,
                             masked, &pieces.scale[piece], &pieces.offset[piece]);
    }
  });
  for (int64_t piece = 0; piece < rows * cuts; ++piece) {
    int64_t channel = piece / cuts % layout.channels;
    total.scale[channel] += pieces.scale[piece];
    total.offset[channel] += pieces.offset[piece];
  }
}

/// Channels that alternate (channels-last): a piece is a number of whole rows.
void sum_interleaved(const Level& level, const QuantizeTask& task, const void* grad, const Layout& layout, bool masked, Sums& total) {
  int64_t channels = layout.channels, rows = std::max<int64_t>(1, 65536 / channels), count = (layout.outer + rows - 1) / rows;
  Sums pieces(count * channels);
  parallel_for(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      level.backward_varying(task, grad, piece * rows, std::min(layout.outer, (piece + 1) * rows), channels, masked,
                             &pieces.scale[piece * channels], &pieces.offset[piece * channels]);
    }
  });
  for (int64_t i = 0; i < count * channels; ++i) {
    total.scale[i % channels] += pieces.scale[i];
    total.offset[i % channels] += pieces.offset[i];
  }
}

at::Tensor finish(const std::vector<double>& sums, double factor, const at::Tensor& like) {
  at::Tensor result = at::empty({static_cast<int64_t>(sums.size())}, like.options().dtype(at::kFloat));
  float* values = result.mutable_data_ptr<float>();
  for (size_t i = 0; i < sums.size(); ++i) values[i] = static_cast<float>(sums[i] * factor);
  return result.view(like.sizes());
}

}  // namespace

Gradients fake_quantize_backward(const at::Tensor& grad_in, const at::Tensor& x_in, const at::Tensor& scale, const at::Tensor& offset,
                                 int64_t axis, const Format& format, bool masked) {
  const char* function = "fake_quantize_backward";
  if (grad_in.sizes() != x_in.sizes()) throw Error(ErrorKind::Internal, function, "gradient and input differ in shape");
  const Level& level = current_level();
  at::Tensor x = dense(x_in), dx = at::empty_like(x), grad = grad_in;
  if (grad.strides() != x.strides() || grad.scalar_type() != x.scalar_type()) grad = at::empty_like(x).copy_(grad_in);
  Layout layout = layout_of(x, axis);
  Parameters parameters(scale, offset, layout.channels, function);
  QuantizeTask task{x.const_data_ptr(),
                    dx.mutable_data_ptr(),
                    type_of(x, function),
                    parameters.scale.const_data_ptr<float>(),
                    parameters.offset.const_data_ptr<float>(),
                    rule_of(format, function)};
  Sums total(layout.channels);
  if (layout.count() > 0) {
    bool interleaved = layout.inner == 1 && layout.channels > 1;
    (interleaved ? sum_interleaved : sum_runs)(level, task, grad.const_data_ptr(), layout, masked, total);
  }
  double factor = numerics::gradient_factor(x.numel() / std::max<int64_t>(1, layout.channels), task.rule.quant_min, task.rule.quant_max);
  return {dx, finish(total.scale, factor, scale), finish(total.offset, factor, offset)};
}

}  // namespace ppq::kernels::cpu
