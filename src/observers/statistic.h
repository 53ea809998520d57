#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "kernels/observe_many.h"

namespace ppq {

/// What is gathered of one tensor while samples run through a network: state that does not grow with the samples, in one
/// read of each element, mergeable over devices and processes.
class Statistic {
 public:
  virtual ~Statistic() = default;
  /// Takes in one batch of `samples` samples (dimension 0 holds them when samples > 1).
  virtual void observe(const at::Tensor& value, int64_t samples) = 0;
  /// What `observe` would do as one of many kernel calls that are made together (kernels::observe_many), or nothing where it
  /// is more than that. The statistic and the value live until then.
  virtual std::optional<kernels::Observation> observation(const at::Tensor& value) {
    static_cast<void>(value);
    return std::nullopt;
  }
  /// Whether it wants tensors of all types; else those of floats alone are shown to it.
  virtual bool takes_all_types() const { return false; }
  /// Whether, after its first tensor of a shape, `observe` only launches work on the value's device that updates state in
  /// place: nothing on the host depends on the call and no state tensor is replaced, so that a captured CUDA graph, replayed,
  /// may stand for it.
  virtual bool steady() const { return false; }
  /// Takes in what another one of the same kind has seen (other devices, other processes). Throws Internal where the kinds
  /// differ.
  virtual void merge(const Statistic& other) = 0;
};

}  // namespace ppq
