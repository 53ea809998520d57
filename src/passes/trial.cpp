#include "passes/trial.h"

#include <algorithm>

namespace ppq::passes {

PassContext quiet_context(const PassContext& context, const Part& samples) {
  PassContext quiet = context;
  quiet.calibration = part_of(context.calibration, samples);
  quiet.progress = nullptr, quiet.warnings = nullptr, quiet.record = nullptr, quiet.reference = nullptr;
  quiet.checkpoint = {};
  quiet.outputs = nullptr;
  quiet.trial = true;
  return quiet;
}

void without_moving_scale(QuantizationSetting& setting) {
  setting.equalization = setting.ssd_equalization = setting.extra.absorb_high_bias = setting.extra.smooth_layer_norm = false;
  setting.weight_split = setting.channel_split = setting.matrix_factorization = false;
  for (const char* name : {"equalize-layers", "equalize-ssd", "absorb-high-bias", "smooth-layer-norm", "weight-split", "channel-split",
                           "matrix-factorization"})
    setting.extra.passes.erase(name);
}

Trial::Trial(const Graph& plain, const PassContext& context, const Samples& samples,
             const std::function<void(QuantizationSetting&)>& change)
    : outer_(context),
      setting_(*context.setting),
      quiet_(quiet_context(context, samples.fit)),
      judge_(samples.judge),
      outputs_(context.outputs) {
  if (change) change(setting_);
  quiet_.setting = &setting_;
  if (!outputs_) outputs_ = std::make_shared<Reference>(plain, context.calibration, context);
  quiet_.outputs = std::make_shared<Reference>(*outputs_);  // with means of its own
}

std::vector<std::string> Trial::pipeline(const std::string& after, const std::string& before) const {
  std::vector<std::string> all = quantization_pipeline(*outer_.platform, setting_);
  const auto first = after.empty() ? all.begin() : std::find(all.begin(), all.end(), after);
  const auto start = after.empty() || first == all.end() ? first : first + 1;
  return {start, before.empty() ? all.end() : std::find(start, all.end(), before)};
}

void Trial::run(Graph& candidate, const std::vector<std::string>& passes) {
  PassContext context = quiet_;  // a pass may lower the batch size of its own
  run_passes(candidate, passes, context);
}

Reference::Course Trial::judge(const Graph& candidate, const Reference::Course& rival, double share) {
  return outputs_->course(candidate, judge_, rival, share);
}

}  // namespace ppq::passes
