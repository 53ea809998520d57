#pragma once

#include "kernels/cpu/lanes.h"

/// Fake quantization and quantization to integers, row by row. NaN stays NaN (as an integer: the offset). Memory traffic:
/// each element read and written once.
namespace ppq::kernels::cpu::PPQ_LEVEL {

enum class Kind { Linear, Minifloat };

template <Kind kind, int mode>
struct Quantizer {
  Float low, high;
  int emin, mantissa_bits;
  explicit inline Quantizer(const numerics::FormatRule& rule)
      : low(set(static_cast<float>(rule.quant_min))), high(set(static_cast<float>(rule.quant_max))), emin(rule.emin),
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

template <class T, class Quantize>
static inline void quantize_uniform_row(const T* x, T* y, int64_t n, float scale, float offset, const Quantize& quantize) {
  Float s = set(scale), o = set(offset);
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, quantize(load(x + i), s, o));
  if (i < n) store_some(y + i, n - i, quantize(load_some(x + i, n - i, 0), s, o));
}
template <class T, class Quantize>
static inline void quantize_varying_row(const T* x, T* y, int64_t n, const float* scale, const float* offset,
                                        const Quantize& quantize) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, quantize(load(x + i), load(scale + i), load(offset + i)));
  if (i < n) {
    store_some(y + i, n - i, quantize(load_some(x + i, n - i, 0), load_some(scale + i, n - i, 1), load_some(offset + i, n - i, 0)));
  }
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
        const T* x = static_cast<const T*>(task.x);
        T* y = static_cast<T*>(task.y);
        for (int64_t r = begin; r < end; ++r) {
          quantize_uniform_row(x + r * length, y + r * length, length, task.scale[r % period], task.offset[r % period], quantize);
        }
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
      task,
      [&]<class T, class Quantize>(T, const Quantize& quantize) {
        const T* x = static_cast<const T*>(task.x);
        T* y = static_cast<T*>(task.y);
        for (int64_t r = begin; r < end; ++r) {
          quantize_varying_row(x + r * length, y + r * length, length, task.scale, task.offset, quantize);
        }
      },
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
    case IntType::UInt8: body(uint8_t{}); break;
    case IntType::Int8: body(int8_t{}); break;
    case IntType::UInt16: body(uint16_t{}); break;
    case IntType::Int16: body(int16_t{}); break;
    case IntType::Int32: body(int32_t{}); break;
  }
}
template <class Body>
static inline void with_int_task(const QuantizeTask& task, IntType type, Body body) {
  with_type(task.type, [&]<class T>(T) {
    with_int_type(type, [&]<class I>(I) {
      with_mode(task.rule.rounding, [&]<int mode>(Constant<mode> m) {
        body(static_cast<const T*>(task.x), static_cast<I*>(task.y), m);
      });
    });
  });
}

static void quantize_int_uniform(const QuantizeTask& task, IntType type, int64_t begin, int64_t end, int64_t length,
                                 int64_t period) {
  with_int_task(task, type, [&]<class T, class I, int mode>(const T* x, I* y, Constant<mode>) {
    for (int64_t r = begin; r < end; ++r) {
      float scale = task.scale[r % period], offset = task.offset[r % period];
      for (int64_t i = r * length; i < (r + 1) * length; ++i) {
        y[i] = static_cast<I>(numerics::quantize_value_to_int<mode>(value_of(x[i]), scale, offset, task.rule));
      }
    }
  });
}

static void quantize_int_varying(const QuantizeTask& task, IntType type, int64_t begin, int64_t end, int64_t length) {
  with_int_task(task, type, [&]<class T, class I, int mode>(const T* x, I* y, Constant<mode>) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t i = 0; i < length; ++i) {
        int64_t at = r * length + i;
        y[at] = static_cast<I>(numerics::quantize_value_to_int<mode>(value_of(x[at]), task.scale[i], task.offset[i], task.rule));
      }
    }
  });
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
