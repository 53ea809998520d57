#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/on_device.h"
#include "kernels/search_ppq_rules.h"

namespace ppq::kernels::cuda {
namespace {

template <class T>
T* data_of(std::vector<at::Tensor>& kept, const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  kept.push_back(tensor.contiguous());
  return static_cast<T*>(kept.back().data_ptr());
}

}  // namespace

at::Tensor search_ranges(const std::vector<RangeSearch>& searches) {
  const at::Device place = searches[0].device();
  OnDevice device(place);
  std::vector<at::Tensor> kept;
  std::vector<SearchTask> tasks;
  int64_t rows = 0, pitch = 0;
  bool any_bins = false, any_ppq = false;
  for (const RangeSearch& one : searches) {
    const Histogram& h = one.histogram;
    SearchTask task{};
    task.rule = one.rule;
    task.state = {data_of<int64_t>(kept, h.counts), data_of<int64_t>(kept, h.first), data_of<int32_t>(kept, h.exponent),
                  data_of<float>(kept, h.minimum),  data_of<float>(kept, h.maximum), data_of<int64_t>(kept, h.nonfinite)};
    task.zeros = data_of<int64_t>(kept, one.zeros);
    task.sums = data_of<double>(kept, one.sums);
    task.bins = h.counts.defined() ? h.bins() : 0;
    task.channels = one.channels();
    task.channel_end = rows += task.channels;
    if (search::is_ppq(task.rule)) {
      any_ppq = true;
    } else {
      any_bins = any_bins || task.bins > 0;
      pitch = std::max(pitch, task.bins + 1);
    }
    tasks.push_back(task);
  }
  const int64_t blocks = std::min<int64_t>(rows, any_bins ? 4 * multiprocessors() : 4096);
  const at::TensorOptions bytes = at::TensorOptions().dtype(at::kByte), doubles = at::TensorOptions().dtype(at::kDouble).device(place);
  at::Tensor table = at::from_blob(tasks.data(), {static_cast<int64_t>(tasks.size() * sizeof(SearchTask))}, bytes).to(place);
  at::Tensor scratch = at::empty({blocks * pitch, 3}, doubles), found = at::empty({rows, 3}, doubles);
  launch_search(static_cast<const SearchTask*>(table.const_data_ptr()), static_cast<int>(tasks.size()), rows,
                static_cast<search::Moments*>(scratch.mutable_data_ptr()), pitch, blocks, found.mutable_data_ptr<double>(),
                device.stream());
  if (any_ppq) {
    launch_ppq_search(static_cast<const SearchTask*>(table.const_data_ptr()), static_cast<int>(tasks.size()), rows,
                      std::min<int64_t>(rows, 8 * multiprocessors()), found.mutable_data_ptr<double>(), device.stream());
  }
  return found;
}

}  // namespace ppq::kernels::cuda
