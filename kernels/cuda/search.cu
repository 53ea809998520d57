// The ranges of all tensors of a model in one launch (rules and walks in kernels/search_rules.h): a block takes a channel at a
// time, its threads share the candidates. Prefix sums of the histogram's moments go to scratch memory of the block, added in
// the order of the bins (one thread for each of the three columns, fed through shared memory). Then, round by round, the
// threads find the errors of the candidates the walk may ask for, and one thread walks over them as the CPU does.
// Traffic: a histogram (8 bytes a bin) and its prefix sums (24 bytes a bin, in L2); bound by float64 arithmetic and its
// latency, not by memory. The same bits as the CPU's: the walk does not depend on which thread computed what.
#include "kernels/cuda/histogram.cuh"
#include "kernels/cuda/search_tasks.cuh"
#include "kernels/search_ppq_rules.h"

namespace ppq::kernels::cuda {
namespace {

using search::Best;
using search::Distribution;
using search::Moments;
using search::Rule;

constexpr int kSearchThreads = 128;
constexpr int kStepPairs = search::kStepCount * search::kStepCount;

/// Errors by number, computed beforehand.
template <class Table>
struct ShrinkTable {
  Table errors;
  PPQ_HD double operator()(int k, double) const { return errors[k]; }
};
template <class Table>
struct RefineTable {
  Table errors;
  PPQ_HD double operator()(int i, int j) const { return errors[i * search::kStepCount + j]; }
};
template <class Table>
struct DivergenceTable {
  Table divergences;
  PPQ_HD double operator()(int candidate) const { return divergences[candidate]; }
};

/// The rounds of a search: shrinking, kRounds refinements, then moves of that range by its divergence.
constexpr int kShrinking = 0, kMoving = search::kRounds + 1;
__device__ int candidates_of(int round) {
  return round == kShrinking ? search::kShrinks : round == kMoving ? search::kCandidates : kStepPairs;
}
/// Candidate `number` of a round that starts from `best`; false where the walk will not ask for it.
__device__ bool find_candidate(const Distribution& d, const Rule& rule, const Best& best, int round, int number, Best& candidate) {
  if (round == kShrinking) {
    double factor = search::shrink_factor(number);
    candidate = {best.low * factor, best.high * factor, 0};
    return number == 0 || search::is_shrink(d, best, factor);
  }
  if (round == kMoving) {
    candidate = search::moved(best, number);
    return search::is_move(rule, best, number);
  }
  int i = number / search::kStepCount, j = number % search::kStepCount;
  candidate = {search::refined(best.low, round - 1, i), search::refined(best.high, round - 1, j), 0};
  return search::is_refinement(d, rule, best, round - 1, i, j);
}

__global__ void __launch_bounds__(kSearchThreads, 3)
    search_kernel(const SearchTask* tasks, int count, int64_t rows, Moments* scratch, int64_t pitch, double* found) {
  PPQ_SHARED(double, table, search::kCandidates);
  PPQ_SHARED(int, list, search::kCandidates);
  PPQ_SHARED(int, listed, 1);
  PPQ_SHARED(double, chosen, 3);
  static_assert(search::kCandidates >= 3 * kSearchThreads && search::kCandidates >= kStepPairs && search::kCandidates >= search::kShrinks);
  const int thread = static_cast<int>(threadIdx.x);
  Moments* prefix = scratch + blockIdx.x * pitch;
  double* prefix_columns = reinterpret_cast<double*>(prefix);

  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const SearchTask& task = task_of(tasks, count, row);
    const Rule& rule = task.rule;
    if (search::is_ppq(rule)) continue;  // ppq_search_kernel's
    const int64_t channel = row - (task.channel_end - task.channels);
    double* result = found + 3 * row;
    if (rule.kind == search::kMean) {
      if (thread < 2) result[thread] = task.sums[thread * task.channels + channel] / task.sums[3 * task.channels + channel];
      if (thread == 2) result[2] = task.sums[2 * task.channels + channel];
      continue;
    }
    const float minimum = task.state.minimum[channel], maximum = task.state.maximum[channel];
    if (thread == 0) result[2] = static_cast<double>(task.state.nonfinite[channel]);
    if (rule.kind == search::kLeast) {
      if (thread == 0) result[0] = search::least_of(task.sums + channel, rule.candidates, task.channels);
      if (thread == 1) result[1] = search::larger(search::magnitude(minimum), search::magnitude(maximum));
      continue;
    }
    const int exponent = rule.kind == search::kMinMax ? kNoExponent : task.state.exponent[channel];
    if (exponent == kNoExponent) {
      if (thread == 0) result[0] = rule.kind == search::kMinMax ? minimum : 0;
      if (thread == 0) result[1] = rule.kind == search::kMinMax ? maximum : 0;
      continue;
    }

    Distribution d = search::make_distribution(task.state.counts + channel * task.bins, prefix, task.bins, task.state.first[channel],
                                               exponent, minimum, maximum);
    double sum = 0;
    if (thread < 3) prefix_columns[thread] = 0;
    for (int64_t start = 0; start < d.bins; start += kSearchThreads) {
      if (start + thread < d.bins) {
        Moments moments = search::moments_of_bin(d, start + thread);
        table[3 * thread] = moments.count;
        table[3 * thread + 1] = moments.sum;
        table[3 * thread + 2] = moments.squares;
      }
      __syncthreads();
      const int64_t left = d.bins - start, tile = left < kSearchThreads ? left : kSearchThreads;
      for (int i = 0; thread < 3 && i < tile; ++i) {
        sum = sum + table[3 * i + thread];
        prefix_columns[3 * (start + i + 1) + thread] = sum;
      }
      __syncthreads();
    }
    if (task.zeros != nullptr && task.zeros[1] > 0)
      d.zeros = d.total() * static_cast<double>(task.zeros[0]) / static_cast<double>(task.zeros[1]);

    if (rule.kind == search::kQuantile) {
      if (thread < 2)
        result[thread] = numerics::clamp_to(search::quantile(d, thread == 0 ? 1 - rule.quantile : rule.quantile), d.minimum, d.maximum);
      continue;
    }
    Best best = search::whole_range(d, rule);
    const bool point = best.low == best.high;
    const int rounds = point ? 0 : rule.kind == search::kDivergence ? kMoving + 1 : kMoving;
    for (int round = 0; round < rounds; ++round) {
      if (thread == 0) listed[0] = 0;
      __syncthreads();
      for (int number = thread; number < candidates_of(round); number += kSearchThreads) {
        Best candidate;
        double error = search::infinite();
        if (find_candidate(d, rule, best, round, number, candidate)) {
          error = search::mean_squared_error(d, rule, candidate.low, candidate.high);
          // Divergences cost the most: threads that have one to compute are brought together.
          if (round == kMoving && !(error > search::kErrorSlack * best.error)) list[atomicAdd(&listed[0], 1)] = number;
        }
        table[number] = round == kMoving ? search::infinite() : error;
      }
      __syncthreads();
      if (round == kMoving) {
        for (int i = thread; i < listed[0]; i += kSearchThreads) {
          const int number = list[i];
          const Best candidate = search::moved(best, number);
          table[number] = search::divergence(d, rule, candidate.low, candidate.high);
        }
        __syncthreads();
      }
      if (thread == 0) {
        Best next = best;
        if (round == kShrinking)
          next = search::shrink(d, best, ShrinkTable<decltype(table + 0)>{table + 0});
        else if (round == kMoving)
          next = search::moved(best, search::least_divergent(DivergenceTable<decltype(table + 0)>{table + 0}));
        else
          next = search::refine(d, rule, best, round - 1, RefineTable<decltype(table + 0)>{table + 0});
        chosen[0] = next.low;
        chosen[1] = next.high;
        chosen[2] = next.error;
      }
      __syncthreads();
      best = {chosen[0], chosen[1], chosen[2]};
    }
    if (thread == 0) result[0] = best.low;
    if (thread == 1) result[1] = best.high;
  }
}

}  // namespace

void launch_search(const SearchTask* tasks, int count, int64_t rows, Moments* scratch, int64_t pitch, int64_t blocks, double* found,
                   Stream stream) {
  launch_kernel(search_kernel, blocks, kSearchThreads, 0, stream, tasks, count, rows, scratch, pitch, found);
}

}  // namespace ppq::kernels::cuda
