#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/search.h"
#include "observers/statistic.h"
#include "ppq/quant.h"

namespace ppq {

/// So many samples show ranges; fewer are exceeded too often (minmax-extended).
inline constexpr size_t kEnoughForRanges = 32;

/// A statistic that ends in scale and offset. `observe` reads each element once; O(channels × bins) state, never activations.
class Observer : public Statistic {
 public:
  /// Reads the statistics that `leader`, which sees the same tensor, gathers, instead of gathering its own; `observe` is then
  /// not to be called. False where they do not serve.
  virtual bool follow(const Observer& leader) {
    static_cast<void>(leader);
    return false;
  }
  /// Scale and offset. Throws Data when nothing, or NaN or Inf, was seen.
  virtual QuantParams finish() const = 0;
  /// The search that `finish` would make, to be made together with those of other observers (kernels::search_ranges), or
  /// nothing where it makes none or nothing was seen.
  virtual std::optional<kernels::RangeSearch> search() const { return std::nullopt; }
  /// What `finish` gives, from the rows that the search found, in host memory.
  virtual QuantParams finish_found(const at::Tensor& found) const {
    static_cast<void>(found);
    return finish();
  }
};

struct ObserverRow {
  const char* name;
  const char* summary;
  std::unique_ptr<Observer> (*make)(const QuantScheme&, const std::string& tensor);
};
const std::vector<ObserverRow>& observer_table();
/// Observes small tensors many at a time: a launch costs more than reading them.
class ObservationQueue {
 public:
  /// Observes at once, or keeps `value` until `flush` where it is small and the statistic can wait.
  void observe(Statistic& statistic, const at::Tensor& value, int64_t samples);
  /// Must be called before the observers are asked.
  void flush();
  /// Whether a flush was cut short by an exception, so that some observers took their tensors in and others did not.
  bool broken() const { return broken_; }

 private:
  std::vector<kernels::Observation> waiting_;
  bool broken_ = false;
};
/// Lets observers of one tensor share what they gather; returns those that `observe` must be called for.
std::vector<Observer*> share_statistics(const std::vector<Observer*>& observers);
/// The numbers of all observers: all searches of a device are made together and their results copied once, the rest runs on
/// all threads. Of several errors the first in order is thrown.
std::vector<QuantParams> finish_all(const std::vector<const Observer*>& observers);
/// Throws Usage (unknown name, with candidates) or Unsupported (scheme the observer cannot serve). `tensor` is for messages.
std::unique_ptr<Observer> make_observer(const std::string& name, const QuantScheme& scheme, const std::string& tensor);

}  // namespace ppq
