#pragma once

namespace ppq {

/// Rounding of x/scale. Numbers and ties follow PPQ's RoundingPolicy.
enum class Rounding : int {
  HalfEven = 0,
  HalfUp = 1,
  HalfDown = 2,
  HalfTowardsZero = 3,
  HalfFarFromZero = 4,
  ToNearInt = 5,
  Up = 6,
  Down = 7
};

}  // namespace ppq
