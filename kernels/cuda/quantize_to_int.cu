// The integers of the linear format, for export. Rounded half to even: plain_kernels.cuh; the kernel here takes the rest. Blocks as in
// elementwise.cuh. Traffic: reads x once, writes 1, 2 or 4 bytes an element, as many elements a store as one 16-byte load brings. NaN
// becomes the offset's code (kernels/numerics.h).
#include "kernels/cuda/plain_kernels.cuh"

namespace ppq::kernels::cuda {
namespace {

using numerics::FormatRule;

__device__ __noinline__ int64_t quantize_any(float x, float scale, float offset, const FormatRule* rule) {
  switch (rule->rounding) {
    case numerics::kHalfEven:
      return numerics::quantize_value_to_int<numerics::kHalfEven>(x, scale, offset, *rule);
    case numerics::kHalfUp:
      return numerics::quantize_value_to_int<numerics::kHalfUp>(x, scale, offset, *rule);
    case numerics::kHalfDown:
      return numerics::quantize_value_to_int<numerics::kHalfDown>(x, scale, offset, *rule);
    case numerics::kHalfTowardsZero:
      return numerics::quantize_value_to_int<numerics::kHalfTowardsZero>(x, scale, offset, *rule);
    case numerics::kUp:
      return numerics::quantize_value_to_int<numerics::kUp>(x, scale, offset, *rule);
    case numerics::kDown:
      return numerics::quantize_value_to_int<numerics::kDown>(x, scale, offset, *rule);
    default:
      return numerics::quantize_value_to_int<numerics::kHalfFarFromZero>(x, scale, offset, *rule);
  }
}

template <class T, class U>
__global__ void __launch_bounds__(kElementThreads, 4) quantize_to_int_kernel(const __grid_constant__ Elementwise work, U* out) {
  const FormatRule& rule = work.rule;
  if (rule.rounding != numerics::kHalfEven || rule.wide) {
    map_elements<T, U, true, 1>(work, out,
                                [&](float x, float scale, float offset) { return static_cast<U>(quantize_any(x, scale, offset, &rule)); });
    return;
  }
  float low = static_cast<float>(rule.quant_min), high = static_cast<float>(rule.quant_max);
  map_elements<T, U, true, 1>(work, out, [&](float x, float scale, float offset) {
    float q = numerics::linear_quantize<numerics::kHalfEven>(x, scale, offset, low, high);
    if (x != x) q = numerics::clamp_to(offset, low, high);
    return static_cast<U>(static_cast<int32_t>(q));
  });
}

template <class U>
void launch_as(const Elementwise& work, void* out, Stream stream) {
  with_storage(work.dtype, [&](auto storage) {
    using T = decltype(storage);
    if (launch_plain<T>(work, static_cast<U*>(out), stream)) return;
    launch_kernel(quantize_to_int_kernel<T, U>, element_blocks<T>(work), kElementThreads, 0, stream, work, static_cast<U*>(out));
  });
}

}  // namespace

void launch_quantize_to_int(const Elementwise& work, void* out, int out_bytes, Stream stream) {
  if (work.count == 0) return;
  switch (out_bytes) {
    case 1:
      return launch_as<uint8_t>(work, out, stream);
    case 2:
      return launch_as<uint16_t>(work, out, stream);
    default:
      return launch_as<uint32_t>(work, out, stream);
  }
}

}  // namespace ppq::kernels::cuda
