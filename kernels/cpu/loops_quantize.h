#pragma once

#include "kernels/cpu/lanes.h"

/// Fake quantization and quantization to integers, row by row. NaN stays NaN (as an integer: the offset). Memory traffic:
/// each element read and written once.
namespace ppq::kernels::cpu::PPQ_LEVEL {

enum class Kind { Linear, Minifloat };

template <Kind kind, int mode>
struct Quantizer {
  static constexpr bool kQuick = kWidth == 16 && kind == Kind::Linear && mode == numerics::kHalfEven;
  Float low, high;
  int emin, mantissa_bits;
  explicit inline Quantizer(const numerics::FormatRule& rule)
      : low(set(static_cast<float>(rule.quant_min))),
        high(set(static_cast<float>(rule.quant_max))),
        emin(rule.emin),
        mantissa_bits(rule.mantissa_bits) {}
  inline Float operator()(Float x, Float scale, Float offset) const {
    Float q;
    if constexpr (kind == Kind::Minifloat) {
      q = minifloat_round_lanes<mode>(x / scale + offset, emin, mantissa_bits);
    } else {
      q = round_lanes<mode>(x / scale) + offset;
    }
    return (clamp_lanes(q, low, high) - offset) * scale;
  }
};

/// round(x / scale) without the division, for formats whose quant_min - offset and quant_max - offset lie within ±512.
/// t = x × (1/scale) + 3072.5 + 2^-12, fused, is a multiple of 2^-12 as long as it lies in [2048, 4096), so its bits are a
/// fixed-point number with the rounded quotient above 12 fraction bits. The rounded quotient of the division differs from
/// x × (1/scale) by less than 514 × 2^-23, a quarter of 2^-12, and t from the sum by half of 2^-12: only where the fraction
/// is 0 or 1 (a tie may be near) can the integer be another, and the group is divided. What lies outside of [2048, 4096) is
/// clamped, Inf too; NaN goes through the clamp and keeps its quiet bit when the fraction is cut off.
struct QuickLinear {
  static constexpr float kBase = 3072.0f;
  Mask sure = all_lanes();
  /// low, high: kBase + limit - offset.
  inline Float operator()(Float x, Float inverse, Float low, Float high, Float scale) {
    Float t = multiply_add(x, inverse, set(kBase + 0.5f + 0x1p-12f));
    sure = with_common_bits(sure, bits_of(t), set_int(0xffe));
    t = clamp_lanes(t, low, high);
    return (float_of(bits_of(t) & set_int(~0xfff)) - set(kBase)) * scale;
  }
  inline bool doubtful() const { return !all(sure); }
};
inline constexpr int kGroup = 4;  ///< vectors that share a test

/// The quick way for as many elements as fill groups; returns their number.
template <class T, class Quick, class Exact>
static inline int64_t quick_row(const T* x, T* y, int64_t n, const Quick& quick, const Exact& exact) {
  int64_t i = 0;
  for (; i + kGroup * kWidth <= n; i += kGroup * kWidth) {
    QuickLinear linear;
    Float result[kGroup];
    for (int k = 0; k < kGroup; ++k) result[k] = quick(linear, load(x + i + k * kWidth));
    if (linear.doubtful()) {
      for (int k = 0; k < kGroup; ++k) result[k] = exact(load(x + i + k * kWidth));
    }
    for (int k = 0; k < kGroup; ++k) store(y + i + k * kWidth, result[k]);
  }
  return i;
}

template <class T, class Quantize>
static inline void quantize_uniform_row(const QuantizeTask& task, int64_t start, int64_t n, int64_t channel, const Quantize& quantize) {
  const T* x = static_cast<const T*>(task.x) + start;
  T* y = static_cast<T*>(task.y) + start;
  Float s = set(task.scale[channel]), o = set(task.offset[channel]);
  int64_t i = 0;
  if constexpr (Quantize::kQuick) {
    if (task.inverse) {
      Float inverse = set(task.inverse[channel]), low = set(task.low[channel]), high = set(task.high[channel]);
      i = quick_row(
          x, y, n, [&](QuickLinear& linear, Float value) { return linear(value, inverse, low, high, s); },
          [&](Float value) { return quantize(value, s, o); });
    }
  }
  for (; i + kWidth <= n; i += kWidth) store(y + i, quantize(load(x + i), s, o));
  if (i < n) store_some(y + i, n - i, quantize(load_some(x + i, n - i, 0), s, o));
}
/// Elements [first, n) of one row, element i with scale[i].
template <class T, class Quantize>
static inline void quantize_varying_row(const QuantizeTask& task, int64_t start, int64_t first, int64_t n, const Quantize& quantize) {
  const T* x = static_cast<const T*>(task.x) + start;
  T* y = static_cast<T*>(task.y) + start;
  const float *scale = task.scale, *offset = task.offset;
  int64_t i = first;
  for (; i + kWidth <= n; i += kWidth) store(y + i, quantize(load(x + i), load(scale + i), load(offset + i)));
  if (i < n) {
    store_some(y + i, n - i, quantize(load_some(x + i, n - i, 0), load_some(scale + i, n - i, 1), load_some(offset + i, n - i, 0)));
  }
}
/// The quick way down `rows` rows of `columns` vectors, whose parameters stay in registers. x and y point at the first.
template <int columns, class T, class Quantize>
static inline void quick_columns(const QuantizeTask& task, const T* x, T* y, int64_t rows, int64_t length, int64_t first,
                                 const Quantize& quantize) {
  constexpr int kRows = kGroup / columns;
  Float inverse[columns], low[columns], high[columns], scale[columns];
  for (int k = 0; k < columns; ++k) {
    const int64_t c = first + k * kWidth;
    inverse[k] = load(task.inverse + c), low[k] = load(task.low + c), high[k] = load(task.high + c), scale[k] = load(task.scale + c);
  }
  for (int64_t r = 0; r < rows; r += kRows, x += kRows * length, y += kRows * length) {
    QuickLinear linear;
    Float result[kGroup];
    auto at = [&](int i) { return i / columns * length + i % columns * kWidth; };
    for (int i = 0; i < kGroup; ++i) {
      const int k = i % columns;
      result[i] = linear(load(x + at(i)), inverse[k], low[k], high[k], scale[k]);
    }
    if (linear.doubtful()) {
      for (int i = 0; i < kGroup; ++i)
        result[i] = quantize(load(x + at(i)), scale[i % columns], load(task.offset + first + i % columns * kWidth));
    }
    for (int i = 0; i < kGroup; ++i) store(y + at(i), result[i]);
  }
}
template <class T, class Quantize>
static inline void quantize_varying_rows(const QuantizeTask& task, int64_t begin, int64_t end, int64_t length, const Quantize& quantize) {
  int64_t r = begin;
  if constexpr (Quantize::kQuick) {
    if (task.inverse) {
      constexpr int64_t kNear = 16384;  // bytes of rows whose columns are taken in turn
      const int64_t groups = kNear / (length * static_cast<int64_t>(sizeof(T)) * kGroup), step = (groups > 1 ? groups : 1) * kGroup;
      const int64_t whole = end - (end - begin) % kGroup;
      for (; r < whole; r += step) {
        const int64_t rows = whole - r < step ? whole - r : step;
        const T* x = static_cast<const T*>(task.x) + r * length;
        T* y = static_cast<T*>(task.y) + r * length;
        int64_t c = 0;
        for (; c + 4 * kWidth <= length; c += 4 * kWidth) quick_columns<4>(task, x + c, y + c, rows, length, c, quantize);
        if (c + 2 * kWidth <= length) quick_columns<2>(task, x + c, y + c, rows, length, c, quantize), c += 2 * kWidth;
        if (c + kWidth <= length) quick_columns<1>(task, x + c, y + c, rows, length, c, quantize), c += kWidth;
        for (int64_t i = r; i < r + rows && c < length; ++i) quantize_varying_row<T>(task, i * length, c, length, quantize);
      }
      r = whole;
    }
  }
  for (; r < end; ++r) quantize_varying_row<T>(task, r * length, 0, length, quantize);
}

/// Calls body(row, scale index, Quantize) machinery for the task's type, mode and kind; formats beyond float32's integers go
/// value by value in double.
template <class Body, class WideBody>
static inline void with_quantizer(const QuantizeTask& task, Body body, WideBody wide) {
  with_type(task.type, [&]<class T>(T) {
    with_mode(task.rule.rounding, [&]<int mode>(Constant<mode>) {
      if (task.rule.floating) {
        body(T{}, Quantizer<Kind::Minifloat, mode>(task.rule));
      } else if (task.rule.wide) {
        wide(T{}, Constant<mode>{});
      } else {
        body(T{}, Quantizer<Kind::Linear, mode>(task.rule));
      }
    });
  });
}

static void fake_quantize_uniform(const QuantizeTask& task, int64_t begin, int64_t end, int64_t length, int64_t period) {
  with_quantizer(
      task,
      [&]<class T, class Quantize>(T, const Quantize& quantize) {
        for (int64_t r = begin; r < end; ++r) quantize_uniform_row<T>(task, r * length, length, r % period, quantize);
      },
      [&]<class T, int mode>(T, Constant<mode>) {
        const T* x = static_cast<const T*>(task.x);
        T* y = static_cast<T*>(task.y);
        for (int64_t r = begin; r < end; ++r) {
          float scale = task.scale[r % period], offset = task.offset[r % period];
          for (int64_t i = r * length; i < (r + 1) * length; ++i) {
            assign(y + i, numerics::fake_quantize_value<mode>(value_of(x[i]), scale, offset, task.rule));
          }
        }
      });
}

static void fake_quantize_varying(const QuantizeTask& task, int64_t begin, int64_t end, int64_t length) {
  with_quantizer(
      task, [&]<class T, class Quantize>(T, const Quantize& quantize) { quantize_varying_rows<T>(task, begin, end, length, quantize); },
      [&]<class T, int mode>(T, Constant<mode>) {
        const T* x = static_cast<const T*>(task.x);
        T* y = static_cast<T*>(task.y);
        for (int64_t r = begin; r < end; ++r) {
          for (int64_t i = 0; i < length; ++i) {
            float value = value_of(x[r * length + i]);
            assign(y + r * length + i, numerics::fake_quantize_value<mode>(value, task.scale[i], task.offset[i], task.rule));
          }
        }
      });
}

template <class Body>
static inline void with_int_type(IntType type, Body body) {
  switch (type) {
    case IntType::UInt8:
      body(uint8_t{});
      break;
    case IntType::Int8:
      body(int8_t{});
      break;
    case IntType::UInt16:
      body(uint16_t{});
      break;
    case IntType::Int16:
      body(int16_t{});
      break;
    case IntType::Int32:
      body(int32_t{});
      break;
  }
}
template <class Body>
static inline void with_int_task(const QuantizeTask& task, IntType type, Body body) {
  with_type(task.type, [&]<class T>(T) {
    with_int_type(type, [&]<class I>(I) {
      with_mode(task.rule.rounding, [&]<int mode>(Constant<mode> m) { body(static_cast<const T*>(task.x), static_cast<I*>(task.y), m); });
    });
  });
}

/// numerics::quantize_value_to_int on lanes, for limits within float's integers.
template <int mode>
static inline Int quantize_lanes_to_int(Float x, Float scale, Float offset, Float low, Float high) {
  Float q = clamp_lanes(round_lanes<mode>(x / scale) + offset, low, high);
  return cut_to_int(select(x <= x, q, clamp_lanes(offset, low, high)));
}
/// One row; scale and offset of element i from `parameters(i)`, of a vector from `lanes(i)`.
template <int mode, class T, class I, class Lanes, class One>
static inline void quantize_int_row(const QuantizeTask& task, const T* x, I* y, int64_t n, const Lanes& lanes, const One& one) {
  int64_t i = 0;
  if (!task.rule.wide) {
    Float low = set(static_cast<float>(task.rule.quant_min)), high = set(static_cast<float>(task.rule.quant_max));
    for (; i + kWidth <= n; i += kWidth) {
      auto [scale, offset] = lanes(i);
      uint32_t numbers[kWidth];
      store_int(numbers, quantize_lanes_to_int<mode>(load(x + i), scale, offset, low, high));
      for (int lane = 0; lane < kWidth; ++lane) y[i + lane] = static_cast<I>(numbers[lane]);
    }
  }
  for (; i < n; ++i) {
    auto [scale, offset] = one(i);
    y[i] = static_cast<I>(numerics::quantize_value_to_int<mode>(value_of(x[i]), scale, offset, task.rule));
  }
}
template <class T>
struct ScaleOffset {
  T scale, offset;
};

static void quantize_int_uniform(const QuantizeTask& task, IntType type, int64_t begin, int64_t end, int64_t length, int64_t period) {
  with_int_task(task, type, [&]<class T, class I, int mode>(const T* x, I* y, Constant<mode>) {
    for (int64_t r = begin; r < end; ++r) {
      const ScaleOffset<float> both{task.scale[r % period], task.offset[r % period]};
      const ScaleOffset<Float> lanes{set(both.scale), set(both.offset)};
      quantize_int_row<mode>(
          task, x + r * length, y + r * length, length, [&](int64_t) { return lanes; }, [&](int64_t) { return both; });
    }
  });
}

static void quantize_int_varying(const QuantizeTask& task, IntType type, int64_t begin, int64_t end, int64_t length) {
  with_int_task(task, type, [&]<class T, class I, int mode>(const T* x, I* y, Constant<mode>) {
    for (int64_t r = begin; r < end; ++r) {
      quantize_int_row<mode>(
          task, x + r * length, y + r * length, length,
          [&](int64_t i) {
            return ScaleOffset<Float>{load(task.scale + i), load(task.offset + i)};
          },
          [&](int64_t i) {
            return ScaleOffset<float>{task.scale[i], task.offset[i]};
          });
    }
  });
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
