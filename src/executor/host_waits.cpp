#include "executor/host_waits.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace ppq {
namespace {

constexpr std::array<std::string_view, 15> kWaits = {
    "aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal",   "aten::nonzero", "aten::masked_select",
    "aten::_unique2",            "aten::unique_dim", "aten::unique_consecutive", "aten::bincount", "aten::random_",
    "aten::normal_",             "aten::uniform_",   "aten::bernoulli_",         "aten::multinomial", "aten::poisson"};

thread_local HostWaits* current = nullptr;

/// A copy from one device to another: at::Tensor::copy_(self, source).
bool crosses_devices(const at::RecordFunction& function) {
  const auto inputs = function.inputs();
  if (inputs.size() < 2 || !inputs[0].isTensor() || !inputs[1].isTensor()) return false;
  const at::Tensor &to = inputs[0].toTensor(), &from = inputs[1].toTensor();
  return to.defined() && from.defined() && to.device() != from.device();
}

}  // namespace

HostWaits::HostWaits()
    : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(&note).needsInputs(true).scopes({at::RecordScope::FUNCTION}))) {
  current = this;
}

HostWaits::~HostWaits() {
  at::removeCallback(handle_);
  current = nullptr;
}

std::unique_ptr<at::ObserverContext> HostWaits::note(const at::RecordFunction& function) {
  const std::string_view name = function.name();
  const bool waits = std::find(kWaits.begin(), kWaits.end(), name) != kWaits.end() || (name == "aten::copy_" && crosses_devices(function));
  if (!waits || !current) return nullptr;
  if (current->count_++ == 0) current->first_ = name;
  return nullptr;
}

}  // namespace ppq
