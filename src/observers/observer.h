#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "ppq/quant.h"

namespace ppq {

/// Streaming statistics of one tensor: O(channels × bins) state, never activations. One pass over the data.
class Observer {
 public:
  virtual ~Observer() = default;
  /// Takes in one batch of `samples` samples (dimension 0 holds them when samples > 1). Reads each element once.
  virtual void observe(const at::Tensor& value, int64_t samples) = 0;
  /// Takes in what another observer of the same kind and scheme has seen (other devices, other processes).
  virtual void merge(const Observer& other) = 0;
  /// Scale and offset. Throws Data when nothing, or NaN or Inf, was seen.
  virtual QuantParams finish() const = 0;
  /// Smallest and largest finite value seen.
  virtual std::pair<double, double> range() const = 0;
};

struct ObserverRow {
  const char* name;
  const char* summary;
  std::unique_ptr<Observer> (*make)(const QuantScheme&, const std::string& tensor);
};
const std::vector<ObserverRow>& observer_table();
/// Throws Usage (unknown name, with candidates) or Unsupported (scheme the observer cannot serve). `tensor` is for messages.
std::unique_ptr<Observer> make_observer(const std::string& name, const QuantScheme& scheme, const std::string& tensor);

}  // namespace ppq
