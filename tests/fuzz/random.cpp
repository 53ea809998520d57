#include "fuzz/mutant.h"

namespace ppq::fuzz {

/// splitmix64.
uint64_t Random::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Recipe recipe_of(uint64_t run, uint64_t index, size_t seeds) {
  Random random(run * 0x2545f4914f6cdd1d + index);
  Recipe recipe{random.below(seeds), {}};
  constexpr size_t kCounts[] = {1, 1, 1, 2, 2, 3, 5};
  for (size_t count = random.pick(kCounts); count > 0; --count) recipe.changes.push_back(random.next());
  return recipe;
}

}  // namespace ppq::fuzz
