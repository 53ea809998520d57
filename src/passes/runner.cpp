#include <algorithm>
#include <chrono>
#include <map>
#include <unordered_map>

#include "analysis/error_analysis.h"
#include "ppq/error.h"
#include "ppq/pass.h"

namespace ppq {
namespace {

// Enough to see which pass did what; the report's own figures come from more samples.
constexpr size_t kEffectSamples = 4;

/// Measures the simulated graph against the float network after each pass from calibration on, so that every pass can say
/// what it did.
class Effects {
 public:
  explicit Effects(const PassContext& context) : context_(context) {
    if (!context.reference || !context.calibration || context.record) return;  // with a record: inside another pass
    const size_t size = context.calibration->size(), count = std::min(kEffectSamples, size);
    std::vector<size_t> spread(count);
    for (size_t i = 0; i < count; ++i) spread[i] = i * size / count;
    samples_ = subset(context.calibration, spread);
  }

  void after(const Graph& graph, PassRecord& record) {
    calibrated_ |= record.name == "calibrate";
    // Baking stores what is simulated already.
    if (!samples_ || !calibrated_ || record.name == "bake-parameters" || (record.changes == 0 && last_)) return;
    AnalysisOptions options;
    options.device = context_.device;
    options.batch_size = context_.batch_size;
    options.layerwise_samples = 0;
    auto now = std::make_unique<ErrorAnalysis>(analyze_errors(graph, *context_.reference, *context_.reference, samples_, options));
    record.error_after = output_snr(*now);
    if (last_) {
      record.error_before = output_snr(*last_);
      std::unordered_map<std::string, double> before;
      for (const TensorError& tensor : last_->tensors) before[tensor.name] = tensor.graphwise.snr();
      for (const TensorError& tensor : now->tensors) {
        const auto found = before.find(tensor.name);
        if (found != before.end()) record.effects.push_back({tensor.name, found->second, tensor.graphwise.snr()});
      }
    }
    last_ = std::move(now);
  }

 private:
  const PassContext& context_;
  DatasetPtr samples_;
  bool calibrated_ = false;
  std::unique_ptr<ErrorAnalysis> last_;
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
  // A pass that tries passes on copies calibrates other networks than the one the file is for.
  if (outer) context.checkpoint = {};
  Effects effects(context);
  for (size_t i = 0; i < names.size(); ++i) {
    auto pass = make_pass(names[i], context.platform);
    const auto start = std::chrono::steady_clock::now();
    PassRecord record{names[i]};
    context.record = &record;
    with_error_context(ErrorKind::Internal, "pass " + names[i], [&] {
      record.changes = pass->run(graph, context);
      if (context.verify) graph.verify();
    });
    context.record = outer;
    record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    with_error_context(ErrorKind::Internal, "measuring pass " + names[i], [&] { effects.after(graph, record); });
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace ppq
