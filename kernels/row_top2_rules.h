#pragma once

#include "kernels/numerics.h"

/// What a row whose largest element must stay the largest asks of a scale (observer isotone), once for host and device: the
/// interval of scales from the row's two largest values, and the cells of its ends on a grid of log2(scale). Exact or
/// correctly rounded float64 arithmetic only, so both devices count in the same cells.
namespace ppq::top2 {

// 64 cells a doubling, from 2^-40 to 2^24, and one more for what lies above.
inline constexpr int kPerOctave = 64, kLowest = -40, kHighest = 24, kGrid = (kHighest - kLowest) * kPerOctave, kCells = kGrid + 1;

/// floor((log2(scale) - kLowest) × 64), kept to the grid; 0 for a scale of 0. The logarithm's first six binary digits come by
/// squaring: exact for powers of two, and elsewhere to a few units in the last place of the scale.
PPQ_RULE int cell_of(double scale) {
  if (!(scale >= numerics::pow2d(kLowest))) return 0;
  if (scale >= numerics::pow2d(kHighest)) return kGrid;
  uint64_t bits;
  memcpy(&bits, &scale, sizeof bits);
  int cell = static_cast<int>(bits >> 52 & 0x7ff) - 1023 - kLowest;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  for (int digit = kPerOctave; digit > 1; digit /= 2) {
    double m;  // 1 <= m < 2
    memcpy(&m, &bits, sizeof m);
    m *= m;
    memcpy(&bits, &m, sizeof bits);
    const uint64_t one = (bits >> 52) - 1023;  // m >= 2: halve it
    bits -= one << 52;
    cell = 2 * cell + static_cast<int>(one);
  }
  return cell;
}

/// The two largest finite values of a row; -Inf where there are fewer.
struct Pair {
  float first, second;
};
PPQ_RULE void take_in(Pair& pair, float x) {
  float rest = x < pair.first ? x : pair.first;
  pair.first = x > pair.first ? x : pair.first;
  pair.second = rest > pair.second ? rest : pair.second;
}
PPQ_RULE void join(Pair& pair, const Pair& other) {
  take_in(pair, other.first);
  take_in(pair, other.second);
}

/// Cells of the scales between which a row keeps its largest element apart; start < 0 where there are none.
struct Interval {
  int32_t start, end;
};
/// With l1 >= l2 (by magnitude, if symmetric): a scale above l2 / steps does not clip l2, one below 2 (l1 - max(l2, 0)) does
/// not round it up to l1.
PPQ_RULE Interval interval_of(const Pair& pair, bool symmetric, double steps) {
  double l1 = pair.first, l2 = pair.second;
  if (!numerics::is_finite(pair.second)) return {-1, -1};
  if (symmetric) {
    double a = l1 < 0 ? -l1 : l1, b = l2 < 0 ? -l2 : l2;
    l1 = a > b ? a : b, l2 = a > b ? b : a;
  }
  double low = l2 > 0 ? l2 / steps : 0.0, high = (l1 - (l2 > 0 ? l2 : 0.0)) * 2;
  if (!(l1 > 0) || !(high > low)) return {-1, -1};
  return {cell_of(low), cell_of(high)};
}

}  // namespace ppq::top2
