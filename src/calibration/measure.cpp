#include "calibration/measure.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "ppq/error.h"
#include "ppq/graph.h"

namespace ppq {

at::Tensor Measure::sums_of(const at::Tensor& q, const at::Tensor& f) {
  if (q.sizes() != f.sizes())
    throw Error(ErrorKind::Data, "comparison", "shapes differ: got " + to_string(q.sizes()) + ", expected " + to_string(f.sizes()));
  if (f.numel() == 0) return at::zeros({4}, f.options().dtype(at::kDouble));
  if (q.scalar_type() == at::kFloat && f.scalar_type() == at::kFloat) return kernels::error_sums(q, f);
  const at::Tensor a = q.to(at::kDouble), b = f.to(at::kDouble), d = a - b;
  return at::stack({(d * d).sum(), (b * b).sum(), (a * a).sum(), (a * b).sum()});
}

void Measure::add_sums(const double* sums, int64_t elements) {
  noise += sums[0], signal += sums[1], quantized += sums[2], product += sums[3];
  count += elements;
}

void Measure::add(const at::Tensor& q, const at::Tensor& f) {
  const at::Tensor sums = sums_of(q, f).cpu();
  add_sums(sums.const_data_ptr<double>(), f.numel());
}

void Measure::add(const Measure& other) {
  noise += other.noise, signal += other.signal, quantized += other.quantized, product += other.product;
  count += other.count;
}

double Measure::nsr() const {
  if (noise == 0) return 0;
  return signal > 0 && std::isfinite(noise) ? noise / signal : INFINITY;
}

double Measure::snr_db() const {
  constexpr double kMost = 200;
  const double ratio = nsr();
  return ratio > 0 ? std::min(kMost, -10 * std::log10(ratio)) : kMost;
}

double Measure::cosine() const {
  if (noise == 0) return 1;
  return signal > 0 && quantized > 0 ? product / (std::sqrt(signal) * std::sqrt(quantized)) : 0;
}

double Measure::mse() const { return count ? noise / static_cast<double>(count) : 0; }

}  // namespace ppq
