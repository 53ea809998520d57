#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analysis/histograms.h"

/// Charts of report.html, as SVG that takes its colours from the page's style.
namespace ppq::html {

/// Noise over signal on a logarithmic scale of whole decades.
class LogAxis {
 public:
  /// Holds all values that are finite and above 0, at most the `most_decades` highest decades of them.
  explicit LogAxis(const std::vector<double>& values, int most_decades = 8);
  /// 0 to 1; what lies outside is at the end.
  double at(double value) const;
  int low() const { return low_; }    ///< power of ten
  int high() const { return high_; }  ///< power of ten
 private:
  int low_ = -4, high_ = 0;
};

/// Evenly spaced round numbers within [low, high], about `count` of them.
std::vector<double> round_numbers(double low, double high, int count);

/// Every tensor in the network's order: a bar with everything before it quantized, a dash for its operation alone. Where there are more
/// than there is room for, a bar is the worst of its neighbours. `numbered` are marked 1, 2, … and lead to #tensor-1, ….
std::string error_chart(const std::vector<TensorError>& tensors, const std::vector<const TensorError*>& numbered);

/// Counts on a logarithmic scale: float as an area, simulated as a line; the quantized range as a band.
std::string histogram_chart(const TensorHistogram& histogram, const TensorError& error);

/// Errors whose logarithms differ by less count as the same.
constexpr double kSameChange = 0.01;
/// From before (not measured: NaN) to after.
std::string change_chart(double before, double after, const LogAxis& axis);
/// The axis above such charts.
std::string change_scale(const LogAxis& axis);

/// Parts of a whole, in their order, with the names of those that have room for it.
std::string share_chart(const std::vector<std::pair<std::string, double>>& parts);

}  // namespace ppq::html
