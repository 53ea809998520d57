#pragma once

#include <cstdint>
#include <vector>

#include "kernels/numerics.h"

/// The hot loops as plain functions over pointers, compiled once for each level of instructions (level_*.cpp). All levels
/// give the same bits: the rules are numerics.h's, and sums go by a fixed tree.
namespace ppq::kernels::cpu {

enum class Type : int { Float, Half, BFloat16 };
enum class IntType : int { UInt8, Int8, UInt16, Int16, Int32 };

/// What a row of elements is quantized with.
struct QuantizeTask {
  const void* x;
  void* y;  ///< may be x
  Type type;
  const float* scale;
  const float* offset;
  numerics::FormatRule rule;
  /// For linear formats of few levels, rounded half to even: see QuickLinear. Null: divide.
  const float* inverse = nullptr;  ///< 1 / scale
  const float* low = nullptr;      ///< 3072 + quant_min - offset
  const float* high = nullptr;     ///< 3072 + quant_max - offset
};

/// A window of bins while it is filled: two arrays of bins + 16 counters, which take turns. Slots from `bins` on are dummies
/// for values that are counted otherwise.
struct BinTask {
  int exponent;
  int64_t first;  ///< |first| <= 2^24 + bins
  int64_t bins;
  uint32_t* counters;
  int64_t stride;  ///< from the one array to the other
  int64_t hot;     ///< a bin that may be frequent; then counted apart
  uint64_t hot_count;
  float minimum, maximum;  ///< of finite values, updated
  bool outside;            ///< set when a value was NaN, Inf or outside of the bins; such values are not counted
  bool sparse;             ///< the hot bin is frequent: kept from one call to the next
};

/// Sixteen neighbouring channels, each with the window of its own histogram.
struct SlotTask {
  static constexpr int64_t kChannels = 16;
  float inverse[kChannels];                      ///< 2^-exponent, -127 <= exponent <= 0
  int32_t first[kChannels];                      ///< |first| <= 2^24
  float minimum[kChannels], maximum[kChannels];  ///< of all values, set
  uint32_t
      top[kChannels];  ///< the largest bin as an unsigned number, set: NaN, Inf and values outside of a window are at or above its bins
  void set(int64_t channel, int exponent, int64_t first_bin) {
    inverse[channel] = numerics::pow2f(-exponent);
    first[channel] = static_cast<int32_t>(first_bin);
  }
};

struct Level {
  const char* name;

  /// Rows [begin, end) of `length` elements; row r uses scale[r % period].
  void (*fake_quantize_uniform)(const QuantizeTask&, int64_t begin, int64_t end, int64_t length, int64_t period);
  /// Rows [begin, end) of `length` elements; element i of each uses scale[i].
  void (*fake_quantize_varying)(const QuantizeTask&, int64_t begin, int64_t end, int64_t length);
  void (*quantize_int_uniform)(const QuantizeTask&, IntType, int64_t begin, int64_t end, int64_t length, int64_t period);
  void (*quantize_int_varying)(const QuantizeTask&, IntType, int64_t begin, int64_t end, int64_t length);

  /// One row with one scale: writes the input's gradient, returns the row's sums of scale and offset terms.
  void (*backward_uniform)(const QuantizeTask&, const void* grad, int64_t start, int64_t length, int64_t channel, bool masked,
                           double* scale_sum, double* offset_sum);
  /// Rows [begin, end): adds to sums[length].
  void (*backward_varying)(const QuantizeTask&, const void* grad, int64_t begin, int64_t end, int64_t length, bool masked,
                           double* scale_sums, double* offset_sums);

  /// Counts values into task.counters. x points at the first of n elements.
  void (*count_bins)(BinTask&, const void* x, Type, int64_t n);
  /// Bins of `rows` rows of `length` channels, of which x points at the first of 16: slots[row][channel], of no use where the
  /// channel's `top` lies outside of the window. Null: this level has no such way.
  void (*slots)(SlotTask&, const void* x, Type, int64_t rows, int64_t length, uint16_t* slots);
  /// counts[i] += a[i] + b[i]; a and b become zero.
  void (*fold)(int64_t* counts, uint32_t* a, uint32_t* b, int64_t n);
  /// Takes n elements into a range.
  void (*range)(const void* x, Type, int64_t n, float* minimum, float* maximum, int64_t* nonfinite);
  /// Rows [begin, end) of `length` channels: takes element i into range i.
  void (*range_varying)(const void* x, Type, int64_t begin, int64_t end, int64_t length, float* minimum, float* maximum,
                        int64_t* nonfinite);
  /// Copies elements [begin, end) of rows × `length` as float32, transposed: out[channel - first][row].
  void (*transpose)(const void* x, Type, int64_t row_begin, int64_t row_end, int64_t length, int64_t first, int64_t count, float* out,
                    int64_t out_stride);

  /// sums[4] = Σ(q-f)², Σf², Σq², Σqf over n elements.
  void (*error_sums)(const void* q, const void* f, Type, int64_t n, double* sums);

  /// kernels::channel_sums: adds the sums of n elements of one channel to sums[4].
  void (*channel_sums_uniform)(const void* x, Type, int64_t n, float bound, double* sums);
  /// The same of `rows` rows of `length` channels: adds to sums[4][length].
  void (*channel_sums_varying)(const void* x, Type, int64_t rows, int64_t length, float bound, double* sums);
};

const Level& scalar_level();
const Level& avx2_level();
const Level& avx512_level();

/// The best level this machine has, or the lower one PPQ_CPU_KERNELS names.
const Level& current_level();

/// The levels this machine has, slowest first.
std::vector<const Level*> available_levels();

/// While it lives, kernels called from this thread use `level` (tests and benchmarks compare levels in one process).
class UseLevel {
 public:
  explicit UseLevel(const Level& level);
  ~UseLevel();
  UseLevel(const UseLevel&) = delete;
  UseLevel& operator=(const UseLevel&) = delete;

 private:
  const Level* previous_;
};

}  // namespace ppq::kernels::cpu
