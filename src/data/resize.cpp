#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "data/image.h"

namespace ppq {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;

/// The source pixels and fixed-point weights behind each target pixel of one axis.
struct Taps {
  std::vector<int64_t> begin, count;
  std::vector<int32_t> weights;
  int64_t width = 0;  ///< weights a target pixel
};

Taps triangle_taps(int64_t source, int64_t target) {
  const double scale = static_cast<double>(source) / static_cast<double>(target);
  const double stretch = std::max(scale, 1.0), support = stretch, shrink = 1.0 / stretch;
  Taps taps;
  taps.width = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.weights.resize(static_cast<size_t>(target * taps.width));
  std::vector<double> exact(static_cast<size_t>(taps.width));
  for (int64_t t = 0; t < target; ++t) {
    const double center = (static_cast<double>(t) + 0.5) * scale;
    const int64_t begin = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t end = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), source);
    double sum = 0;
    for (int64_t s = begin; s < end; ++s) {
      const double distance = std::abs((static_cast<double>(s) - center + 0.5) * shrink);
      const double weight = distance < 1.0 ? 1.0 - distance : 0.0;
      exact[static_cast<size_t>(s - begin)] = weight;
      sum += weight;
    }
    for (int64_t i = 0; i < end - begin; ++i) {
      const double weight = sum != 0 ? exact[static_cast<size_t>(i)] / sum : exact[static_cast<size_t>(i)];
      taps.weights[static_cast<size_t>(t * taps.width + i)] = static_cast<int32_t>(0.5 + weight * (1 << kFractionBits));
    }
    taps.begin.push_back(begin);
    taps.count.push_back(end - begin);
  }
  return taps;
}

uint8_t to_pixel(int64_t sum) { return static_cast<uint8_t>(std::clamp<int64_t>(sum >> kFractionBits, 0, 255)); }

/// Resamples the middle of [outer, source, inner]: columns with inner = channels, rows with inner = width × channels.
at::Tensor resample(const at::Tensor& image, int64_t outer, int64_t source, int64_t inner, int64_t target) {
  const Taps taps = triangle_taps(source, target);
  at::Tensor result = at::empty({outer, target, inner}, at::kByte);
  const auto* in = image.const_data_ptr<uint8_t>();
  auto* out = result.data_ptr<uint8_t>();
  std::vector<int32_t> sums(static_cast<size_t>(inner));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t t = 0; t < target; ++t) {
      std::fill(sums.begin(), sums.end(), 1 << (kFractionBits - 1));
      for (int64_t i = 0; i < taps.count[static_cast<size_t>(t)]; ++i) {
        const int32_t weight = taps.weights[static_cast<size_t>(t * taps.width + i)];
        const uint8_t* pixels = in + (o * source + taps.begin[static_cast<size_t>(t)] + i) * inner;
        for (int64_t k = 0; k < inner; ++k) sums[static_cast<size_t>(k)] += weight * pixels[k];
      }
      uint8_t* row = out + (o * target + t) * inner;
      for (int64_t k = 0; k < inner; ++k) row[k] = to_pixel(sums[static_cast<size_t>(k)]);
    }
  return result;
}

}  // namespace

at::Tensor resize_bilinear(const at::Tensor& image, int64_t height, int64_t width) {
  at::Tensor result = image.contiguous();
  const int64_t rows = result.size(0), columns = result.size(1), channels = result.size(2);
  if (width != columns) result = resample(result, rows, columns, channels, width);
  if (height != rows) result = resample(result, 1, rows, width * channels, height);
  return result.reshape({height, width, channels});
}

}  // namespace ppq
