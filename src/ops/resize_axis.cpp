#include "ops/resize_axis.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace ppq::ops {
namespace {

/// The place in the input that output element i is read from.
double source_position(const ResizeAxis& a, Coordinates coordinates, int64_t i) {
  const double x = static_cast<double>(i), input = static_cast<double>(a.input);
  switch (coordinates) {
    case Coordinates::HalfPixel:
      return (x + 0.5) / a.scale - 0.5;
    case Coordinates::PytorchHalfPixel:
      return a.resized == 1 ? -0.5 : (x + 0.5) / a.scale - 0.5;
    case Coordinates::HalfPixelSymmetric: {
      const double adjustment = static_cast<double>(a.output) / a.resized;
      return input / 2 * (1 - adjustment) + (x + 0.5) / a.scale - 0.5;
    }
    case Coordinates::AlignCorners:
      return a.resized == 1 ? 0 : x * (input - 1) / (a.resized - 1);
    case Coordinates::Asymmetric:
      return x / a.scale;
    case Coordinates::TfCropAndResize: {
      const double span = (a.roi_end - a.roi_begin) * (input - 1);
      return a.roi_begin * (input - 1) + (a.resized == 1 ? span / 2 : x * span / (a.resized - 1));
    }
  }
  return 0;
}

int64_t nearest_index(double x, NearestMode mode, bool shrinking) {
  switch (mode) {
    case NearestMode::RoundPreferFloor:
      return static_cast<int64_t>(std::ceil(x - 0.5));
    case NearestMode::RoundPreferCeil:
      return static_cast<int64_t>(std::floor(x + 0.5));
    case NearestMode::Floor:
      return static_cast<int64_t>(std::floor(x));
    case NearestMode::Ceil:
      return static_cast<int64_t>(std::ceil(x));
    case NearestMode::Simple:
      return static_cast<int64_t>(shrinking ? std::ceil(x) : std::floor(x));
  }
  return 0;
}

double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }

/// Keys' cubic convolution kernel.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

}  // namespace

bool ResizeAxis::is_identity(const ResizeRule& rule) const {
  if (input != output || scale != 1) return false;
  return rule.coordinates != Coordinates::TfCropAndResize || (roi_begin == 0 && roi_end == 1);
}

AxisWeights weights_of(const ResizeAxis& a, const ResizeRule& rule) {
  AxisWeights w;
  const bool nearest = rule.mode == ResizeMode::Nearest;
  const double radius = rule.mode == ResizeMode::Linear ? 1 : 2;
  const double shrink = rule.antialias ? std::min(a.scale, 1.0) : 1.0;
  // A scale that leaves an element of an axis reaches over it twice at most.
  const int64_t reach = static_cast<int64_t>(std::min(std::ceil(radius / shrink), 2.0 * static_cast<double>(a.input) + 2));
  w.taps = nearest ? 1 : 2 * reach;
  w.index.resize(a.output * w.taps);
  w.weight.assign(a.output * w.taps, 1);
  for (int64_t i = 0; i < a.output; ++i) {
    const double x = source_position(a, rule.coordinates, i);
    if (rule.coordinates == Coordinates::TfCropAndResize && (x < 0 || x > static_cast<double>(a.input - 1))) {
      w.outside.resize(a.output, false);
      w.outside[i] = true;
    }
    if (nearest) {
      w.index[i] = std::clamp<int64_t>(nearest_index(x, rule.nearest, a.scale < 1), 0, a.input - 1);
      continue;
    }
    const int64_t first = static_cast<int64_t>(std::floor(x)) - reach + 1;
    double sum = 0;
    for (int64_t t = 0; t < w.taps; ++t) {
      const int64_t at = first + t;
      const double distance = (static_cast<double>(at) - x) * shrink;
      double weight = rule.mode == ResizeMode::Linear ? triangle(distance) : cubic(distance, rule.cubic_a);
      if (rule.exclude_outside && (at < 0 || at >= a.input)) weight = 0;
      w.index[i * w.taps + t] = std::clamp<int64_t>(at, 0, a.input - 1);
      w.weight[i * w.taps + t] = weight;
      sum += weight;
    }
    if (sum != 0)
      for (int64_t t = 0; t < w.taps; ++t) w.weight[i * w.taps + t] /= sum;
  }
  return w;
}

at::Tensor apply_axis(const at::Tensor& x, const ResizeAxis& a, const ResizeRule& rule, const AxisWeights& w, double extrapolation_value) {
  const at::Tensor index = at::tensor(w.index, at::kLong).reshape({a.output, w.taps});
  at::Tensor y;
  if (rule.mode == ResizeMode::Nearest) {
    y = x.index_select(a.axis, index.select(1, 0).to(x.device()));
  } else if (w.taps > 4) {
    const at::Tensor weight = at::tensor(w.weight, at::kDouble).reshape({a.output, w.taps});
    const at::Tensor matrix = at::zeros({a.output, a.input}, at::kDouble).scatter_add_(1, index, weight).to(x.options());
    y = at::matmul(x.movedim(a.axis, -1), matrix.t()).movedim(-1, a.axis);
  } else {
    std::vector<int64_t> shape(x.dim(), 1);
    shape[a.axis] = a.output;
    const at::Tensor weight = at::tensor(w.weight, at::kDouble).reshape({a.output, w.taps}).to(x.options());
    const at::Tensor columns = index.to(x.device());
    for (int64_t t = 0; t < w.taps; ++t) {
      const at::Tensor part = x.index_select(a.axis, columns.select(1, t));
      const at::Tensor factor = weight.select(1, t).reshape(shape);
      y = t == 0 ? part * factor : at::addcmul(y, part, factor);
    }
  }
  if (w.outside.empty()) return y;
  std::vector<int64_t> shape(x.dim(), 1);
  shape[a.axis] = a.output;
  at::Tensor mask = at::zeros({a.output}, at::kBool);
  for (int64_t i = 0; i < a.output; ++i) mask.data_ptr<bool>()[i] = w.outside[i];
  return y.masked_fill(mask.to(x.device()).reshape(shape), extrapolation_value);
}

}  // namespace ppq::ops
