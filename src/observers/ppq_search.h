#pragma once

#include <vector>

#include "observers/histogram_observer.h"

namespace ppq::observers {

/// The distribution of one channel: bin i covers [low + i × width, low + (i+1) × width).
struct Distribution {
  double low = 0, width = 0;
  std::vector<double> counts;
  double minimum = 0, maximum = 0;  ///< of the values seen, exact
  double total = 0;
};

/// The counts in `bins` equal bins over [low, high] of x, or of |x|. A bin that straddles a border is shared out by length,
/// but single values are kept whole: what is empty stays empty.
std::vector<double> rebin(const Distribution& distribution, size_t bins, double low, double high, bool absolute);

/// Base of PPQ's own searches, which look at few candidates over few bins: they run on the host.
class PpqSearchObserver : public HistogramObserver {
 public:
  using HistogramObserver::HistogramObserver;
  QuantParams finish() const override;

 protected:
  /// The range [min, max] to quantize for.
  virtual std::pair<double, double> choose_range(const Distribution& distribution) const = 0;
};

}  // namespace ppq::observers
