#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ppq::ops {

enum class ResizeMode { Nearest, Linear, Cubic };
enum class Coordinates { HalfPixel, HalfPixelSymmetric, PytorchHalfPixel, AlignCorners, Asymmetric, TfCropAndResize };
/// Simple is what Upsample and Resize of opset 10 do: down when growing, up when shrinking.
enum class NearestMode { RoundPreferFloor, RoundPreferCeil, Floor, Ceil, Simple };

/// How one axis is interpolated.
struct ResizeRule {
  ResizeMode mode = ResizeMode::Nearest;
  Coordinates coordinates = Coordinates::HalfPixel;
  NearestMode nearest = NearestMode::RoundPreferFloor;
  double cubic_a = -0.75;
  bool exclude_outside = false;
  bool antialias = false;
};

/// One axis of one call.
struct ResizeAxis {
  int64_t axis = 0, input = 0, output = 0;
  double scale = 1;    ///< given, or output / input
  double resized = 0;  ///< input * scale, which `output` is the floor of
  double roi_begin = 0, roi_end = 1;
  bool is_identity(const ResizeRule& rule) const;
};

/// Where each output element reads: `taps` neighbours (clamped into the input) and their weights, row-major [output, taps].
struct AxisWeights {
  int64_t taps = 0;
  std::vector<int64_t> index;
  std::vector<double> weight;
  std::vector<bool> outside;  ///< outputs that take the extrapolation value; empty when there are none
};
AxisWeights weights_of(const ResizeAxis& axis, const ResizeRule& rule);

/// Interpolates floating-point x along one axis (any dtype when nearest).
at::Tensor apply_axis(const at::Tensor& x, const ResizeAxis& axis, const ResizeRule& rule, const AxisWeights& weights,
                      double extrapolation_value);

}  // namespace ppq::ops
