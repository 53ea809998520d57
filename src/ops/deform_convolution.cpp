#include <ATen/ATen.h>

#include "ops/convolution.h"

namespace ppq::ops {
namespace {

/// Offsets in units of pixels, split: [N, groups, K, out_h, out_w] positions of every sample along one axis.
struct Positions {
  at::Tensor y, x;
};

/// Where each kernel element samples: its place in the regular grid plus its learned offset (y before x).
Positions sample_positions(const at::Tensor& offset, const Window& w, int64_t groups) {
  const int64_t kh = w.kernel[0], kw = w.kernel[1], oh = w.output[0], ow = w.output[1];
  const at::Tensor o = offset.reshape({offset.size(0), groups, kh * kw, 2, oh, ow});
  auto grid = [&](size_t axis, int64_t count) { return at::arange(count, offset.options()) * static_cast<double>(w.dilations[axis]); };
  auto origin = [&](size_t axis) {
    return at::arange(w.output[axis], offset.options()) * static_cast<double>(w.strides[axis]) - static_cast<double>(w.begin[axis]);
  };
  const at::Tensor ky = grid(0, kh).reshape({kh, 1}).expand({kh, kw}).reshape({kh * kw, 1, 1});
  const at::Tensor kx = grid(1, kw).reshape({1, kw}).expand({kh, kw}).reshape({kh * kw, 1, 1});
  return {o.select(3, 0) + ky + origin(0).reshape({oh, 1}), o.select(3, 1) + kx + origin(1).reshape({1, ow})};
}

/// Bilinear samples of x [N, G, C, H*W] at positions [N, G, P]; a corner outside the image counts as 0.
at::Tensor bilinear(const at::Tensor& x, int64_t height, int64_t width, const at::Tensor& py, const at::Tensor& px) {
  const at::Tensor y0 = py.floor(), x0 = px.floor();
  at::Tensor sum;
  for (int corner = 0; corner < 4; ++corner) {
    const at::Tensor cy = y0 + static_cast<double>(corner / 2), cx = x0 + static_cast<double>(corner % 2);
    const at::Tensor weight = (1 - (py - cy).abs()) * (1 - (px - cx).abs());
    const at::Tensor inside = (cy >= 0).logical_and(cy < height).logical_and(cx >= 0).logical_and(cx < width);
    const at::Tensor index = (cy.clamp(0, height - 1) * static_cast<double>(width) + cx.clamp(0, width - 1)).to(at::kLong);
    const at::Tensor value = x.gather(3, index.unsqueeze(2).expand({-1, -1, x.size(2), -1}));
    const at::Tensor part = value * (weight * inside).unsqueeze(2);
    sum = sum.defined() ? sum.add_(part) : part;
  }
  return sum;
}

at::Tensor deform_conv(Inputs in, const WindowAttributes& attributes, int64_t group, int64_t offset_group) {
  const at::Tensor &x = in[0], &weight = in[1], &offset = in[2];
  const at::Tensor bias = input_or_none(in, 3), mask = input_or_none(in, 4);
  if (x.dim() != 4) reject_unsupported("DeformConv", "spatial dimensions: got " + std::to_string(x.dim() - 2) + ", expected 2");
  if (weight.dim() != 4) reject("DeformConv", "weight: got " + to_string(weight.sizes()) + ", expected [M, C / group, kH, kW]");
  if (group < 1 || offset_group < 1 || x.size(1) % group != 0 || weight.size(0) % group != 0 || x.size(1) % offset_group != 0)
    reject("DeformConv", "group and offset_group: got " + std::to_string(group) + " and " + std::to_string(offset_group) +
                             ", expected divisors of the channels");
  if (x.size(2) == 0 || x.size(3) == 0) reject("DeformConv", "input: got " + to_string(x.sizes()) + ", expected elements");
  const Window w = resolve_window(attributes, x.sizes().slice(2), weight.sizes().slice(2));
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), width = x.size(3);
  const int64_t taps = w.kernel[0] * w.kernel[1], places = w.output[0] * w.output[1];
  const Positions p = sample_positions(offset, w, offset_group);
  at::Tensor columns = bilinear(x.reshape({n, offset_group, c / offset_group, h * width}), h, width,
                                p.y.reshape({n, offset_group, taps * places}), p.x.reshape({n, offset_group, taps * places}));
  if (mask.defined()) columns = columns * mask.reshape({n, offset_group, 1, taps * places});
  columns = columns.reshape({n, group, c / group * taps, places});
  const int64_t m = weight.size(0);
  at::Tensor y = at::matmul(weight.reshape({1, group, m / group, c / group * taps}), columns);
  y = y.reshape({n, m, w.output[0], w.output[1]});
  return bias.defined() ? y.add_(bias.reshape({1, m, 1, 1})) : y;
}

}  // namespace

Kernel make_deform_conv(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  return [window = WindowAttributes(spec.node), group = a.get_int("group", 1), offset_group = a.get_int("offset_group", 1)](
             Inputs in, Outputs out) { out[0] = deform_conv(in, window, group, offset_group); };
}

}  // namespace ppq::ops
