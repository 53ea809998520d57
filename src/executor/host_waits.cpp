#include "executor/host_waits.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace ppq {
namespace {

constexpr std::array<std::string_view, 15> kWaits = {
    "aten::_local_scalar_dense", "aten::is_nonzero",         "aten::equal",    "aten::nonzero", "aten::masked_select", "aten::_unique2",
    "aten::unique_dim",          "aten::unique_consecutive", "aten::bincount", "aten::random_", "aten::normal_",       "aten::uniform_",
    "aten::bernoulli_",          "aten::multinomial",        "aten::poisson"};

/// The tensors among the first two arguments: what an operator works on, or the target and source of a copy.
std::pair<at::Tensor, at::Tensor> first_tensors(const at::RecordFunction& function) {
  const auto inputs = function.inputs();
  auto tensor = [&](size_t i) { return i < inputs.size() && inputs[i].isTensor() ? inputs[i].toTensor() : at::Tensor(); };
  return {tensor(0), tensor(1)};
}

}  // namespace

HostWaits*& HostWaits::innermost() {
  thread_local HostWaits* one = nullptr;
  return one;
}

HostWaits::HostWaits(at::Device device) : device_(device), outer_(innermost()) {
  if (!outer_)
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&note).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  innermost() = this;
}

HostWaits::~HostWaits() {
  if (!outer_) at::removeCallback(handle_);
  innermost() = outer_;
}

std::unique_ptr<at::ObserverContext> HostWaits::note(const at::RecordFunction& function) {
  const std::string_view name = function.name();
  const bool copy = name == "aten::copy_";
  if (!copy && std::find(kWaits.begin(), kWaits.end(), name) == kWaits.end()) return nullptr;
  const auto [x, y] = first_tensors(function);
  if (copy && (!x.defined() || !y.defined() || x.device() == y.device())) return nullptr;
  for (HostWaits* one = innermost(); one; one = one->outer_) {
    const bool there = (x.defined() && x.device() == one->device_) || (copy && y.device() == one->device_);
    if (there && one->count_++ == 0) one->first_ = name;
  }
  return nullptr;
}

}  // namespace ppq
