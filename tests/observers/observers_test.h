#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "observers/observer.h"
#include "ppq/error.h"

namespace ppq::test {

/// Schemes the tests use: unsigned asymmetric and signed symmetric integers.
inline QuantScheme asymmetric(int bits) {
  QuantScheme scheme;
  scheme.bits = bits;
  scheme.quant_min = 0;
  scheme.quant_max = std::exp2(bits) - 1;
  return scheme;
}
inline QuantScheme symmetric(int bits) {
  QuantScheme scheme;
  scheme.bits = bits;
  scheme.quant_max = std::exp2(bits - 1) - 1;
  scheme.quant_min = -scheme.quant_max - 1;
  scheme.symmetric = true;
  return scheme;
}
inline QuantScheme per_channel(QuantScheme scheme, int axis) {
  scheme.granularity = Granularity::PerChannel;
  scheme.axis = axis;
  return scheme;
}

/// Squared error of quantizing in float64 by the definition, independent of the library's kernels.
inline double plain_error(const at::Tensor& x, double scale, double offset, const QuantScheme& scheme) {
  const at::Tensor d = x.to(at::kDouble);
  const at::Tensor q = at::clamp(at::round(d / scale) + offset, scheme.quant_min, scheme.quant_max);
  return ((q - offset) * scale - d).square().mean().item<double>();
}

inline QuantParams observe_all(const std::string& name, const QuantScheme& scheme, const std::vector<at::Tensor>& batches,
                               int64_t samples = 1) {
  auto observer = make_observer(name, scheme, "t");
  for (const at::Tensor& batch : batches) observer->observe(batch, samples);
  return observer->finish();
}

}  // namespace ppq::test
