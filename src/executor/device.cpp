#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <atomic>
#include <cctype>

#include "executor/program.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// Why CUDA cannot be used; empty when it can.
std::string cuda_obstacle() {
  try {
    if (!at::hasCUDA()) return "no NVIDIA driver or device was found (or LibTorch was built without CUDA)";
    if (at::detail::getCUDAHooks().deviceCount() == 0) return "no CUDA device was found";
    at::zeros({1}, at::TensorOptions().device(at::kCUDA)).cpu();
    return "";
  } catch (const c10::Error& e) {
    const std::string text = e.what_without_backtrace();
    return text.substr(0, text.find('\n'));
  }
}

/// "0,1" of `name`.
std::vector<int> device_numbers(const std::string& digits, const std::string& name, const std::string& option) {
  std::vector<int> numbers;
  std::string number;
  for (const char c : digits + ",") {
    if (std::isdigit(static_cast<unsigned char>(c))) {
      number += c;
      continue;
    }
    if (c != ',' || number.empty() || number.size() > 3)
      throw Error(ErrorKind::Usage, option, "unknown device: got '" + name + "', expected cuda:N or cuda:N,M with N and M numbers");
    numbers.push_back(std::stoi(number));
    number.clear();
    if (std::count(numbers.begin(), numbers.end(), numbers.back()) > 1)
      throw Error(ErrorKind::Usage, option, "got '" + name + "', expected each device once");
  }
  return numbers;
}

/// Whether anybody said if TF32 may be used.
std::atomic<bool>& tf32_chosen() {
  static std::atomic<bool> chosen{false};
  return chosen;
}

}  // namespace

std::vector<at::Device> resolve_devices(const std::string& name, const std::string& option) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "cpu") return {at::kCPU};
  if (lower == "auto") return {cuda_obstacle().empty() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU)};
  if (lower != "cuda" && lower.rfind("cuda:", 0) != 0)
    throw Error(ErrorKind::Usage, option, "unknown device: got '" + name + "', expected auto, cpu, cuda, cuda:N or cuda:N,M");
  const std::vector<int> indices = lower == "cuda" ? std::vector<int>{0} : device_numbers(lower.substr(5), name, option);
  const std::string obstacle = cuda_obstacle();
  if (!obstacle.empty())
    throw Error(ErrorKind::Unsupported, option, "cuda cannot be used: " + obstacle,
                "use " + option + " cpu, or see `ppq_torch list devices`");
  const int count = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  std::vector<at::Device> devices;
  for (const int index : indices) {
    if (index >= count)
      throw Error(ErrorKind::Unsupported, option,
                  "no such CUDA device: got " + std::to_string(index) + ", expected less than " + std::to_string(count));
    devices.emplace_back(at::kCUDA, static_cast<c10::DeviceIndex>(index));
  }
  return devices;
}

at::Device resolve_device(const std::string& name, const std::string& option) {
  if (name.find(',') != std::string::npos)
    throw Error(ErrorKind::Usage, option, "several devices: got '" + name + "', expected one",
                "only `ppq_torch quantize` shares work among devices");
  return resolve_devices(name, option)[0];
}

void allow_tf32(bool allowed) {
  // LibTorch's own default allows it for convolutions.
  at::globalContext().setAllowTF32CuDNN(allowed);
  at::globalContext().setAllowTF32CuBLAS(allowed);
  tf32_chosen() = true;
}

void prepare_device(at::Device device) {
  if (!device.is_cuda()) return;
  if (!tf32_chosen().load()) allow_tf32(false);
  // cuDNN's own choice. Trying its algorithms takes 30 to 100 ms for every shape, of which a job has hundreds, and which one wins
  // changes from run to run, and with it the last bits.
  at::globalContext().setBenchmarkCuDNN(false);
}

bool prefers_channels_last(at::Device device) { return !device.is_cuda() || at::globalContext().allowTF32CuDNN(); }

}  // namespace ppq
