// PPQ's own searches (kernels/search_ppq_rules.h) of all channels in one launch: a block takes a channel, its threads share out
// PPQ's bins, which they fill from the histogram, and then the candidates; the smallest loss, and of equal ones the smallest
// number, wins. Traffic: 8 bytes a bin of the histogram, once a warp and mostly from L2. The same bits as the CPU's.
#include "kernels/cuda/histogram.cuh"
#include "kernels/cuda/search_tasks.cuh"
#include "kernels/search_ppq_rules.h"

namespace ppq::kernels::cuda {
namespace {

constexpr int kPpqThreads = 256;

__global__ void __launch_bounds__(kPpqThreads) ppq_search_kernel(const SearchTask* tasks, int count, int64_t rows, double* found) {
  PPQ_SHARED(double, bins, search::kPpqKlBins);
  PPQ_SHARED(double, losses, kPpqThreads);
  PPQ_SHARED(int, numbers, kPpqThreads);
  const int thread = static_cast<int>(threadIdx.x);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const SearchTask& task = task_of(tasks, count, row);
    const search::Rule& rule = task.rule;
    if (!search::is_ppq(rule)) continue;
    const int64_t channel = row - (task.channel_end - task.channels);
    double* result = found + 3 * row;
    if (thread == 0) result[2] = static_cast<double>(task.state.nonfinite[channel]);
    const int exponent = task.state.exponent[channel];
    if (exponent == kNoExponent) {
      if (thread < 2) result[thread] = 0;
      continue;
    }
    const search::Distribution d =
        search::make_distribution(task.state.counts + channel * task.bins, nullptr, task.bins, task.state.first[channel], exponent,
                                  task.state.minimum[channel], task.state.maximum[channel]);
    const int candidates = search::ppq_candidates(rule, d), share = search::ppq_bins(rule) / kPpqThreads;
    if (candidates > 0) search::fill_ppq_bins(rule, d, thread * share, (thread + 1) * share, bins + 0);
    __syncthreads();
    double least = search::infinite();
    int best = -1;
    for (int candidate = thread; candidate < candidates; candidate += kPpqThreads) {
      const double loss = search::ppq_loss(rule, d, bins + 0, candidate);
      if (loss < least) least = loss, best = candidate;
    }
    losses[thread] = least;
    numbers[thread] = best;
    __syncthreads();
    if (thread != 0) continue;
    for (int other = 1; other < kPpqThreads; ++other) {
      const double loss = losses[other];
      const int number = numbers[other];
      if (loss < least || (loss == least && number >= 0 && (best < 0 || number < best))) least = loss, best = number;
    }
    const search::Best range = search::ppq_range(rule, d, best);
    result[0] = range.low;
    result[1] = range.high;
  }
}

}  // namespace

void launch_ppq_search(const SearchTask* tasks, int count, int64_t rows, int64_t blocks, double* found, Stream stream) {
  launch_kernel(ppq_search_kernel, blocks, kPpqThreads, 0, stream, tasks, count, rows, found);
}

}  // namespace ppq::kernels::cuda
