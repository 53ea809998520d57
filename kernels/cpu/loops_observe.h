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

/// Increments the counters of 16 slots.
static inline void count_sixteen(uint32_t* counters, const uint16_t* slots) {
  for (int i = 0; i < 16; i += 4) {
    uint64_t four;
    memcpy(&four, slots + i, sizeof four);
    ++counters[four & 0xffff];
    ++counters[four >> 16 & 0xffff];
    ++counters[four >> 32 & 0xffff];
    ++counters[four >> 48];
  }
}
static inline void count_sixteen(uint32_t* counters, const uint32_t* slots) {
  for (int i = 0; i < 16; ++i) ++counters[slots[i]];
}

/// The loop for grids whose 2^-e is a float and whose products cannot vanish. Slots go through a small buffer and are counted
/// 16 at a time, some behind, so that the vector part runs in the shadow of the increments, which the store port bounds.
/// Lanes in the hot bin are counted by a mask.
template <class Slot, class T>
static inline void count_lanes(BinTask& task, const T* x, int64_t n) {
  constexpr int kBlock = 1024;
  Float inverse = set(numerics::pow2f(-task.exponent));
  Int first = set_int(static_cast<int32_t>(task.first)), bins = set_int(static_cast<int32_t>(task.bins));
  Int hot = set_int(static_cast<int32_t>(task.hot));
  Int odd = lane_numbers() & set_int(1);
  Int dummies = shift_left<1>(lane_numbers() + bins);
  Float minimum = set(task.minimum), maximum = set(task.maximum);
  Mask foreign = no_lanes();
  uint64_t hot_count = 0;
  int64_t i = 0, whole = n - n % kWidth;
  uint32_t* counters = task.counters;
  alignas(64) Slot slots[kBlock + 2 * kWidth];
  while (i < whole) {
    int64_t stop = whole - i > kBlock ? i + kBlock : whole;
    int used = 0, counted = 0;
    for (; i < stop; i += kWidth) {
      Float value = load(x + i);
      minimum = lesser(value, minimum);
      maximum = greater(value, maximum);
      Int bin = floor_to_int(value * inverse) - first;
      Mask outside = not_below(bin, bins), in_hot = equal(bin, hot);
      foreign = either(foreign, outside);
      hot_count += static_cast<unsigned>(count(in_hot));
      used += append(slots + used, shift_left<1>(bin) | odd, either(outside, in_hot), dummies);
      if (used - counted >= 256) {
        count_sixteen(counters, slots + counted);
        counted += 16;
      }
    }
    for (; counted < used; ++counted) ++counters[slots[counted]];
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
    bool narrow = 2 * (task.bins + kWidth) <= 0x10000;
    if (!plain) {
      count_one_by_one(task, static_cast<const T*>(x), n);
    } else if (narrow) {
      count_lanes<uint16_t>(task, static_cast<const T*>(x), n);
    } else {
      count_lanes<uint32_t>(task, static_cast<const T*>(x), n);
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
    int64_t rows = row_end - row_begin, whole_rows = rows - rows % kWidth, whole_columns = count - count % kWidth;
    auto copy = [&](int64_t r, int64_t c) { out[c * out_stride + r] = value_of(x[r * length + c]); };
    for (int64_t r = 0; r < whole_rows; r += kWidth) {
      // A tile is a narrow column of memory, which the hardware does not foresee.
      for (int64_t i = r; i < r + kWidth; ++i) __builtin_prefetch(x + (i + 256) * length, 0, 2);
      for (int64_t c = 0; c < whole_columns; c += kWidth) {
        Float block[kWidth];
        for (int i = 0; i < kWidth; ++i) block[i] = load(x + (r + i) * length + c);
        transpose_block(block);
        for (int i = 0; i < kWidth; ++i) store(out + (c + i) * out_stride + r, block[i]);
      }
      for (int64_t i = r; i < r + kWidth; ++i) {
        for (int64_t c = whole_columns; c < count; ++c) copy(i, c);
      }
    }
    for (int64_t r = whole_rows; r < rows; ++r) {
      for (int64_t c = 0; c < count; ++c) copy(r, c);
    }
  });
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
