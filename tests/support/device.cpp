#include "support/device.h"

#include <ATen/ATen.h>

#include <cstdlib>

namespace ppq::test {

std::string test_device_name() {
  const char* name = std::getenv("PPQ_TEST_DEVICE");
  return name ? name : "cpu";
}

at::Device test_device() {
  static const at::Device device = resolve_device(test_device_name());
  return device;
}

LowerOptions on_test_device(LowerOptions options) {
  options.device = test_device();
  return options;
}

Tensors on_cpu(const Tensors& tensors) {
  Tensors here;
  for (const at::Tensor& x : tensors) here.push_back(x.defined() ? x.cpu() : x);
  return here;
}

Tensors run_on_test_device(const Program& program, const Tensors& inputs, const Watcher& watcher) {
  if (!watcher) return on_cpu(run(program, inputs));
  return on_cpu(
      run(program, inputs, [&](size_t index, const at::Tensor& value) { watcher(index, value.defined() ? value.cpu() : value); }));
}

}  // namespace ppq::test
