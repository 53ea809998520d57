#include "calibration/reference.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "calibration/visit.h"
#include "executor/at_once.h"

namespace ppq {
namespace {

constexpr size_t kKeptBytes = size_t{128} << 20;

std::shared_ptr<const Program> lowered(const Graph& graph, ExecutionMode mode, const RunContext& context) {
  LowerOptions options;
  options.device = context.device;
  options.mode = mode;
  return lower(graph, options);
}

size_t bytes_of(const Tensors& tensors) {
  return std::accumulate(tensors.begin(), tensors.end(), size_t{0},
                         [](size_t sum, const at::Tensor& x) { return sum + (x.defined() ? x.nbytes() : 0); });
}

/// Without a word to the user: what is measured is not what the job is doing.
RunContext quiet(RunContext context) {
  context.progress = nullptr;
  return context;
}

}  // namespace

void OutputErrors::add(const Tensors& got, const Tensors& expected) {
  measures_.resize(got.size());
  for (size_t i = 0; i < got.size(); ++i)
    if (got[i].is_floating_point() && got[i].sizes() == expected[i].sizes()) measures_[i].add(got[i], expected[i]);
}

double OutputErrors::sum() const {
  return std::accumulate(measures_.begin(), measures_.end(), 0.0, [](double sum, const Measure& m) { return sum + m.nsr(); });
}

double OutputErrors::least_sum(const OutputErrors& exact) const {
  double sum = 0;
  for (size_t i = 0; i < measures_.size(); ++i)
    if (const double signal = exact.measures_[i].signal; signal > 0) sum += measures_[i].noise / signal;
  return sum;
}

double OutputErrors::pooled() const {
  Measure all;
  for (const Measure& measure : measures_) all.add(measure);
  return all.nsr();
}

Reference::Reference(const Graph& plain, DatasetPtr samples, const RunContext& context)
    : plain_(lowered(plain, ExecutionMode::Float, context)),
      samples_(std::move(samples)),
      context_(quiet(context)),
      all_(std::make_shared<All>()) {}

Reference::Kept& Reference::kept(const Part& part) {
  const auto found = std::find_if(all_->parts.begin(), all_->parts.end(), [&](const auto& one) { return one->part == part; });
  if (found != all_->parts.end()) return **found;
  auto one = std::make_unique<Kept>();
  one->part = part;
  const std::vector<size_t> indices = part.indices(samples_->size());
  std::vector<size_t> rest;
  visit_samples_at_once(subset(samples_, indices), context_, "",
                        [&](const Tensors& inputs, size_t first, size_t count) -> std::function<void()> {
                          Tensors expected;
                          if (all_->bytes < kKeptBytes) expected = ppq::run(*plain_, inputs);
                          return [&, inputs, first, count, expected = std::move(expected)]() mutable {
                            if (expected.empty() || all_->bytes >= kKeptBytes) {
                              for (size_t i = first; i < first + count; ++i) rest.push_back(indices[i]);
                              return;
                            }
                            if (context_.work) context_.work->float_forwards += count;
                            all_->bytes += bytes_of(inputs) + bytes_of(expected);
                            one->exact.add(expected, expected);
                            one->batches.push_back({inputs, std::move(expected), count});
                          };
                        });
  if (!rest.empty()) one->rest = subset(samples_, rest);
  all_->parts.push_back(std::move(one));
  return *all_->parts.back();
}

void Reference::simulate(const Graph& quantized, const Part& part,
                         const std::function<bool(const Tensors& got, const Tensors& expected, size_t count)>& add) {
  const auto simulated = lowered(quantized, ExecutionMode::Simulated, context_);
  const Kept& all = kept(part);
  const size_t most = batches_at_once(context_);
  bool more = true;
  for (size_t first = 0; more && first < all.batches.size(); first += most) {
    const size_t count = std::min(most, all.batches.size() - first);
    std::vector<Tensors> got(count);
    for_each_at_once(context_.device, count, [&](size_t i) { got[i] = ppq::run(*simulated, all.batches[first + i].inputs); });
    for (size_t i = 0; i < count; ++i) {
      const Batch& batch = all.batches[first + i];
      if (context_.work) context_.work->simulated_forwards += batch.count;
      more = more && add(got[i], batch.expected, batch.count);
    }
  }
  if (!all.rest || !more) return;
  visit_samples_at_once(all.rest, context_, "", [&](const Tensors& inputs, size_t, size_t count) -> std::function<void()> {
    if (!more) return [] {};
    Tensors expected = ppq::run(*plain_, inputs), got = ppq::run(*simulated, inputs);
    return [&, count, expected = std::move(expected), got = std::move(got)] {
      if (context_.work) context_.work->float_forwards += count, context_.work->simulated_forwards += count;
      more = more && add(got, expected, count);
    };
  });
}

OutputErrors Reference::errors(const Graph& quantized, const Part& part) {
  OutputErrors errors;
  simulate(quantized, part, [&](const Tensors& got, const Tensors& expected, size_t) {
    errors.add(got, expected);
    return true;
  });
  return errors;
}

Reference::Course Reference::course(const Graph& quantized, const Part& part, const Course& rival, double share) {
  constexpr size_t kFewest = 4;
  constexpr double kFarBehind = 1.5;
  const Kept& all = kept(part);
  OutputErrors errors, halves[2];
  Course course;
  bool hopeless = false;
  size_t seen = 0;
  auto add = [&](const Tensors& got, const Tensors& expected, size_t count) {
    errors.add(got, expected);
    seen += count;
    const size_t step = course.growth.size();
    course.growth.push_back(errors.sum());
    halves[step % 2].add(got, expected);
    course.halves.push_back({halves[0].sum(), halves[1].sum()});
    hopeless = !all.rest && errors.least_sum(all.exact) > share * rival.error;
    if (seen >= kFewest && step < rival.growth.size()) hopeless |= course.growth[step] > kFarBehind * share * rival.growth[step];
  };
  simulate(quantized, part, [&](const Tensors& got, const Tensors& expected, size_t count) {
    // What is given up must not depend on the batch size.
    const bool divided = count > 1 && divides(got, count) && divides(expected, count);
    if (!divided) add(got, expected, count);
    for (size_t i = 0; divided && i < count && !hopeless; ++i) add(rows_of(got, count, i, 1), rows_of(expected, count, i, 1), 1);
    return !hopeless;
  });
  if (!hopeless) course.error = errors.sum();
  return course;
}

double float_change(const Graph& changed, const Graph& plain, const DatasetPtr& samples, const RunContext& context) {
  const auto reference = lowered(plain, ExecutionMode::Float, context), other = lowered(changed, ExecutionMode::Float, context);
  OutputErrors errors;
  visit_samples_at_once(samples, quiet(context), "", [&](const Tensors& inputs, size_t, size_t count) -> std::function<void()> {
    Tensors expected = ppq::run(*reference, inputs), got = ppq::run(*other, inputs);
    return [&, count, expected = std::move(expected), got = std::move(got)] {
      errors.add(got, expected);
      if (context.work) context.work->float_forwards += 2 * count;
    };
  });
  return errors.sum();
}

}  // namespace ppq
