#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "ppq/rounding.h"

namespace ppq {

enum class Granularity { PerTensor, PerChannel, PerBlock };
/// Linear: integers. Floating: FP8-like minifloats with `exponent_bits`.
enum class NumberFormat { Linear, Floating };

/// How a tensor is quantized; what stays the same whatever the data is.
struct QuantScheme {
  int bits = 8;
  double quant_min = 0, quant_max = 255;  ///< inclusive
  bool symmetric = false;                 ///< offset is 0
  Granularity granularity = Granularity::PerTensor;
  int axis = 0;  ///< channel axis, or the blocked axis
  int64_t block_size = 0;
  bool power_of_two = false;
  bool dynamic = false;
  Rounding rounding = Rounding::HalfEven;
  NumberFormat format = NumberFormat::Linear;
  int exponent_bits = 0;
  std::string observer = "minmax";  ///< how numbers are found; no part of the format
  double min_range = 0;             ///< the target widens smaller ranges to this (SNPE and QNN: 1e-4)
  double min_scale = 1e-8;
  /// The same format: tensors can share their numbers.
  bool operator==(const QuantScheme& other) const;
};

/// The numbers: float32 tensors, 0-dim per tensor, [C] per channel, the blocked shape per block. Offset is the integer
/// zero point in floating representation: q = clamp(round(x / scale) + offset, quant_min, quant_max).
struct QuantParams {
  at::Tensor scale, offset;
  /// Of a constant: its values as a pass rounded them, on this grid; undefined: to nearest.
  at::Tensor rounded{};
  bool defined() const { return scale.defined(); }
};

enum class QuantState {
  Initial,       ///< waiting for calibration
  Active,        ///< simulated with `params`
  Passive,       ///< follows other tensors (bias: input scale × weight scale; Clip bounds: input); see PassiveParameters
  Baked,         ///< a parameter whose stored values are already rounded
  PassiveBaked,  ///< a passive parameter whose stored values are already rounded
};
const char* name_of(QuantState state);

/// One quantization of one tensor. Node slots refer to it; slots that must agree refer to the same one.
struct TensorQuant {
  QuantScheme scheme;
  QuantParams params;
  QuantState state = QuantState::Initial;
  /// False for what the target works out by itself (biases, Clip bounds): simulated, never written.
  bool exported = true;
  /// Set by the user (encodings file) or by the op (Sigmoid: 0..1): calibration and alignment leave it.
  bool fixed = false;
  /// Name of the value whose statistics decide the params (of a fused Conv and Relu: Relu's output); set before calibration.
  std::string observed;
  /// Numbers under each observer that was tried (observer name -> params); empty unless the observer is "auto".
  std::map<std::string, QuantParams> candidates;
  bool simulated() const { return state == QuantState::Active || (state == QuantState::Passive && params.defined()); }
};
using TensorQuantPtr = std::shared_ptr<TensorQuant>;

/// Scale and offset for the range [min, max] (widened to hold 0), per tensor or per channel: min and max are float64
/// tensors of one element or [C]. Follows PPQ's minmax_to_scale_offset with offset = quant_min - round(min / scale),
/// clamped. Power-of-two scales are rounded up and the offset belongs to the rounded scale.
QuantParams params_from_range(const at::Tensor& min, const at::Tensor& max, const QuantScheme& scheme);
QuantParams params_from_range(double min, double max, const QuantScheme& scheme);

/// The real values of quant_min and quant_max: scale × (quant_min - offset), scale × (quant_max - offset).
std::pair<at::Tensor, at::Tensor> range_of(const QuantParams& params, const QuantScheme& scheme);

/// q(x) as float: (clamp(round(x/scale) + offset) - offset) × scale, or the minifloat equivalent. A new tensor.
at::Tensor fake_quantize(const at::Tensor& x, const QuantScheme& scheme, const QuantParams& params);
/// The same of what `quant` belongs to: a constant whose rounding was chosen takes that.
inline at::Tensor fake_quantize(const at::Tensor& x, const TensorQuant& quant) {
  return quant.params.rounded.defined() ? quant.params.rounded : fake_quantize(x, quant.scheme, quant.params);
}
/// The integers themselves, in the narrowest type that holds quant_min..quant_max (int8, uint8, int16, uint16, int32).
at::Tensor quantize_to_int(const at::Tensor& x, const QuantScheme& scheme, const QuantParams& params);

}  // namespace ppq
