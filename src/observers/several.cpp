#include <ATen/ATen.h>

#include <exception>
#include <map>

#include "kernels/cpu/parallel.h"
#include "kernels/observe_many.h"
#include "observers/observer.h"

namespace ppq {

void ObservationQueue::observe(Statistic& statistic, const at::Tensor& value, int64_t samples) {
  constexpr int64_t kSmall = 65536;  // elements; below, a GPU's launch costs more than the bytes
  constexpr size_t kMost = 64;       // so that what is kept alive stays small
  auto one = value.numel() > 0 && value.numel() <= kSmall ? statistic.observation(value) : std::nullopt;
  if (!one) {
    statistic.observe(value, samples);
    return;
  }
  waiting_.push_back(std::move(*one));
  if (waiting_.size() >= kMost) flush();
}

void ObservationQueue::flush() {
  const std::vector<kernels::Observation> observations = std::move(waiting_);
  waiting_.clear();
  broken_ = true;
  kernels::observe_many(observations);
  broken_ = false;
}

std::vector<Observer*> share_statistics(const std::vector<Observer*>& observers) {
  std::vector<bool> follows(observers.size()), leads(observers.size());
  for (size_t i = 0; i < observers.size(); ++i) {
    for (size_t j = 0; j < observers.size() && !follows[i] && !leads[i]; ++j) {
      if (j == i || follows[j] || !observers[i]->follow(*observers[j])) continue;
      follows[i] = leads[j] = true;
    }
  }
  std::vector<Observer*> gathering;
  for (size_t i = 0; i < observers.size(); ++i)
    if (!follows[i]) gathering.push_back(observers[i]);
  return gathering;
}

namespace {

/// The rows found for each observer that searches; undefined for the others.
std::vector<at::Tensor> search_all(const std::vector<const Observer*>& observers) {
  std::vector<at::Tensor> found(observers.size());
  std::map<std::string, std::pair<std::vector<kernels::RangeSearch>, std::vector<size_t>>> by_device;
  for (size_t i = 0; i < observers.size(); ++i) {
    std::optional<kernels::RangeSearch> one = observers[i]->search();
    if (!one) continue;
    auto& [searches, owners] = by_device[one->device().str()];
    searches.push_back(std::move(*one));
    owners.push_back(i);
  }
  for (const auto& [device, list] : by_device) {
    const auto& [searches, owners] = list;
    const at::Tensor rows = kernels::search_ranges(searches).cpu();
    int64_t begin = 0;
    for (size_t k = 0; k < owners.size(); ++k) {
      found[owners[k]] = rows.narrow(0, begin, searches[k].channels());
      begin += searches[k].channels();
    }
  }
  return found;
}

}  // namespace

std::vector<QuantParams> finish_all(const std::vector<const Observer*>& observers) {
  const std::vector<at::Tensor> found = search_all(observers);
  std::vector<QuantParams> params(observers.size());
  std::vector<std::exception_ptr> errors(observers.size());
  kernels::cpu::parallel_for(static_cast<int64_t>(observers.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      try {
        params[i] = found[i].defined() ? observers[i]->finish_found(found[i]) : observers[i]->finish();
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  });
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
  return params;
}

}  // namespace ppq
