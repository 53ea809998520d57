#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "calibration/reference.h"
#include "calibration/samples.h"
#include "ppq/pass.h"

namespace ppq::passes {

/// Samples that candidates are fitted with, and those that they are judged by: all choices share the runs of the float network.
inline constexpr size_t kFitSamples = 16, kFewFitSamples = 8, kJudgeSamples = 16;

/// How passes choose between candidates by data: each candidate is a copy of the network, what is left of the pipeline runs on it
/// with a changed setting and a few samples, without a word to the user, and the error of the outputs on other samples decides.
class Trial {
 public:
  /// `fit`: the samples that passes of the trial may use; `judge`: those that errors are measured on.
  struct Samples {
    Part fit = Part::fitting().spread(kFitSamples), judge = Part::held_back().spread(kJudgeSamples);
  };
  /// `plain`: the float network where the context has no outputs of its own to compare with; it outlives the trial, as does
  /// `context`.
  Trial(const Graph& plain, const PassContext& context, const Samples& samples,
        const std::function<void(QuantizationSetting&)>& change = nullptr);
  Trial(const Trial&) = delete;

  const QuantizationSetting& setting() const { return setting_; }
  /// The changed setting's pipeline, or what comes in it after the pass `after`, up to `before` (empty: to its end).
  std::vector<std::string> pipeline(const std::string& after = "", const std::string& before = "") const;
  void run(Graph& candidate, const std::vector<std::string>& passes);
  /// Noise over signal of the simulated candidate, summed over outputs. The error is infinite where the candidate was given up
  /// because it is far behind `share` of the rival's (Reference::course).
  Reference::Course judge(const Graph& candidate, const Reference::Course& rival = {}, double share = 1);
  /// What the passes of a trial see.
  const PassContext& context() const { return quiet_; }
  /// The float network of what `run` works on next: its means are those of the job's network, unless `change` alters them.
  void set_means(FloatMeans means) { quiet_.outputs->means = std::move(means); }

 private:
  const PassContext& outer_;
  QuantizationSetting setting_;
  PassContext quiet_;
  Part judge_;
  std::shared_ptr<Reference> outputs_;
};

/// Switches off what moves scale within the float network or splits its layers: in trials of a network that has it behind itself.
void without_moving_scale(QuantizationSetting& setting);

/// `context` without a word to the user, on a part of its samples: for networks that are only tried.
PassContext quiet_context(const PassContext& context, const Part& samples);

}  // namespace ppq::passes
