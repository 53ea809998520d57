#pragma once

#include "kernels/cpu/lanes.h"

/// Gradients and error sums. Sums are in float64 over 16 partial sums (element i goes to i mod 16) folded pairwise, so they do not
/// depend on the level; callers add the sums of fixed segments in order, so they do not depend on the threads either.
namespace ppq::kernels::cpu::PPQ_LEVEL {

inline constexpr int kSumLanes = 16;

static inline double fold(double* lanes) {
  for (int half = kSumLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

/// numerics::gradient_terms on lanes.
struct LaneTerms {
  Float input, scale, offset;
};
template <int mode>
static inline LaneTerms gradient_lanes(Float dy, Float x, Float scale, Float offset, const numerics::FormatRule& rule, bool masked) {
  Float u = x / scale, low = set(static_cast<float>(rule.quant_min)), high = set(static_cast<float>(rule.quant_max));
  Float n = rule.floating ? minifloat_round_lanes<mode>(u + offset, rule.emin, rule.mantissa_bits) : round_lanes<mode>(u) + offset;
  Mask above = n > high, below = n < low, out = either(above, below);
  Float inside = (n - offset) - u, minus_scale_dy = negated(scale * dy);
  Float slope = select(above, high - offset, select(below, low - offset, inside));
  return {masked ? select(out, set(0.0f), dy) : dy, slope * dy, select(out, minus_scale_dy, set(0.0f))};
}

/// Elements whose offsets from the start are 16 k .. 16 k + 15 go to partial sums 0 .. 15.
template <int mode, class T>
static inline void backward_row(const T* x, const T* dy, T* dx, int64_t length, float scale, float offset, const numerics::FormatRule& rule,
                                bool masked, double* scale_lanes, double* offset_lanes) {
  int64_t i = 0;
  for (; i + kSumLanes <= length; i += kSumLanes) {
    float terms[2][kSumLanes];
    for (int part = 0; part < kSumLanes; part += kWidth) {
      LaneTerms t = gradient_lanes<mode>(load(dy + i + part), load(x + i + part), set(scale), set(offset), rule, masked);
      store(dx + i + part, t.input);
      store(terms[0] + part, t.scale);
      store(terms[1] + part, t.offset);
    }
    for (int lane = 0; lane < kSumLanes; ++lane) {
      scale_lanes[lane] += static_cast<double>(terms[0][lane]);
      offset_lanes[lane] += static_cast<double>(terms[1][lane]);
    }
  }
  for (; i < length; ++i) {
    auto terms = numerics::gradient_terms<mode>(value_of(dy[i]), value_of(x[i]), scale, offset, rule, masked);
    assign(dx + i, terms.input);
    scale_lanes[i % kSumLanes] += static_cast<double>(terms.scale);
    offset_lanes[i % kSumLanes] += static_cast<double>(terms.offset);
  }
}

static void backward_uniform(const QuantizeTask& task, const void* grad, int64_t start, int64_t length, int64_t channel, bool masked,
                             double* scale_sum, double* offset_sum) {
  with_type(task.type, [&]<class T>(T) {
    with_mode(task.rule.rounding, [&]<int mode>(Constant<mode>) {
      const numerics::FormatRule rule = task.rule;
      double scale_lanes[kSumLanes] = {}, offset_lanes[kSumLanes] = {};
      backward_row<mode>(static_cast<const T*>(task.x) + start, static_cast<const T*>(grad) + start, static_cast<T*>(task.y) + start,
                         length, task.scale[channel], task.offset[channel], rule, masked, scale_lanes, offset_lanes);
      *scale_sum = fold(scale_lanes);
      *offset_sum = fold(offset_lanes);
    });
  });
}

template <int mode, class T>
static inline void backward_varying_row(const T* x, const T* dy, T* dx, int64_t length, const float* scale, const float* offset,
                                        const numerics::FormatRule& rule, bool masked, double* scale_sums, double* offset_sums) {
  int64_t i = 0;
  for (; i + kWidth <= length; i += kWidth) {
    float terms[2][kWidth];
    LaneTerms t = gradient_lanes<mode>(load(dy + i), load(x + i), load(scale + i), load(offset + i), rule, masked);
    store(dx + i, t.input);
    store(terms[0], t.scale);
    store(terms[1], t.offset);
    for (int lane = 0; lane < kWidth; ++lane) {
      scale_sums[i + lane] += static_cast<double>(terms[0][lane]);
      offset_sums[i + lane] += static_cast<double>(terms[1][lane]);
    }
  }
  for (; i < length; ++i) {
    auto terms = numerics::gradient_terms<mode>(value_of(dy[i]), value_of(x[i]), scale[i], offset[i], rule, masked);
    assign(dx + i, terms.input);
    scale_sums[i] += static_cast<double>(terms.scale);
    offset_sums[i] += static_cast<double>(terms.offset);
  }
}

static void backward_varying(const QuantizeTask& task, const void* grad, int64_t begin, int64_t end, int64_t length, bool masked,
                             double* scale_sums, double* offset_sums) {
  with_type(task.type, [&]<class T>(T) {
    with_mode(task.rule.rounding, [&]<int mode>(Constant<mode>) {
      const numerics::FormatRule rule = task.rule;
      for (int64_t r = begin; r < end; ++r) {
        backward_varying_row<mode>(static_cast<const T*>(task.x) + r * length, static_cast<const T*>(grad) + r * length,
                                   static_cast<T*>(task.y) + r * length, length, task.scale, task.offset, rule, masked, scale_sums,
                                   offset_sums);
      }
    });
  });
}

static void error_sums(const void* q, const void* f, Type type, int64_t n, double* sums) {
  with_type(type, [&]<class T>(T) {
    const T* a = static_cast<const T*>(q);
    const T* b = static_cast<const T*>(f);
    double error[kSumLanes] = {}, reference[kSumLanes] = {}, quantized[kSumLanes] = {}, product[kSumLanes] = {};
    auto take = [&](int lane, T left, T right) {
      double l = static_cast<double>(value_of(left)), r = static_cast<double>(value_of(right)), d = l - r;
      error[lane] += d * d;
      reference[lane] += r * r;
      quantized[lane] += l * l;
      product[lane] += l * r;
    };
    int64_t i = 0;
    for (; i + kSumLanes <= n; i += kSumLanes) {
      for (int lane = 0; lane < kSumLanes; ++lane) take(lane, a[i + lane], b[i + lane]);
    }
    for (; i < n; ++i) take(static_cast<int>(i % kSumLanes), a[i], b[i]);
    sums[0] = fold(error);
    sums[1] = fold(reference);
    sums[2] = fold(quantized);
    sums[3] = fold(product);
  });
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
