#include <algorithm>

#include "ppq/error.h"
#include "ppq/pass.h"

namespace ppq {
namespace {

/// Where a pass stands in the table, which is the usual order; the table's size for others.
size_t rank(const std::string& name) {
  const auto& rows = pass_table();
  return static_cast<size_t>(std::find_if(rows.begin(), rows.end(), [&](const PassRow& row) { return name == row.name; }) - rows.begin());
}

/// The first of `names` that the table has at the place of `name` or behind it.
std::vector<std::string>::iterator place_of(std::vector<std::string>& names, const std::string& name) {
  return std::find_if(names.begin(), names.end(),
                      [&](const std::string& n) { return rank(n) >= rank(name) && rank(n) < pass_table().size(); });
}

/// What the setting adds and takes away. The target's own passes are not among `names` yet.
void apply_extra(std::vector<std::string>& names, const PlatformSpec& platform, const QuantizationSetting& setting) {
  for (const auto& [name, wanted] : setting.extra.passes) {
    if (rank(name) == pass_table().size()) {
      make_pass(name, &platform, "setting ppq_torch.passes");  // throws where the target does not have it either
      continue;
    }
    const auto place = std::find(names.begin(), names.end(), name);
    if (!wanted && place != names.end()) names.erase(place);
    if (wanted && place == names.end()) names.insert(place_of(names, name), name);
  }
}

/// The target's own passes, unless the setting takes them away. Of those with one place the first listed runs first.
void add_own(std::vector<std::string>& names, const PlatformSpec& platform, const QuantizationSetting& setting) {
  for (const TargetPass& own : platform.passes) {
    const auto said = setting.extra.passes.find(own.name);
    if (said != setting.extra.passes.end() && !said->second) continue;
    if (std::find(names.begin(), names.end(), own.name) != names.end()) continue;
    const std::string& next = own.before.empty() && !own.make ? own.name : own.before;
    if (!next.empty() && rank(next) == pass_table().size())
      throw Error(ErrorKind::Internal, "platform " + platform.name,
                  "place of the pass '" + own.name + "': there is no pass '" + next + "'");
    names.insert(next.empty() ? names.end() : place_of(names, next), own.name);
  }
}

}  // namespace

std::vector<std::string> quantization_pipeline(const PlatformSpec& platform, const QuantizationSetting& setting) {
  std::vector<std::string> names;
  if (setting.equalization) names.push_back("equalize-layers");
  if (setting.ssd_equalization) names.push_back("equalize-ssd");
  if (setting.extra.absorb_high_bias) names.push_back("absorb-high-bias");
  names.push_back("configure-quantization");
  if (setting.fusion) {
    names.push_back("fuse-quantization");
    if (setting.fusion_setting.remove_useless_quantization) names.push_back("simplify-quantization");
  }
  if (setting.quantize_parameter) names.push_back("quantize-parameters");
  if (setting.quantize_activation) names.insert(names.end(), {"calibrate", "choose-observer"});
  if (setting.fusion && setting.fusion_setting.align_quantization) names.push_back("align-quantization");
  if (setting.bias_correct) names.push_back("correct-bias");
  const bool passive = setting.quantize_parameter && setting.quantize_parameter_setting.quantize_passive_parameter;
  if (passive) names.push_back("quantize-passive-parameters");
  if (setting.quantize_parameter && setting.quantize_parameter_setting.baking_parameter) names.push_back("bake-parameters");

  apply_extra(names, platform, setting);
  add_own(names, platform, setting);
  return names;
}

}  // namespace ppq
