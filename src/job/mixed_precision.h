#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/mixed.h"
#include "ppq/quantizer.h"

namespace ppq {

/// What --auto-mixed asks for: layers are moved until `noise` and `agreement` are met; at most `macs` of the multiply-accumulates move.
struct MixedBudget {
  std::string text;
  std::optional<double> noise;      ///< noise over signal of the worst output, at most
  std::optional<double> agreement;  ///< top-1 agreement with the float network of the worst output of scores, at least
  std::optional<double> macs;       ///< share, at most
  bool to_float = false;            ///< else to 16 bits, where target and operator have them
};
/// Reads "noise=0.001,macs=0.2". Throws Usage with candidates.
MixedBudget parse_mixed_budget(const std::string& text, const std::string& option = "--auto-mixed");

/// Chooses the layers that leave the platform's width, by measurement: a ranking of the layers by the error that each makes alone, then
/// networks with the first of them moved, each quantized on calibration samples and measured on the evaluation's. A trial keeps what was
/// found for the first network (equalization, scales of weights, observers) and calibrates, aligns and corrects anew.
class MixedSearch {
 public:
  struct Job {
    const PlatformSpec& platform;
    QuantizationSetting setting;  ///< of the first network
    DatasetPtr calibration, evaluation;
    size_t layerwise_samples = 0;
    Progress progress;
    std::function<void(const std::string&)> say;
  };
  /// `quantized` and `quantizer` (which made it) outlive the search.
  MixedSearch(MixedBudget budget, const Graph& quantized, const Quantizer& quantizer, Job job);
  ~MixedSearch();

  /// The setting to quantize with from the start; nullopt: as it was. Throws Usage where there is nothing to measure.
  std::optional<QuantizationSetting> choose();
  /// The same once that was done: nullopt where the network keeps the promise, or no other can be tried. Call until then.
  std::optional<QuantizationSetting> judge(const Graph& quantized);
  const MixedPrecision& result() const { return result_; }
  /// Where the budget was missed: what to say of it.
  std::optional<Warning> warning() const;

 private:
  struct Candidate;
  MixedPoint measure(const Graph& quantized);
  void rank();
  void add_costs(std::vector<Candidate>& candidates) const;
  void fit(std::vector<Candidate> candidates);
  QuantizationSetting setting_of(size_t layers) const;
  std::unique_ptr<Graph> trial_network(const QuantizationSetting& setting);
  bool try_layers(size_t layers);
  size_t fewest();
  bool meets(const MixedPoint& point) const;
  bool is_better(const MixedPoint& a, const MixedPoint& b) const;
  void describe();

  MixedBudget budget_;
  const Graph& plain_;
  const Quantizer& quantizer_;
  Job job_;
  PassContext context_;
  std::vector<Candidate> candidates_;  ///< that fit into the share of MACs together, in the order in which they move
  size_t chosen_ = 0, attempts_ = 0;
  MixedPrecision result_;
};

}  // namespace ppq
