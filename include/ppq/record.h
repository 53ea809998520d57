#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace ppq {

/// What a pass did to one tensor: noise over signal against the float network, before and after the pass.
struct TensorEffect {
  std::string tensor;
  double before = 0, after = 0;
};

/// What the runner keeps of a pass that ran.
struct PassRecord {
  std::string name;
  size_t changes = 0;
  double seconds = 0;
  /// Noise over signal at the network's outputs before and after; NaN where it was not measured.
  double error_before = std::numeric_limits<double>::quiet_NaN(), error_after = std::numeric_limits<double>::quiet_NaN();
  std::vector<TensorEffect> effects;
  /// What a pass that decides by data chose, and why: one line, empty otherwise.
  std::string decision;
};

}  // namespace ppq
