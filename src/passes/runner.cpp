#include <algorithm>
#include <chrono>
#include <map>
#include <unordered_map>

#include "analysis/error_analysis.h"
#include "calibration/samples.h"
#include "ppq/error.h"
#include "ppq/pass.h"

namespace ppq {
namespace {

// Enough to see which pass did what; the report's own figures come from more samples.
constexpr size_t kEffectSamples = 4;

/// Keeps the network as it was after each pass from calibration on, and measures all of them at the end, in one visit of a few
/// samples, so that every pass can say what it did.
class Effects {
 public:
  explicit Effects(const PassContext& context)
      : context_(context), wanted_(context.reference && context.calibration && !context.trial && !context.record) {}

  void after(const Graph& graph, const PassRecord& record, Changes changes, size_t index) {
    calibrated_ |= record.name == "calibrate";
    if (!wanted_ || !calibrated_ || changes == Changes::Nothing || (record.changes == 0 && !states_.empty())) return;
    states_.push_back(graph.clone());
    passes_.push_back(index);
  }

  void measure(std::vector<PassRecord>& records) {
    if (states_.empty()) return;
    const AnalysisOptions options(context_);
    std::vector<const Graph*> graphs;
    for (const auto& state : states_) graphs.push_back(state.get());
    const DatasetPtr few = part_of(context_.calibration, Part::all().spread(kEffectSamples));
    const auto analyses = analyze_states(graphs, *context_.reference, *context_.reference, few, options);
    for (size_t k = 0; k < analyses.size(); ++k) {
      PassRecord& record = records[passes_[k]];
      record.error_after = output_snr(analyses[k]);
      if (k > 0) compare(analyses[k - 1], analyses[k], record);
    }
  }

 private:
  static void compare(const ErrorAnalysis& earlier, const ErrorAnalysis& later, PassRecord& record) {
    record.error_before = output_snr(earlier);
    std::unordered_map<std::string, double> before;
    for (const TensorError& tensor : earlier.tensors) before[tensor.name] = tensor.graphwise.nsr();
    for (const TensorError& tensor : later.tensors)
      if (const auto found = before.find(tensor.name); found != before.end())
        record.effects.push_back({tensor.name, found->second, tensor.graphwise.nsr()});
  }

  const PassContext& context_;
  bool wanted_, calibrated_ = false;
  std::vector<std::unique_ptr<Graph>> states_;
  std::vector<size_t> passes_;  ///< whose work each state is
};

}  // namespace

std::unique_ptr<Pass> make_pass(const std::string& name, const PlatformSpec* platform, const std::string& option) {
  std::vector<std::string> names;
  if (platform)
    for (const TargetPass& own : platform->passes) {
      if (name == own.name && own.make) return own.make();
      names.push_back(own.name);
    }
  for (const PassRow& row : pass_table()) {
    if (name == row.name) return row.make();
    names.push_back(row.name);
  }
  throw Error(ErrorKind::Usage, option, "unknown pass '" + name + "'", did_you_mean(name, names));
}

std::vector<PassRecord> run_passes(Graph& graph, const std::vector<std::string>& names, PassContext& context) {
  std::vector<PassRecord> records;
  PassRecord* const outer = context.record;
  // A pass that runs passes on copies calibrates other networks than the one the file is for.
  if (outer) context.checkpoint = {};
  Effects effects(context);
  for (size_t i = 0; i < names.size(); ++i) {
    auto pass = make_pass(names[i], context.platform);
    const auto start = std::chrono::steady_clock::now();
    PassRecord record{names[i]};
    if (!context.trial) context.record = &record;
    with_error_context(ErrorKind::Internal, "pass " + names[i], [&] {
      record.changes = pass->run(graph, context);
      if (context.verify) graph.verify();
    });
    context.record = outer;
    record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    // Of a target's own pass: anything.
    const PassRow* row = find_pass(names[i]);
    effects.after(graph, record, row ? row->changes : Changes::Values, records.size());
    records.push_back(std::move(record));
  }
  with_error_context(ErrorKind::Internal, "measuring passes", [&] { effects.measure(records); });
  return records;
}

}  // namespace ppq
