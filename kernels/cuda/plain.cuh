#pragma once

#include <type_traits>

#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/words.cuh"

namespace ppq::kernels::cuda {

/// The common rule without a division: linear, half to even, integer limits and offset, an ordinary scale.
///   q = x × inv, r = x - q × scale (exact), u = q + r × inv, n = (u + 1.5 × 2^23) - 1.5 × 2^23.
/// n is x / scale rounded as numerics' rules round it: u was compared with the quotient on both sides of every tie up to
/// kPlainLimit, for scales of all (above 2048: every 61st) mantissas; powers of two change nothing while nothing underflows.
/// x is clamped before, to (limit - offset) × scale: that product's quotient rounds to limit - offset again, and rounding is
/// monotone. So the offset leaves the loop, and Inf never meets a fused multiply-add.
inline constexpr float kPlainLimit = 65536, kPlainShift = 12582912;

/// Host: whether the rule is common; the scale and the offset are the device's to judge.
inline bool is_plain(const numerics::FormatRule& rule) {
  auto fits = [](double limit) {
    return limit >= -kPlainLimit && limit <= kPlainLimit && limit == static_cast<double>(static_cast<int>(limit)) &&
           !(limit == 0 && std::signbit(limit));
  };
  return rule.rounding == numerics::kHalfEven && !rule.floating && !rule.wide && fits(rule.quant_min) && fits(rule.quant_max);
}

/// Correctly rounded for 2^-100 <= x <= 2^100: what the compiler makes of 1 / x, without its branch for other x.
__device__ inline float plain_inverse(float x) {
#ifdef __CUDA_ARCH__
  float guess;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(guess) : "f"(x));
  return __fmaf_rn(guess, -__fmaf_rn(guess, x, -1.0f), guess);
#else
  return 1.0f / x;
#endif
}

/// NaN stays NaN.
__device__ inline float plain_clamp(float x, float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(low));
  asm("min.NaN.f32 %0, %0, %1;" : "+f"(x) : "f"(high));
  return x;
#else
  return numerics::clamp_to(x, low, high);
#endif
}

struct PlainScale {
  float scale = 1, inverse = 1, low = 0, high = 0, offset = 0;
  bool plain = false;
  __device__ PlainScale() {}
  __device__ PlainScale(float s, float o, const numerics::FormatRule& rule) : scale(s), inverse(plain_inverse(s)), offset(o) {
    float from = static_cast<float>(rule.quant_min) - o, to = static_cast<float>(rule.quant_max) - o;
    low = from * s;
    high = to * s;
    // 2^-100 to 2^100 by their bits; a NaN or negative scale lies above.
    plain = numerics::bits_of_float(s) - (27u << 23) <= 200u << 23 && from >= -kPlainLimit && to <= kPlainLimit &&
            (o + kPlainShift) - kPlainShift == o;
  }
  /// x / scale for x between low and high, almost: see above.
  __device__ float divide(float x) const {
    float q = x * inverse;
    return fmaf(fmaf(-q, scale, x), inverse, q);
  }
};

/// Elements of out from those of x. Value: before they are packed.
template <class T, class U>
struct PlainRule {
  using Value = uint32_t;
  static __device__ uint32_t of(float x, const PlainScale& by) {
    x = x == x ? x : 0.0f;  // NaN becomes the offset's code
    x = fminf(fmaxf(x, by.low), by.high);
    return numerics::bits_of_float(by.divide(x) + kPlainShift) + (static_cast<uint32_t>(static_cast<int32_t>(by.offset)) - 0x4b400000u);
  }
  static __device__ Vector<U, kVector<T>> pack(const uint32_t (&codes)[kVector<T>]) {
    Vector<U, kVector<T>> result;
    PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) result.value[k] = static_cast<U>(codes[k]);
    return result;
  }
  static __device__ U general(float x, float scale, float offset, float low, float high) {
    float q = numerics::linear_quantize<numerics::kHalfEven>(x, scale, offset, low, high);
    if (x != x) q = numerics::clamp_to(offset, low, high);
    return static_cast<U>(static_cast<int32_t>(q));
  }
};
template <class T>
struct PlainRule<T, T> {
  using Value = float;
  static __device__ float of(float x, const PlainScale& by) {
    return ((by.divide(plain_clamp(x, by.low, by.high)) + kPlainShift) - kPlainShift) * by.scale;
  }
  static __device__ Vector<T> pack(const float (&x)[kVector<T>]) { return narrow<T>(x); }
  static __device__ T general(float x, float scale, float offset, float low, float high) {
    return from_float<T>(numerics::dequantize(numerics::linear_quantize<numerics::kHalfEven>(x, scale, offset, low, high), scale, offset));
  }
};

/// Scales that are not plain. Not inlined: rare, and would cost the others their registers.
template <class T, class U>
__device__ __noinline__ U plain_other(float x, float scale, float offset, float low, float high) {
  return PlainRule<T, U>::general(x, scale, offset, low, high);
}

template <class T, class U>
__device__ void plain_store(U* out, uint32_t at, const Vector<U, kVector<T>>& vector) {
  store_whole(out + static_cast<size_t>(at) * kVector<T>, vector);
}
template <class T>
__device__ Vector<T> plain_load(const void* x, uint32_t at) {
  return static_cast<const Vector<T>*>(x)[at];
}

/// Vector `at` of x by the scale that scale_of(k) gives element k.
template <class T, class U, class ScaleOf>
__device__ void plain_vector(const Vector<T>& vector, U* out, uint32_t at, ScaleOf scale_of) {
  float x[kVector<T>];
  widen(vector, x);
  typename PlainRule<T, U>::Value values[kVector<T>];
  PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) values[k] = PlainRule<T, U>::of(x[k], scale_of(k));
  plain_store<T>(out, at, PlainRule<T, U>::pack(values));
}
/// The same for any scale; index_of(k): where element k's scale lies.
template <class T, class U, class IndexOf>
__device__ void plain_vector_other(const Elementwise& work, U* out, uint32_t at, IndexOf index_of) {
  float low = static_cast<float>(work.rule.quant_min), high = static_cast<float>(work.rule.quant_max);
  PPQ_ROLLED for (int k = 0; k < kVector<T>; ++k) {
    size_t i = static_cast<size_t>(at) * kVector<T> + static_cast<size_t>(k);
    int64_t index = index_of(k);
    out[i] = plain_other<T, U>(to_float(static_cast<const T*>(work.x)[i]), work.scale[index], work.offset[index], low, high);
  }
}

/// What a thread of the kernels below does: loads kElementVectors vectors `step` apart, then its scale or scales (`Scales`,
/// made by make()), then computes. kWhole: all its vectors lie inside the tensor.
template <class T, class U, bool kWhole, class Make, class Other>
__device__ void plain_tile(const Elementwise& work, U* out, uint32_t vectors, uint32_t first, uint32_t step, Make make, Other other) {
  Vector<T> values[kElementVectors];
  PPQ_UNROLL for (int v = 0; v < kElementVectors; ++v) {
    values[v] = kWhole || first + v * step < vectors ? plain_load<T>(work.x, first + v * step) : Vector<T>{};
  }
  auto scales = make();
  if (!scales.plain()) {
    PPQ_ROLLED for (int v = 0; v < kElementVectors; ++v) {
      uint32_t at = first + v * step;
      if (kWhole || at < vectors) plain_vector_other<T>(work, out, at, [&](int k) { return other(at, k); });
    }
    return;
  }
  PPQ_UNROLL for (int v = 0; v < kElementVectors; ++v) {
    if (kWhole || first + v * step < vectors)
      plain_vector<T>(values[v], out, first + v * step, [&](int k) -> const PlainScale& { return scales.of(v, k); });
  }
}

}  // namespace ppq::kernels::cuda
