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
      ++task.counters[bin];
    }
  }
}

/// Increments the counters of 16 slots, in two histograms by turns: an increment need not wait for one just before it.
template <class Slot>
static inline void count_sixteen(uint32_t* counters, uint32_t* others, const Slot* slots) {
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    ++counters[slots[i]];
    ++others[slots[i + 1]];
  }
}

template <class Slot>
static inline void count_rest(uint32_t* counters, uint32_t* others, const Slot* slots, int counted, int waiting) {
  for (; counted + 16 <= waiting; counted += 16) count_sixteen(counters, others, slots + counted);
  for (; counted < waiting; ++counted) ++counters[slots[counted]];
}

/// Grid and range of a loop over lanes.
struct BinLanes {
  Float inverse, first_float, minimum, maximum;
  Int first, bins, hot, dummies, top;
  explicit inline BinLanes(const BinTask& task)
      : inverse(set(numerics::pow2f(-task.exponent))),
        first_float(set(static_cast<float>(task.first))),
        minimum(set(task.minimum)),
        maximum(set(task.maximum)),
        first(set_int(static_cast<int32_t>(task.first))),
        bins(set_int(static_cast<int32_t>(task.bins))),
        hot(set_int(static_cast<int32_t>(task.hot))),
        dummies(lane_numbers() + bins),
        top(set_int(0)) {}
  /// Bin of each lane; far ones, NaN and Inf are at or above `bins` as unsigned numbers.
  inline Int take(Float value) {
    minimum = lesser(value, minimum);
    maximum = greater(value, maximum);
    Int bin = floor_of_scaled(value, inverse, first_float, first);
    top = larger_unsigned(top, bin);
    return bin;
  }
};

/// The loop for grids whose 2^-e is a float and whose products cannot vanish. Slots of a block go to a small buffer and are
/// counted while the next block's are computed: the vector part runs in the shadow of the increments, of which a core
/// retires one store a cycle. Where the hot bin is frequent its lanes are counted by a mask and leave no slot.
template <class Slot, class T>
static inline void count_lanes(BinTask& task, const T* x, int64_t n) {
  constexpr int kBlock = 1024, kPair = 2 * kWidth;
  alignas(64) Slot buffers[2][kBlock + kPair];
  BinLanes lanes(task);
  uint32_t *counters = task.counters, *others = task.counters + task.stride;
  auto hot_counted = [&] { return counters[task.hot] + others[task.hot]; };
  uint64_t hot_count = 0;
  int64_t i = 0, whole = n - n % kPair;
  int waiting = 0, turn = 0;
  bool sparse = task.sparse;
  while (i < whole) {
    const int64_t stop = whole - i > kBlock ? i + kBlock : whole;
    const int pairs = static_cast<int>((stop - i) / kPair), values = pairs * kPair;
    const Slot* from = buffers[turn ^ 1];
    Slot* to = buffers[turn];
    const int share = (waiting / 16 + pairs - 1) / pairs * 16, full = waiting - waiting % 16;
    int used = 0, counted = 0;
    uint64_t hot_before = hot_count;
    uint32_t counted_before = hot_counted();
    auto count_share = [&] {
      const int end = counted + share < full ? counted + share : full;
      for (; counted < end; counted += 16) count_sixteen(counters, others, from + counted);
    };
    if (sparse) {
      for (; i < stop; i += kPair) {
        for (int half = 0; half < 2; ++half) {
          Int bin = lanes.take(load(x + i + half * kWidth));
          Mask in_hot = equal(bin, lanes.hot);
          hot_count += static_cast<unsigned>(count(in_hot));
          used += append(to + used, lesser_unsigned(bin, lanes.bins), in_hot, lanes.dummies);
        }
        count_share();
      }
    } else {
      for (; i < stop; i += kPair) {
        Int left = lanes.take(load(x + i)), right = lanes.take(load(x + i + kWidth));
        store_slots(to + used, lesser_unsigned(left, lanes.bins), lesser_unsigned(right, lanes.bins));
        used += kPair;
        count_share();
      }
    }
    count_rest(counters, others, from, counted, waiting);
    const uint64_t hot = sparse ? hot_count - hot_before : hot_counted() - counted_before;
    sparse = hot * 8 > static_cast<unsigned>(values);
    waiting = used;
    turn ^= 1;
  }
  count_rest(counters, others, buffers[turn ^ 1], 0, waiting);
  task.minimum = least(lanes.minimum);
  task.maximum = greatest(lanes.maximum);
  task.hot_count += hot_count;
  task.sparse = sparse;
  task.outside |= any(not_below(lanes.top, lanes.bins));
  count_one_by_one(task, x + i, n - i);
}

static void count_bins(BinTask& task, const void* x, Type type, int64_t n) {
  with_type(type, [&]<class T>(T) {
    bool plain = kWidth > 1 && task.exponent <= 0 && task.exponent >= -127;
    bool narrow = task.bins + kWidth <= 0x10000;
    if (!plain) {
      count_one_by_one(task, static_cast<const T*>(x), n);
    } else if (narrow) {
      count_lanes<uint16_t>(task, static_cast<const T*>(x), n);
    } else {
      count_lanes<uint32_t>(task, static_cast<const T*>(x), n);
    }
  });
}

static void slots_of_columns(SlotTask& task, const void* data, Type type, int64_t rows, int64_t length, uint16_t* slots) {
  constexpr int64_t kParts = SlotTask::kChannels / kWidth;
  with_type(type, [&]<class T>(T) {
    Float inverse[kParts], first_float[kParts], minimum[kParts], maximum[kParts];
    Int first[kParts], top[kParts];
    for (int64_t k = 0; k < kParts; ++k) {
      inverse[k] = load(task.inverse + k * kWidth), first[k] = load_int(task.first + k * kWidth);
      first_float[k] = to_float(first[k]), top[k] = set_int(0);
      minimum[k] = set(__builtin_inff()), maximum[k] = set(-__builtin_inff());
    }
    const T* x = static_cast<const T*>(data);
    for (int64_t r = 0; r < rows; ++r, x += length, slots += SlotTask::kChannels) {
      __builtin_prefetch(x + 256 * length, 0, 2);  // a narrow column of memory, which the hardware does not foresee
      for (int64_t k = 0; k < kParts; ++k) {
        Float value = load(x + k * kWidth);
        minimum[k] = lesser(value, minimum[k]);
        maximum[k] = greater(value, maximum[k]);
        Int bin = floor_of_scaled(value, inverse[k], first_float[k], first[k]);
        top[k] = larger_unsigned(top[k], bin);
        store_narrow(slots + k * kWidth, bin);
      }
    }
    for (int64_t k = 0; k < kParts; ++k) {
      store(task.minimum + k * kWidth, minimum[k]);
      store(task.maximum + k * kWidth, maximum[k]);
      store_int(task.top + k * kWidth, top[k]);
    }
  });
}

static void fold(int64_t* counts, uint32_t* a, uint32_t* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) counts[i] += static_cast<int64_t>(a[i]) + static_cast<int64_t>(b[i]);
  memset(a, 0, static_cast<size_t>(n) * sizeof *a);
  memset(b, 0, static_cast<size_t>(n) * sizeof *b);
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

static void range_varying(const void* data, Type type, int64_t begin, int64_t end, int64_t length, float* minimum, float* maximum,
                          int64_t* nonfinite) {
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

static void transpose(const void* data, Type type, int64_t row_begin, int64_t row_end, int64_t length, int64_t first, int64_t count,
                      float* out, int64_t out_stride) {
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
