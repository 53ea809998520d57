#include "kernels/row_top2.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <vector>

#include "kernels/cpu/layout.h"
#include "kernels/cpu/parallel.h"
#include "kernels/row_top2_rules.h"

namespace ppq::kernels::cpu {
namespace {

constexpr int64_t kGrain = 16384;  ///< elements a thread takes at least
constexpr int kLanes = 16;         ///< rows are read in so many interleaved parts, which compilers make vectors of
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// What a thread has seen of the values in all its rows.
struct Seen {
  float low = kInfinity, high = -kInfinity;
  int64_t nonfinite = 0;
};

/// Lane by lane over kLanes floats.
struct Lanes {
  float first[kLanes], second[kLanes], low[kLanes];
  int32_t nonfinite[kLanes];
  Lanes() {
    std::fill_n(first, kLanes, -kInfinity), std::fill_n(second, kLanes, -kInfinity), std::fill_n(low, kLanes, kInfinity);
    std::fill_n(nonfinite, kLanes, 0);
  }
  void add(const float* x) {
    for (int i = 0; i < kLanes; ++i) {
      const bool odd = !numerics::is_finite(x[i]);
      const float top = odd ? -kInfinity : x[i], bottom = odd ? kInfinity : x[i];
      const float rest = top < first[i] ? top : first[i];
      nonfinite[i] += odd;
      first[i] = top > first[i] ? top : first[i];
      second[i] = rest > second[i] ? rest : second[i];
      low[i] = bottom < low[i] ? bottom : low[i];
    }
  }
};

float value_of(float x) { return x; }
float value_of(at::Half x) { return numerics::float_of_float16(x.x); }
float value_of(at::BFloat16 x) { return numerics::float_of_bfloat16(x.x); }

template <class T>
top2::Pair largest_two(const T* row, int64_t length, Seen& seen) {
  Lanes lanes;
  float values[kLanes];
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    for (int k = 0; k < kLanes; ++k) values[k] = value_of(row[i + k]);
    lanes.add(values);
  }
  top2::Pair pair{-kInfinity, -kInfinity};
  for (int k = 0; k < kLanes; ++k) {
    top2::join(pair, {lanes.first[k], lanes.second[k]});
    seen.low = std::min(seen.low, lanes.low[k]);
    seen.nonfinite += lanes.nonfinite[k];
  }
  for (; i < length; ++i) {
    const float x = value_of(row[i]);
    if (!numerics::is_finite(x)) {
      ++seen.nonfinite;
      continue;
    }
    top2::take_in(pair, x);
    seen.low = std::min(seen.low, x);
  }
  seen.high = std::max(seen.high, pair.first);
  return pair;
}

template <class T>
Seen observe_rows(const T* x, int64_t rows, int64_t length, bool symmetric, double steps, std::vector<top2::Interval>& intervals) {
  Seen all;
  std::mutex mutex;
  parallel_for(rows, std::max<int64_t>(1, kGrain / length), [&](int64_t begin, int64_t end) {
    Seen seen;
    for (int64_t row = begin; row < end; ++row)
      intervals[row] = top2::interval_of(largest_two(x + row * length, length, seen), symmetric, steps);
    const std::lock_guard<std::mutex> lock(mutex);
    all.low = std::min(all.low, seen.low), all.high = std::max(all.high, seen.high), all.nonfinite += seen.nonfinite;
  });
  return all;
}

}  // namespace

void observe_row_top2(const at::Tensor& x_in, bool symmetric, double steps, RowTop2& state) {
  const at::Tensor x = x_in.contiguous();
  const Type type = type_of(x, "observe_row_top2");
  if (x.numel() == 0) return;
  const int64_t length = x.size(-1), rows = x.numel() / length;
  std::vector<top2::Interval> intervals(rows);
  auto observe_as = [&](auto element) {
    using T = decltype(element);
    return observe_rows(x.const_data_ptr<T>(), rows, length, symmetric, steps, intervals);
  };
  const Seen seen = type == Type::Float ? observe_as(float{}) : type == Type::Half ? observe_as(at::Half{}) : observe_as(at::BFloat16{});
  int64_t* starts = state.cells.mutable_data_ptr<int64_t>();
  for (const top2::Interval& one : intervals) {
    if (one.start < 0) continue;
    ++starts[one.start];
    ++starts[top2::kCells + one.end];
  }
  float *minimum = state.range.minimum.mutable_data_ptr<float>(), *maximum = state.range.maximum.mutable_data_ptr<float>();
  *minimum = std::min(*minimum, numerics::canonical_zero(seen.low));
  *maximum = std::max(*maximum, numerics::canonical_zero(seen.high));
  *state.range.nonfinite.mutable_data_ptr<int64_t>() += seen.nonfinite;
}

}  // namespace ppq::kernels::cpu
