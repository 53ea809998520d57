#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ppq {

/// Running sums of the difference between a quantized and a float tensor, in float64.
struct Measure {
  double noise = 0;      ///< Σ(q-f)²
  double signal = 0;     ///< Σf²
  double quantized = 0;  ///< Σq²
  double product = 0;    ///< Σqf
  int64_t count = 0;

  /// Reads both tensors once. Throws Data when their shapes differ.
  void add(const at::Tensor& quantized, const at::Tensor& reference);
  /// What `add` adds: float64 [4] on the tensors' device, which nobody waits for.
  static at::Tensor sums_of(const at::Tensor& quantized, const at::Tensor& reference);
  /// Four sums of `elements` elements, on the host.
  void add_sums(const double* sums, int64_t elements);
  void add(const Measure& other);
  /// Noise over signal; 0 when nothing differs, also for an all-zero signal.
  double nsr() const;
  /// -10 log10(snr), at most 200.
  double snr_db() const;
  double cosine() const;
  double mse() const;
};

}  // namespace ppq
