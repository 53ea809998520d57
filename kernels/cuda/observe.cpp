#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/on_device.h"
#include "ppq/error.h"

namespace ppq::kernels::cuda {
namespace {

HistogramState state_of(Histogram& histogram) {
  return {histogram.counts.mutable_data_ptr<int64_t>(),   histogram.first.mutable_data_ptr<int64_t>(),
          histogram.exponent.mutable_data_ptr<int32_t>(), histogram.minimum.mutable_data_ptr<float>(),
          histogram.maximum.mutable_data_ptr<float>(),    histogram.nonfinite.mutable_data_ptr<int64_t>()};
}

int64_t round_up(int64_t bytes) { return (bytes + 15) / 16 * 16; }

/// Whether observe_columns_kernel takes a tensor: enough channels to fill its lanes, rows to be worth its counters' size.
bool by_columns(const ObserveWork& work, DType dtype, int64_t bins) {
  const bool words = dtype == DType::Float32 || (work.view.channels % 2 == 0 && reinterpret_cast<uintptr_t>(work.x) % 4 == 0);
  return words && work.view.inner == 1 && work.view.channels >= 16 && work.view.outer >= 64 && bins <= kColumnBins &&
         column_bytes(bins) + (8 << 10) <= shared_limit();
}

/// Blocks that take several channels: see partition. Else the fewest parts of a channel that leave few multiprocessors idle while
/// the last blocks run, of a tile or more each.
Partition observe_partition(const ChannelView& view, DType dtype, int64_t bins, bool columns) {
  const int64_t size = element_size(dtype), resident = (columns ? 1 : size == 4 ? 2 : 3) * multiprocessors();
  Partition result = partition(view, dtype, bins * 4, 2 * multiprocessors());
  int64_t tiles = view.outer * view.inner / 8192, least = 1;
  if (columns) {
    result.group = kColumnGroup;
    result.groups = (view.channels + kColumnGroup - 1) / kColumnGroup;
    tiles = (view.outer + kColumnTile - 1) / kColumnTile;
    least = (tiles + 126) / 127;  // 16-bit counters
  }
  if (result.group > 1 && !columns) return result;
  const int64_t most = std::max(least, std::clamp<int64_t>(std::min(tiles, 4 * resident / result.groups), 1, 4096));
  double best = 0;
  for (int64_t splits = least; splits <= most; ++splits) {
    const int64_t blocks = result.groups * splits, waves = (blocks + resident - 1) / resident;
    const double busy = static_cast<double>(blocks) / static_cast<double>(waves * resident);
    if (busy <= best + (best > 0.9 ? 0.02 : 0)) continue;
    best = busy;
    result.splits = splits;
  }
  return result;
}

/// Observations with the same element type, bins and device, at most kObserveBatch.
void observe_batch(const std::vector<Observation>& observations) {
  const at::Tensor& front = observations.front().x;
  OnDevice device(front.device());
  int64_t bins = observations.front().histogram->bins(), bytes = 0;
  DType dtype = dtype_of(front, "observe");
  std::array<ObserveWork, kObserveBatch> works{};
  std::array<int64_t, kObserveBatch> counts_at{}, headers_at{};
  std::vector<at::Tensor> inputs;
  for (size_t i = 0; i < observations.size(); ++i) {
    const Observation& observation = observations[i];
    inputs.push_back(dense(observation.x));
    ObserveWork& work = works[i];
    work.x = inputs.back().const_data_ptr();
    work.view = channel_view(inputs.back(), observation.axis, observation.histogram->channels(), "observe");
    work.columns = by_columns(work, dtype, bins);
    work.partition = observe_partition(work.view, dtype, bins, work.columns);
    work.state = state_of(*observation.histogram);
    int64_t parts = work.view.channels * work.partition.splits;
    headers_at[i] = bytes;
    counts_at[i] = bytes += round_up(parts * static_cast<int64_t>(sizeof(PartialHeader)));
    bytes += round_up(parts * bins * 4);
  }
  at::Tensor scratch = at::empty({bytes}, front.options().dtype(at::kByte));
  uint8_t* base = scratch.mutable_data_ptr<uint8_t>();
  for (size_t i = 0; i < observations.size(); ++i) {
    works[i].headers = reinterpret_cast<PartialHeader*>(base + headers_at[i]);
    works[i].partial_counts = reinterpret_cast<uint32_t*>(base + counts_at[i]);
  }
  launch_observe(works.data(), static_cast<int>(observations.size()), bins, dtype, device.stream());
}

/// A histogram with more bins than a block can hold: first the range of x, which is merged like an empty histogram that has
/// seen it, then the counts. Reads x twice.
void observe_wide(const Observation& observation) {
  Histogram& histogram = *observation.histogram;
  OnDevice device(observation.x.device());
  const at::Tensor x = dense(observation.x);
  const DType dtype = dtype_of(x, "observe");
  Range range = make_range(histogram.channels(), x.device());
  cuda::observe_range(x, observation.axis, range);
  Histogram seen = {{},
                    at::zeros_like(histogram.first),
                    at::full_like(histogram.exponent, kEmptyExponent),
                    range.minimum,
                    range.maximum,
                    range.nonfinite};
  const HistogramState from{nullptr,
                            seen.first.mutable_data_ptr<int64_t>(),
                            seen.exponent.mutable_data_ptr<int32_t>(),
                            seen.minimum.mutable_data_ptr<float>(),
                            seen.maximum.mutable_data_ptr<float>(),
                            seen.nonfinite.mutable_data_ptr<int64_t>()};
  launch_merge(state_of(histogram), from, histogram.channels(), histogram.bins(), device.stream());
  CountWork work{
      x.const_data_ptr(), channel_view(x, observation.axis, histogram.channels(), "observe"), {}, state_of(histogram), histogram.bins()};
  work.partition = partition(work.view, dtype, 0, 8 * multiprocessors());
  launch_count_bins(work, dtype, device.stream());
}

}  // namespace

void observe_many(const std::vector<Observation>& observations) {
  std::vector<bool> done(observations.size());
  for (size_t i = 0; i < observations.size(); ++i) {
    if (done[i] || observations[i].x.numel() == 0) continue;
    const Observation& first = observations[i];
    if (first.histogram->bins() > kMaxBins) {
      observe_wide(first);
      continue;
    }
    std::vector<Observation> batch;
    for (size_t j = i; j < observations.size() && batch.size() < kObserveBatch; ++j) {
      const Observation& other = observations[j];
      if (done[j] || other.x.numel() == 0 || other.x.scalar_type() != first.x.scalar_type() || other.x.device() != first.x.device() ||
          other.histogram->bins() != first.histogram->bins()) {
        continue;
      }
      // Two observations of one histogram would race.
      bool repeated = false;
      for (const Observation& taken : batch) repeated = repeated || taken.histogram->counts.is_same(other.histogram->counts);
      if (repeated) continue;
      batch.push_back(other);
      done[j] = true;
    }
    observe_batch(batch);
  }
}

void observe(const at::Tensor& x, int64_t axis, Histogram& histogram) { cuda::observe_many({{x, axis, &histogram}}); }

void merge(Histogram& histogram, const Histogram& other) {
  if (histogram.channels() != other.channels() || histogram.bins() != other.bins()) {
    throw Error(ErrorKind::Internal, "merge",
                "histogram: got " + std::to_string(other.channels()) + " × " + std::to_string(other.bins()) + ", expected " +
                    std::to_string(histogram.channels()) + " × " + std::to_string(histogram.bins()));
  }
  at::Device place = histogram.counts.device();
  OnDevice device(place);
  Histogram from{other.counts.to(place),  other.first.to(place),   other.exponent.to(place),
                 other.minimum.to(place), other.maximum.to(place), other.nonfinite.to(place)};
  if (from.counts.is_same(histogram.counts)) from.counts = from.counts.clone();
  launch_merge(state_of(histogram), state_of(from), histogram.channels(), histogram.bins(), device.stream());
}

void observe_range(const at::Tensor& x, int64_t axis, Range& range) {
  if (x.numel() == 0) return;
  OnDevice device(x.device());
  at::Tensor input = dense(x);
  DType dtype = dtype_of(x, "observe_range");
  int64_t blocks = 8 * multiprocessors();
  RangeWork work{};
  work.x = input.const_data_ptr();
  work.view = channel_view(input, axis, range.minimum.numel(), "observe_range");
  work.columns = plan_columns(work.view, dtype, reinterpret_cast<uintptr_t>(work.x) % 16 == 0, blocks);
  work.partition = partition(work.view, dtype, 0, blocks);
  work.minimum = range.minimum.mutable_data_ptr<float>();
  work.maximum = range.maximum.mutable_data_ptr<float>();
  work.nonfinite = range.nonfinite.mutable_data_ptr<int64_t>();
  launch_observe_range(work, dtype, device.stream());
}

void observe_range_blocks(const at::Tensor& x, int64_t axis, int64_t block, Range& range) {
  if (x.numel() == 0) return;
  OnDevice device(x.device());
  at::Tensor input = x.contiguous();
  int64_t inner = input.stride(axis), size = input.size(axis);
  BlockRangeWork work{input.const_data_ptr(),
                      input.numel() / (size * inner),
                      size,
                      inner,
                      std::min(block, size),
                      range.minimum.mutable_data_ptr<float>(),
                      range.maximum.mutable_data_ptr<float>(),
                      range.nonfinite.mutable_data_ptr<int64_t>(),
                      {},
                      {},
                      false};
  launch_observe_range_blocks(work, dtype_of(input, "observe_range_blocks"), 8 * multiprocessors(), device.stream());
}

}  // namespace ppq::kernels::cuda
