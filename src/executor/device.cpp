#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <cctype>

#include "ppq/error.h"
#include "ppq/executor.h"

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

}  // namespace

at::Device resolve_device(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "cpu") return at::kCPU;
  if (lower == "auto") return cuda_obstacle().empty() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  if (lower != "cuda" && lower.rfind("cuda:", 0) != 0)
    throw Error(ErrorKind::Usage, "--device", "unknown device: got '" + name + "', expected auto, cpu, cuda or cuda:N");
  const std::string digits = lower == "cuda" ? "0" : lower.substr(5);
  if (digits.empty() || digits.size() > 3 || !std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); }))
    throw Error(ErrorKind::Usage, "--device", "unknown device: got '" + name + "', expected cuda:N with N a number");
  const std::string obstacle = cuda_obstacle();
  if (!obstacle.empty())
    throw Error(ErrorKind::Unsupported, "--device", "cuda cannot be used: " + obstacle, "use --device cpu, or see `ppq_torch list devices`");
  const int index = std::stoi(digits);
  const int count = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  if (index >= count)
    throw Error(ErrorKind::Unsupported, "--device", "no such CUDA device: got " + digits + ", expected less than " + std::to_string(count));
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace ppq
