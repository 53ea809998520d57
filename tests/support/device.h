#pragma once

#include <string>

#include "ppq/executor.h"

namespace ppq::test {

/// Where tests run networks: what the environment variable PPQ_TEST_DEVICE names ("cuda", "cuda:1"), the CPU without it. A test
/// program says so and ends before its first test where that device cannot be used: with 4, or with 2 for a name that is none.
at::Device test_device();
/// The same for --device.
std::string test_device_name();

/// Options of `lower` for that device.
LowerOptions on_test_device(LowerOptions options = {});
/// `run`, with outputs and watched values brought to the CPU.
Tensors run_on_test_device(const Program& program, const Tensors& inputs, const Watcher& watcher = nullptr);
/// Tensors brought to the CPU; undefined ones stay so.
Tensors on_cpu(const Tensors& tensors);

}  // namespace ppq::test
