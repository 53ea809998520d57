#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "calibration/float_means.h"
#include "calibration/measure.h"
#include "calibration/samples.h"
#include "ppq/executor.h"
#include "ppq/run_context.h"

namespace ppq {

/// Noise and signal of each output of a network.
class OutputErrors {
 public:
  /// Outputs that are no floats, or whose shapes differ (how many boxes there are may), say nothing.
  void add(const Tensors& got, const Tensors& expected);
  /// Noise over signal, each output weighted alike: their sum.
  double sum() const;
  /// Noise over signal of all outputs together.
  double pooled() const;
  /// What `sum` comes to at least once all samples are in, whose outputs `exact` was shown against themselves.
  double least_sum(const OutputErrors& exact) const;

 private:
  std::vector<Measure> measures_;
};

/// The float outputs of one network on parts of the samples, to compare quantizations with. They are computed once a part and
/// kept, with their inputs, as far as they fit into 128 MB in all; the rest is computed anew each time. Copies share them.
class Reference {
 public:
  /// `plain` outlives this.
  Reference(const Graph& plain, DatasetPtr samples, const RunContext& context);

  /// Errors of the simulated network on a part.
  OutputErrors errors(const Graph& quantized, const Part& part);

  /// How a candidate's error grew, sample by sample: what a later one is held against. Where outputs cannot be divided by samples
  /// it grows batch by batch.
  struct Course {
    double error = std::numeric_limits<double>::infinity();  ///< noise over signal, summed over outputs, on all samples
    std::vector<double> growth;                              ///< the same after each sample
    std::vector<std::array<double, 2>> halves;               ///< the same of the samples in even and in odd places
  };
  /// The course of the simulated network on a part. It is given up, with an infinite error, once it is certain to end above
  /// `share` of the rival's error, or, from the fourth sample on, where it is half as much again above that share of what the
  /// rival's was there.
  Course course(const Graph& quantized, const Part& part, const Course& rival, double share = 1);

  /// Of the float network as the passes left it so far.
  FloatMeans means;

 private:
  struct Batch {
    Tensors inputs, expected;
    size_t count;
  };
  struct Kept {
    Part part;
    std::vector<Batch> batches;
    OutputErrors exact;  ///< of these batches, against themselves
    DatasetPtr rest;     ///< samples that are not kept; null when all are
  };
  struct All {
    std::vector<std::unique_ptr<Kept>> parts;
    size_t bytes = 0;
  };
  Kept& kept(const Part& part);
  /// Shows `add` the simulated and float outputs of the part's batches, in order, until it says that it saw enough.
  void simulate(const Graph& quantized, const Part& part,
                const std::function<bool(const Tensors& got, const Tensors& expected, size_t count)>& add);

  std::shared_ptr<const Program> plain_;
  DatasetPtr samples_;
  RunContext context_;
  std::shared_ptr<All> all_;
};

/// Noise over signal at the outputs of the float network `changed` against the float network `plain` (each output weighted alike).
double float_change(const Graph& changed, const Graph& plain, const DatasetPtr& samples, const RunContext& context);

}  // namespace ppq
