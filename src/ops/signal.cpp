#include <ATen/ATen.h>

#include <cmath>

#include "ops/arithmetic.h"
#include "ops/families.h"
#include "ops/memory_bound.h"

namespace ppq::ops {
namespace {

at::ScalarType output_type(const OpSpec& spec) {
  return to_scalar_type(static_cast<DataType>(spec.node.attributes.get_int("output_datatype", 1)));
}

/// Windows are a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N), N being the size, less 1 where not periodic.
Kernel window(const OpSpec& spec, double a0, double a1, double a2) {
  const bool periodic = spec.node.attributes.get_int("periodic", 1);
  return [=, spec_type = spec.node.op_type, type = output_type(spec)](Inputs in, Outputs out) {
    const int64_t size = to_int(in[0], "size");
    check_room(spec_type, {size});
    const at::Tensor phase = at::arange(size, at::kDouble) * (2 * M_PI / static_cast<double>(periodic ? size : size - 1));
    out[0] = (phase.cos() * -a1 + (phase * 2).cos() * a2 + a0).to(type);
  };
}

Kernel hann(const OpSpec& spec) { return window(spec, 0.5, 0.5, 0); }
Kernel hamming(const OpSpec& spec) { return window(spec, 25.0 / 46, 21.0 / 46, 0); }
Kernel blackman(const OpSpec& spec) { return window(spec, 0.42, 0.5, 0.08); }

double to_mel(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
double to_hertz(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

/// Triangular filters [dft_length / 2 + 1, bins], spaced evenly on the mel scale.
at::Tensor mel_weights(int64_t bins, int64_t dft_length, int64_t sample_rate, double low, double high) {
  const double first = to_mel(low), step = (to_mel(high) - first) / static_cast<double>(bins + 2);
  TORCH_CHECK(sample_rate > 0, "sample_rate: got ", sample_rate, ", expected more than 0");
  TORCH_CHECK(dft_length > 0 && dft_length < (int64_t{1} << 60), "dft_length: got ", dft_length);
  TORCH_CHECK(bins > 0 && bins < (int64_t{1} << 60), "num_mel_bins: got ", bins, ", expected at least 1");
  TORCH_CHECK(low > -700 && high >= low && high <= static_cast<double>(sample_rate), "edges: got ", low, " to ", high, " Hz");
  check_room("MelWeightMatrix", {dft_length / 2 + 1, bins + 2});
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < bins + 2; ++i) {
    const double hertz = to_hertz(first + step * static_cast<double>(i));
    edges.push_back(static_cast<int64_t>(std::floor(static_cast<double>(dft_length + 1) * hertz / static_cast<double>(sample_rate))));
  }
  at::Tensor weights = at::zeros({dft_length / 2 + 1, bins}, at::kDouble);
  auto w = weights.accessor<double, 2>();
  for (int64_t b = 0; b < bins; ++b) {
    const int64_t left = edges[static_cast<size_t>(b)], center = edges[static_cast<size_t>(b + 1)],
                  right = edges[static_cast<size_t>(b + 2)];
    TORCH_CHECK(left >= 0 && left <= center && center <= right && right < weights.size(0) + 1 && center < weights.size(0),
                "edges: outside the spectrum");
    for (int64_t i = left; i < center; ++i) w[i][b] = static_cast<double>(i - left) / static_cast<double>(center - left);
    w[center][b] = 1;
    for (int64_t i = center; i < right; ++i) w[i][b] = static_cast<double>(right - i) / static_cast<double>(right - center);
  }
  return weights;
}

Kernel mel_weight_matrix(const OpSpec& spec) {
  return [type = output_type(spec)](Inputs in, Outputs out) {
    out[0] = mel_weights(to_int(in[0], "num_mel_bins"), to_int(in[1], "dft_length"), to_int(in[2], "sample_rate"), in[3].item<double>(),
                         in[4].item<double>())
                 .to(type);
  };
}

/// ONNX's complex numbers, pairs in the last axis (or one real number), as LibTorch's.
at::Tensor as_signal(const at::Tensor& x) {
  const at::Tensor y = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  TORCH_CHECK(y.size(-1) == 1 || y.size(-1) == 2, "last axis: got ", y.size(-1), ", expected 1 (real) or 2 (complex)");
  return y.size(-1) == 1 ? y.squeeze(-1) : at::view_as_complex(y.contiguous());
}

at::Tensor transform(const at::Tensor& x, int64_t length, int64_t axis, bool inverse, bool onesided) {
  const at::Tensor signal = as_signal(x);
  if (inverse && onesided) return at::fft_irfft(signal, length, axis).unsqueeze(-1);
  if (inverse) return at::view_as_real(at::fft_ifft(signal, length, axis));
  if (onesided && !signal.is_complex()) return at::view_as_real(at::fft_rfft(signal, length, axis));
  const at::Tensor whole = at::fft_fft(signal, length, axis);
  return at::view_as_real(onesided ? whole.narrow(axis, 0, length / 2 + 1).resolve_conj() : whole);
}

/// The axis is an attribute (1 by default) before opset 20, and input 2 (-2 by default) from there on.
Kernel dft(const OpSpec& spec) {
  const bool inverse = spec.node.attributes.get_int("inverse", 0), onesided = spec.node.attributes.get_int("onesided", 0);
  const int64_t fixed = spec.opset >= 20 ? -2 : spec.node.attributes.get_int("axis", 1);
  return [=](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const int64_t axis = normalize_axis(in.size() > 2 && in[2].defined() ? to_int(in[2], "axis") : fixed, x.dim());
    TORCH_CHECK(axis < x.dim() - 1, "axis: the last axis holds the parts of complex numbers");
    int64_t length = inverse && onesided ? 2 * (x.size(axis) - 1) : x.size(axis);
    if (in.size() > 1 && in[1].defined()) length = to_int(in[1], "dft_length");
    TORCH_CHECK(length > 0, "dft_length: got ", length, ", expected at least 1");
    out[0] = transform(x, length, axis, inverse, onesided).to(x.scalar_type());
  };
}

/// signal [batch, length, 1 or 2] to [batch, frames, bins, 2].
Kernel stft(const OpSpec& spec) {
  return [onesided = spec.node.attributes.get_int("onesided", 1) != 0](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const at::Tensor window = in.size() > 2 ? in[2] : at::Tensor();
    int64_t frame = window.defined() ? window.size(0) : x.size(1);
    if (in.size() > 3 && in[3].defined()) frame = to_int(in[3], "frame_length");
    const int64_t step = to_int(in[1], "frame_step");
    TORCH_CHECK(step > 0, "frame_step: got ", step, ", expected at least 1");
    TORCH_CHECK(frame > 0 && frame <= x.size(1), "frame_length: got ", frame, ", expected 1 to the signal's ", x.size(1));
    at::Tensor frames = x.unfold(1, frame, step).movedim(-1, 2);
    if (window.defined()) frames = frames * on_device_of(window, x).unsqueeze(-1);
    out[0] = transform(frames, frame, 2, false, onesided).to(x.scalar_type());
  };
}

}  // namespace

Rows signal() {
  using enum OpKind;
  return {
      {.type = "HannWindow", .since = 17, .make = hann, .facts = {Description, "s", "d"}, .host_inputs = 0b1, .host_outputs = true},
      {.type = "HammingWindow", .since = 17, .make = hamming, .facts = {Description, "s", "d"}, .host_inputs = 0b1, .host_outputs = true},
      {.type = "BlackmanWindow", .since = 17, .make = blackman, .facts = {Description, "s", "d"}, .host_inputs = 0b1, .host_outputs = true},
      {.type = "MelWeightMatrix",
       .since = 17,
       .make = mel_weight_matrix,
       .facts = {Description, "sssff", "d"},
       .host_inputs = 0b11111,
       .host_outputs = true},
      {.type = "DFT", .since = 17, .make = dft, .facts = {Computation, "ds", "d"}, .host_inputs = 0b110},
      {.type = "STFT", .since = 17, .make = stft, .facts = {Computation, "dsds", "d"}, .host_inputs = 0b1010},
  };
}

}  // namespace ppq::ops
