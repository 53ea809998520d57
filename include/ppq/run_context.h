#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "ppq/progress.h"
#include "ppq/warning.h"

namespace ppq {

/// How often samples went through a network, and how often they were decoded: what a job's time is made of.
struct Work {
  /// Samples that ran through the whole network: in float, with rounded weights only, simulated.
  size_t float_forwards = 0, rounded_forwards = 0, simulated_forwards = 0;
  /// Visits of all calibration samples by a network in float, and by one with rounded weights.
  size_t float_visits = 0, rounded_visits = 0;
  /// How often a sample was read and decoded.
  size_t decoded = 0;
};

/// Where and how networks run: what every sweep over samples needs to know.
struct RunContext {
  at::Device device = at::kCPU;
  std::vector<at::Device> devices;  ///< that share the samples of a sweep; empty: `device` alone
  size_t batch_size = 1;
  size_t largest_batch = 0;   ///< the network was shown to allow batches up to this one; 1: none; 0: not known
  size_t sample_bytes = 0;    ///< live activations of one sample; 0: not known
  size_t max_memory = 0;      ///< bytes for the activations of the batches that are worked on at once; 0: a default
  bool device_graphs = true;  ///< CUDA: record a batch of a sweep as a graph and replay it for batches of its shape
  Progress progress;
  std::vector<Warning>* warnings = nullptr;
  std::shared_ptr<Work> work;  ///< counted where it is not null
  void warn(std::string text) const { warn(Warning{"", std::move(text)}); }
  void warn(Warning warning) const {
    if (warnings) warnings->push_back(std::move(warning));
  }
};

}  // namespace ppq
