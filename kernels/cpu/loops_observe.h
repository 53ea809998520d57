#pragma once

#include "kernels/cpu/lanes.h"

/// Range and histogram in one read. Every level counts the same bins: numerics::bin_index.
namespace ppq::kernels::cpu::PPQ_LEVEL {

inline constexpr uint32_t kNowhere = 0xffffffffu;

/// Slot of one value, or kNowhere; for any grid exponent.
static inline uint32_t bin_of(float x, numerics::GridScale scale, const BinTask& task) {
  if (!numerics::is_finite(x)) return kNowhere;
  float position = x * scale.first * scale.second;
  if (!(position >= -2147483648.0f && position < 2147483648.0f)) return kNowhere;
  int64_t bin = numerics::bin_index(x, scale) - task.first;
  return bin >= 0 && bin < task.bins ? static_cast<uint32_t>(bin) : kNowhere;
}

template <class T>
static inline void count_one_by_one(BinTask& task, const T* x, int64_t n) {
  numerics::GridScale scale = numerics::make_grid_scale(task.exponent);
  for (int64_t i = 0; i < n; ++i) {
    float value = value_of(x[i]);
    uint32_t bin = bin_of(value, scale, task);
    if (bin == kNowhere) {
      task.outside = true;
      continue;
    }
    task.minimum = value < task.minimum ? value : task.minimum;
    task.maximum = value > task.maximum ? value : task.maximum;
    if (bin == task.hot) {
      ++task.hot_count;
    } else {
      ++task.counters[2 * bin + (i & 1)];
    }
  }
}

/// The loop for grids whose 2^-e is a float and whose products cannot vanish. Lanes in the hot bin (counted by a mask) and
/// foreign lanes count in a dummy slot each, since increments of one counter wait for each other.
template <class T>
static inline void count_lanes(BinTask& task, const T* x, int64_t n) {
  Float inverse = set(numerics::pow2f(-task.exponent));
  Int first = set_int(static_cast<int32_t>(task.first)), bins = set_int(static_cast<int32_t>(task.bins));
  Int hot = set_int(static_cast<int32_t>(task.hot));
  Int odd = lane_numbers() & set_int(1);
  Int dummies = shift_left<1>(lane_numbers() + bins);
  Float minimum = set(task.minimum), maximum = set(task.maximum);
  Mask foreign = no_lanes();
  uint64_t hot_count = 0;
  uint32_t* counters = task.counters;
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    Float value = load(x + i);
    minimum = lesser(value, minimum);
    maximum = greater(value, maximum);
    Int bin = floor_to_int(value * inverse) - first;
    Mask outside = not_below(bin, bins), in_hot = equal(bin, hot);
    foreign = either(foreign, outside);
    hot_count += static_cast<unsigned>(count(in_hot));
    Int slot = select(either(outside, in_hot), dummies, shift_left<1>(bin) | odd);
    alignas(64) uint32_t slots[kWidth];
    store_int(slots, slot);
    for (int lane = 0; lane < kWidth; ++lane) ++counters[slots[lane]];
  }
  task.minimum = least(minimum);
  task.maximum = greatest(maximum);
  task.hot_count += hot_count;
  task.outside |= any(foreign);
  count_one_by_one(task, x + i, n - i);
}

static void count_bins(BinTask& task, const void* x, Type type, int64_t n) {
  with_type(type, [&]<class T>(T) {
    bool plain = kWidth > 1 && task.exponent <= 0 && task.exponent >= -127;
    if (plain) {
      count_lanes(task, static_cast<const T*>(x), n);
    } else {
      count_one_by_one(task, static_cast<const T*>(x), n);
    }
  });
}

static void range(const void* data, Type type, int64_t n, float* minimum, float* maximum, int64_t* nonfinite) {
  with_type(type, [&]<class T>(T) {
    const T* x = static_cast<const T*>(data);
    float low = *minimum, high = *maximum;
    int64_t i = 0, strange = 0;
    if (n >= kWidth) {
      Float lows = set(low), highs = set(high), none_low = set(__builtin_inff()), none_high = set(-__builtin_inff());
      int64_t finite_count = 0;
      for (; i + kWidth <= n; i += kWidth) {
        Float value = load(x + i);
        Mask finite = is_finite(value);
        finite_count += count(finite);
        lows = lesser(select(finite, value, none_low), lows);
        highs = greater(select(finite, value, none_high), highs);
      }
      strange = i - finite_count;
      low = least(lows);
      high = greatest(highs);
    }
    for (; i < n; ++i) numerics::update_range(value_of(x[i]), low, high, strange);
    *minimum = low;
    *maximum = high;
    *nonfinite += strange;
  });
}

static void range_varying(const void* data, Type type, int64_t begin, int64_t end, int64_t length, float* minimum,
                          float* maximum, int64_t* nonfinite) {
  with_type(type, [&]<class T>(T) {
    Float none_low = set(__builtin_inff()), none_high = set(-__builtin_inff());
    for (int64_t r = begin; r < end; ++r) {
      const T* x = static_cast<const T*>(data) + r * length;
      int64_t i = 0;
      for (; i + kWidth <= length; i += kWidth) {
        Float value = load(x + i);
        Mask finite = is_finite(value);
        store(minimum + i, lesser(select(finite, value, none_low), load(minimum + i)));
        store(maximum + i, greater(select(finite, value, none_high), load(maximum + i)));
        if (count(finite) != kWidth) {
          for (int64_t j = i; j < i + kWidth; ++j) nonfinite[j] += !numerics::is_finite(value_of(x[j]));
        }
      }
      for (; i < length; ++i) numerics::update_range(value_of(x[i]), minimum[i], maximum[i], nonfinite[i]);
    }
  });
}

static void transpose(const void* data, Type type, int64_t row_begin, int64_t row_end, int64_t length, int64_t first,
                      int64_t count, float* out, int64_t out_stride) {
  with_type(type, [&]<class T>(T) {
    const T* x = static_cast<const T*>(data) + row_begin * length + first;
    for (int64_t r = 0; r < row_end - row_begin; ++r, x += length) {
      for (int64_t c = 0; c < count; ++c) out[c * out_stride + r] = value_of(x[c]);
    }
  });
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
