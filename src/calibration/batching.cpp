#include "calibration/batching.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "ppq/error.h"

namespace ppq {
namespace {

constexpr size_t kProvedBytes = size_t{256} << 20;  ///< of one sample; of larger ones two at once are not tried

/// What is compared of a tensor: enough to notice any mixing of samples that an observer would notice.
struct Summary {
  std::vector<int64_t> sizes;
  double minimum = 0, maximum = 0, sum = 0;
};

Summary summarize(const at::Tensor& value) {
  Summary s{value.sizes().vec()};
  // LibTorch stores 8-bit floats, and computes nothing with them.
  const at::Tensor tensor = at::isFloat8Type(value.scalar_type()) ? value.to(at::kFloat) : value;
  if (tensor.numel() == 0) return s;
  auto [lo, hi] = at::aminmax(tensor);
  s.minimum = lo.item<double>(), s.maximum = hi.item<double>();
  s.sum = tensor.sum(at::kDouble).item<double>();
  return s;
}

std::vector<Summary> summaries(const Program& program, const Tensors& inputs, size_t count) {
  std::vector<Summary> all(count);
  run(program, inputs, [&](size_t index, const at::Tensor& tensor) {
    if (tensor.defined() && tensor.is_floating_point()) all[index] = summarize(tensor);
  });
  return all;
}

bool close(double a, double b, double magnitude) { return std::abs(a - b) <= 1e-4 * magnitude + 1e-12; }

/// `both` is what `a` and `b` give side by side along dimension 0.
bool is_union(const Summary& both, const Summary& a, const Summary& b) {
  if (both.sizes.empty() && a.sizes.empty()) return close(both.sum, a.sum, std::abs(a.sum)) && close(a.sum, b.sum, std::abs(a.sum));
  if (both.sizes.size() != a.sizes.size()) return false;
  const double magnitude = std::max({std::abs(a.minimum), std::abs(a.maximum), std::abs(b.minimum), std::abs(b.maximum)});
  const double elements = static_cast<double>(c10::multiply_integers(a.sizes));
  if (both.sizes == a.sizes && a.sizes == b.sizes)  // does not depend on the batch at all (anchors, positions)
    return close(both.minimum, a.minimum, magnitude) && close(both.maximum, a.maximum, magnitude) &&
           close(a.sum, b.sum, magnitude * elements) && close(both.sum, a.sum, magnitude * elements);
  if (both.sizes[0] != a.sizes[0] + b.sizes[0]) return false;
  return close(both.minimum, std::min(a.minimum, b.minimum), magnitude) && close(both.maximum, std::max(a.maximum, b.maximum), magnitude) &&
         close(both.sum, a.sum + b.sum, magnitude * std::sqrt(elements) * 4);
}

Tensors join(const Tensors& a, const Tensors& b) {
  Tensors both;
  for (size_t i = 0; i < a.size(); ++i) both.push_back(a[i].dim() == 0 ? a[i] : at::cat({a[i], b[i]}, 0));
  return both;
}

bool same_shapes(const Tensors& a, const Tensors& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].dim() == 0 || a[i].sizes() != b[i].sizes()) return false;
  return true;
}

/// `otherwise` where the CPU cannot run what the device can.
size_t live_on_cpu(const Graph& graph, const Tensors& inputs, size_t otherwise) {
  try {
    return std::max<size_t>(1, live_bytes(*lower(graph, {}), inputs));
  } catch (const Error&) {
    return otherwise;
  }
}

}  // namespace

BatchChoice choose_batch_size(const Graph& graph, const Dataset& dataset, at::Device device, size_t memory_bytes, size_t most) {
  if (dataset.size() < 2 || most < 2) return {1, "one sample"};
  const Tensors a = dataset.sample(0), b = dataset.sample(1);
  LowerOptions options;
  options.device = device;
  auto plain = lower(graph, options);
  const size_t live = std::max<size_t>(1, live_bytes(*plain, a));
  // On the CPU everywhere: what is found depends on it (samples_at_once), and must not on the device.
  const size_t sample_bytes = device.is_cpu() ? live : live_on_cpu(graph, a, live);
  if (!same_shapes(a, b)) return {1, "samples differ in shape", 1, sample_bytes};
  const size_t fitting = std::clamp<size_t>(memory_bytes / live, 1, std::min(most, dataset.size()));
  if (sample_bytes > kProvedBytes) return {1, "one sample fills the memory set aside for activations", 1, sample_bytes};
  for (const Value* value : graph.values())
    if (value->producer()) options.watch.push_back(value);
  auto watched = lower(graph, options);
  try {
    const auto alone_a = summaries(*watched, a, options.watch.size());
    const auto alone_b = summaries(*watched, b, options.watch.size());
    const auto together = summaries(*watched, join(a, b), options.watch.size());
    for (size_t i = 0; i < together.size(); ++i)
      if (!is_union(together[i], alone_a[i], alone_b[i]))
        return {1, "tensor " + options.watch[i]->name() + " mixes the samples of a batch", 1, sample_bytes};
  } catch (const Error& e) {
    return {1, "a batch of 2 does not run: " + e.problem(), 1, sample_bytes};
  }
  if (fitting < 2) return {1, "one sample fills the memory set aside for activations", most, sample_bytes};
  return {fitting, "", most, sample_bytes};
}

size_t samples_at_once(size_t sample_bytes, size_t memory_bytes, size_t most) {
  return std::bit_floor(std::clamp<size_t>(memory_bytes / std::max<size_t>(sample_bytes, 1), 1, most));
}

}  // namespace ppq
