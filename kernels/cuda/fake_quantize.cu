// Fake quantization: out = (clamp(round(x / scale) + offset) - offset) × scale, or the minifloat equivalent.
// Linear formats rounded half to even: plain_kernels.cuh. Others, and what is not aligned: the kernel here.
// Blocks: 256 threads, 4 vectors of 16 bytes each (see elementwise.cuh). Traffic: reads x once, writes out once; scales come
// from the cache. Rounding, NaN: kernels/numerics.h; NaN stays NaN. Every element is independent, so the result is the same
// in every run and equal to the CPU's.
#include "kernels/cuda/plain_kernels.cuh"

namespace ppq::kernels::cuda {
namespace {

using numerics::FormatRule;

/// Everything but the two common cases. Not inlined: it is large and would cost those their registers.
__device__ __noinline__ float fake_quantize_any(float x, float scale, float offset, const FormatRule* rule) {
  switch (rule->rounding) {
    case numerics::kHalfEven:
      return numerics::fake_quantize_value<numerics::kHalfEven>(x, scale, offset, *rule);
    case numerics::kHalfUp:
      return numerics::fake_quantize_value<numerics::kHalfUp>(x, scale, offset, *rule);
    case numerics::kHalfDown:
      return numerics::fake_quantize_value<numerics::kHalfDown>(x, scale, offset, *rule);
    case numerics::kHalfTowardsZero:
      return numerics::fake_quantize_value<numerics::kHalfTowardsZero>(x, scale, offset, *rule);
    case numerics::kUp:
      return numerics::fake_quantize_value<numerics::kUp>(x, scale, offset, *rule);
    case numerics::kDown:
      return numerics::fake_quantize_value<numerics::kDown>(x, scale, offset, *rule);
    default:
      return numerics::fake_quantize_value<numerics::kHalfFarFromZero>(x, scale, offset, *rule);
  }
}

template <class T, bool kMapped>
__global__ void __launch_bounds__(kElementThreads) fake_quantize_kernel(const __grid_constant__ Elementwise work, T* out) {
  const FormatRule& rule = work.rule;
  float low = static_cast<float>(rule.quant_min), high = static_cast<float>(rule.quant_max);
  if (rule.rounding != numerics::kHalfEven || rule.wide) {
    map_elements<T, T, kMapped, 1>(
        work, out, [&](float x, float scale, float offset) { return from_float<T>(fake_quantize_any(x, scale, offset, &rule)); });
  } else if (rule.floating) {
    map_elements<T, T, kMapped>(work, out, [&](float x, float scale, float offset) {
      float q = numerics::minifloat_round<numerics::kHalfEven>(x / scale + offset, rule.emin, rule.mantissa_bits);
      return from_float<T>(numerics::dequantize(numerics::clamp_to(q, low, high), scale, offset));
    });
  } else {
    map_elements<T, T, kMapped>(work, out, [&](float x, float scale, float offset) {
      float q = numerics::linear_quantize<numerics::kHalfEven>(x, scale, offset, low, high);
      return from_float<T>(numerics::dequantize(q, scale, offset));
    });
  }
}

}  // namespace

void launch_fake_quantize(const Elementwise& work, void* out, Stream stream) {
  if (work.count == 0) return;
  with_storage(work.dtype, [&](auto storage) {
    using T = decltype(storage);
    if (launch_plain<T>(work, static_cast<T*>(out), stream)) return;
    auto kernel = work.map.mapped ? fake_quantize_kernel<T, true> : fake_quantize_kernel<T, false>;
    launch_kernel(kernel, element_blocks<T>(work), kElementThreads, 0, stream, work, static_cast<T*>(out));
  });
}

}  // namespace ppq::kernels::cuda
