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

static void backward_uniform(const QuantizeTask& task, const void* grad, int64_t start, int64_t length, int64_t channel,
                             bool masked, double* scale_sum, double* offset_sum) {
  with_type(task.type, [&]<class T>(T) {
    with_mode(task.rule.rounding, [&]<int mode>(Constant<mode>) {
      const T* x = static_cast<const T*>(task.x) + start;
      const T* dy = static_cast<const T*>(grad) + start;
      T* dx = static_cast<T*>(task.y) + start;
      const numerics::FormatRule rule = task.rule;
      float scale = task.scale[channel], offset = task.offset[channel];
      double scale_lanes[kSumLanes] = {}, offset_lanes[kSumLanes] = {};
      for (int64_t i = 0; i < length; ++i) {
        auto terms = numerics::gradient_terms<mode>(value_of(dy[i]), value_of(x[i]), scale, offset, rule, masked);
        assign(dx + i, terms.input);
        scale_lanes[i % kSumLanes] += static_cast<double>(terms.scale);
        offset_lanes[i % kSumLanes] += static_cast<double>(terms.offset);
      }
      *scale_sum = fold(scale_lanes);
      *offset_sum = fold(offset_lanes);
    });
  });
}

static void backward_varying(const QuantizeTask& task, const void* grad, int64_t begin, int64_t end, int64_t length,
                             bool masked, double* scale_sums, double* offset_sums) {
  with_type(task.type, [&]<class T>(T) {
    with_mode(task.rule.rounding, [&]<int mode>(Constant<mode>) {
      const numerics::FormatRule rule = task.rule;
      for (int64_t r = begin; r < end; ++r) {
        const T* x = static_cast<const T*>(task.x) + r * length;
        const T* dy = static_cast<const T*>(grad) + r * length;
        T* dx = static_cast<T*>(task.y) + r * length;
        for (int64_t i = 0; i < length; ++i) {
          auto terms = numerics::gradient_terms<mode>(value_of(dy[i]), value_of(x[i]), task.scale[i], task.offset[i], rule, masked);
          assign(dx + i, terms.input);
          scale_sums[i] += static_cast<double>(terms.scale);
          offset_sums[i] += static_cast<double>(terms.offset);
        }
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
