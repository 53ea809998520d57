#pragma once

#include <vector>

#include "observers/histogram_observer.h"

namespace ppq::observers {

/// Mean squared quantization error of a distribution for any range, from its histogram: counts are spread evenly inside a
/// bin, and prefix sums of the moments make one range cost O(levels) whatever the number of bins. Where steps are narrower
/// than bins (16 bits) rounding costs step²/12 a value, and values that are exactly zero cost nothing.
class ErrorModel {
 public:
  ErrorModel(const Distribution& distribution, const QuantScheme& scheme, double zeros = 0);
  /// Of params_from_range(low, high, scheme).
  double mean_squared_error(double low, double high) const;
  /// The range with the smallest error, found by a coarse search over shrunken ranges and refinement of each end.
  std::pair<double, double> best_range() const;
  /// Scale and integer offset that params_from_range gives.
  struct Grid {
    double scale, offset;
  };
  Grid grid(double low, double high) const;

 private:
  struct Moments {
    double count, sum, squares;
  };
  Moments below(double x) const;
  /// Error of clipping at `limit`; inside the outermost bin its values are taken to be at the extreme.
  double clipped(double extreme, double limit, double spread) const;
  double cell(const Moments& from, const Moments& to, double value) const {
    const double n = to.count - from.count;
    return (to.squares - from.squares) - 2 * value * (to.sum - from.sum) + value * value * n;
  }

  const Distribution& d_;
  const QuantScheme& scheme_;
  double zeros_;
  std::vector<Moments> prefix_;
};

}  // namespace ppq::observers
