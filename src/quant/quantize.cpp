#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "kernels/kernels.h"
#include "kernels/numerics.h"
#include "ppq/error.h"
#include "ppq/quant.h"
#include "quant/fake_quantize.h"

namespace ppq {
namespace {

struct ScaleOffset {
  float scale, offset;
};

/// 2^ceil(log2 x), exact for every x > 0.
double power_of_two_at_least(double x) {
  int exponent;
  double mantissa = std::frexp(x, &exponent);  // x = mantissa × 2^exponent, 0.5 <= mantissa < 1
  return std::ldexp(1.0, mantissa == 0.5 ? exponent - 1 : exponent);
}

/// Integers: the steps between quant_min and quant_max cover the range. PPQ's order of operations, in float64.
ScaleOffset linear_parameters(double min, double max, const QuantScheme& scheme) {
  double steps = scheme.quant_max - scheme.quant_min;
  double scale = scheme.symmetric ? 2 * std::max(-min, max) / steps : (max - min) / steps;
  scale = std::max(scale, scheme.min_scale);
  if (scheme.power_of_two) scale = power_of_two_at_least(scale);
  if (scheme.symmetric) return {static_cast<float>(scale), 0.0f};
  double offset = scheme.quant_min - numerics::rint_of(min / scale);
  return {static_cast<float>(scale), static_cast<float>(std::clamp(offset, scheme.quant_min, scheme.quant_max))};
}

/// Minifloats: the largest magnitude becomes the format's largest number.
ScaleOffset floating_parameters(double min, double max, const QuantScheme& scheme) {
  double scale = std::max(std::max(-min, max) / scheme.quant_max, scheme.min_scale);
  if (scheme.power_of_two) scale = power_of_two_at_least(scale);
  return {static_cast<float>(scale), 0.0f};
}

ScaleOffset parameters_of(double min, double max, const QuantScheme& scheme) {
  if (!std::isfinite(min) || !std::isfinite(max)) {
    throw Error(ErrorKind::Data, "quantization range",
                "got [" + std::to_string(min) + ", " + std::to_string(max) + "], expected finite numbers",
                "look for NaN or Inf in the data or the weights");
  }
  if (min > max) {
    throw Error(ErrorKind::Data, "quantization range", "got minimum " + std::to_string(min) + " above maximum " + std::to_string(max));
  }
  min = std::min(min, 0.0);
  max = std::max(max, 0.0);
  if (max - min < scheme.min_range) {
    // As SNPE and QNN do: the side away from zero moves, so that an unsigned range stays unsigned.
    if (max > 0 || min == 0) {
      max = min + scheme.min_range;
    } else {
      min = max - scheme.min_range;
    }
  }
  return scheme.format == NumberFormat::Floating ? floating_parameters(min, max, scheme) : linear_parameters(min, max, scheme);
}

void check_scheme(const QuantScheme& scheme) {
  if (scheme.format == NumberFormat::Floating ? scheme.quant_max > 0 : scheme.quant_max > scheme.quant_min) return;
  throw Error(ErrorKind::Usage, "quantization scheme",
              "quantized range: got " + std::to_string(scheme.quant_min) + ".." + std::to_string(scheme.quant_max));
}

kernels::Format format_of(const QuantScheme& scheme) {
  kernels::Format format{scheme.quant_min, scheme.quant_max, scheme.rounding, scheme.format == NumberFormat::Floating};
  format.exponent_bits = scheme.exponent_bits;
  format.mantissa_bits = scheme.bits - scheme.exponent_bits - 1;
  return format;
}

int64_t kernel_axis(const at::Tensor& x, const QuantScheme& scheme, const QuantParams& params) {
  if (scheme.granularity == Granularity::PerTensor || params.scale.dim() == 0) return -1;
  int64_t axis = scheme.axis < 0 ? scheme.axis + x.dim() : scheme.axis;
  if (axis < 0 || axis >= x.dim()) {
    throw Error(ErrorKind::Usage, "quantization scheme",
                "axis: got " + std::to_string(scheme.axis) + " for a tensor of " + std::to_string(x.dim()) + " dimensions");
  }
  return axis;
}

void check_params(const QuantParams& params) {
  if (!params.defined()) throw Error(ErrorKind::Internal, "fake quantization", "scale and offset are not there yet");
}

at::ScalarType narrowest_type(const QuantScheme& scheme) {
  struct Row {
    at::ScalarType type;
    double low, high;
  };
  static constexpr Row kRows[] = {{at::kByte, 0, 255}, {at::kChar, -128, 127}, {at::kUInt16, 0, 65535}, {at::kShort, -32768, 32767}};
  for (const Row& row : kRows) {
    if (scheme.quant_min >= row.low && scheme.quant_max <= row.high) return row.type;
  }
  return at::kInt;
}

}  // namespace

bool QuantScheme::operator==(const QuantScheme& other) const {
  auto format = [](const QuantScheme& s) {
    return std::tie(s.bits, s.quant_min, s.quant_max, s.symmetric, s.granularity, s.axis, s.block_size, s.power_of_two, s.dynamic,
                    s.rounding, s.format, s.exponent_bits, s.min_range, s.min_scale);
  };
  return format(*this) == format(other);
}

const char* name_of(QuantState state) {
  switch (state) {
    case QuantState::Initial:
      return "initial";
    case QuantState::Active:
      return "active";
    case QuantState::Passive:
      return "passive";
    case QuantState::Baked:
      return "baked";
    case QuantState::PassiveBaked:
      return "passive-baked";
  }
  return "unknown";
}

QuantParams params_from_range(double min, double max, const QuantScheme& scheme) {
  check_scheme(scheme);
  ScaleOffset result = parameters_of(min, max, scheme);
  return {at::scalar_tensor(result.scale, at::kFloat), at::scalar_tensor(result.offset, at::kFloat)};
}

QuantParams params_from_range(const at::Tensor& min, const at::Tensor& max, const QuantScheme& scheme) {
  check_scheme(scheme);
  if (min.sizes() != max.sizes()) throw Error(ErrorKind::Internal, "quantization range", "minimum and maximum differ in shape");
  at::Tensor lows = min.to(at::kCPU, at::kDouble).contiguous(), highs = max.to(at::kCPU, at::kDouble).contiguous();
  at::Tensor scale = at::empty(lows.sizes(), at::kFloat), offset = at::empty(lows.sizes(), at::kFloat);
  for (int64_t i = 0; i < lows.numel(); ++i) {
    ScaleOffset result = parameters_of(lows.const_data_ptr<double>()[i], highs.const_data_ptr<double>()[i], scheme);
    scale.mutable_data_ptr<float>()[i] = result.scale;
    offset.mutable_data_ptr<float>()[i] = result.offset;
  }
  if (scheme.granularity == Granularity::PerTensor && scale.numel() == 1) {
    scale = scale.reshape({});
    offset = offset.reshape({});
  }
  return {scale.to(min.device()), offset.to(min.device())};
}

std::pair<at::Tensor, at::Tensor> range_of(const QuantParams& params, const QuantScheme& scheme) {
  check_params(params);
  at::Tensor scale = params.scale.to(at::kDouble), offset = params.offset.to(at::kDouble);
  return {scale * (scheme.quant_min - offset), scale * (scheme.quant_max - offset)};
}

at::Tensor fake_quantize(const at::Tensor& x, const QuantScheme& scheme, const QuantParams& params) {
  check_params(params);
  int64_t axis = kernel_axis(x, scheme, params);
  if (scheme.granularity == Granularity::PerBlock && axis >= 0) {
    return kernels::fake_quantize_blocks(x, params.scale, params.offset, axis, scheme.block_size, format_of(scheme));
  }
  return kernels::fake_quantize(x, params.scale, params.offset, axis, format_of(scheme));
}

void fake_quantize_(at::Tensor& x, const QuantScheme& scheme, const QuantParams& params) {
  const int64_t axis = kernel_axis(x, scheme, params);
  if (scheme.granularity == Granularity::PerBlock && axis >= 0) {
    x = fake_quantize(x, scheme, params);
    return;
  }
  check_params(params);
  kernels::fake_quantize_(x, params.scale, params.offset, axis, format_of(scheme));
}

at::Tensor quantize_to_int(const at::Tensor& x, const QuantScheme& scheme, const QuantParams& params) {
  check_params(params);
  int64_t axis = kernel_axis(x, scheme, params);
  if (scheme.format == NumberFormat::Floating) {
    throw Error(ErrorKind::Unsupported, "quantize_to_int", "number format: got floating, expected linear");
  }
  if (scheme.bits > 32)
    throw Error(ErrorKind::Unsupported, "quantize_to_int", "integers: got " + std::to_string(scheme.bits) + " bits, expected at most 32");
  at::ScalarType type = narrowest_type(scheme);
  if (scheme.granularity != Granularity::PerBlock || axis < 0) {
    return kernels::quantize_to_int(x, params.scale, params.offset, axis, format_of(scheme), type);
  }
  // A scale for each element: export only, so simplicity wins over speed.
  at::Tensor flat = x.contiguous().view({1, -1});
  auto spread = [&](const at::Tensor& blocks) {
    return blocks.repeat_interleave(scheme.block_size, axis).narrow(axis, 0, x.size(axis)).contiguous().view({-1});
  };
  return kernels::quantize_to_int(flat, spread(params.scale), spread(params.offset), 1, format_of(scheme), type).view(x.sizes());
}

}  // namespace ppq
