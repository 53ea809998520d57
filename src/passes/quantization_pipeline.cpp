#include <algorithm>

#include "ppq/error.h"
#include "ppq/pass.h"

namespace ppq {
namespace {

/// Puts `name` where the table's order has it.
void insert_in_order(std::vector<std::string>& names, const std::string& name) {
  std::vector<std::string> order;
  for (const PassRow& row : pass_table()) order.push_back(row.name);
  auto rank = [&](const std::string& n) { return std::find(order.begin(), order.end(), n) - order.begin(); };
  if (rank(name) == static_cast<int64_t>(order.size()))
    throw Error(ErrorKind::Usage, "--passes", "unknown pass '" + name + "'", did_you_mean(name, order));
  auto place = std::find_if(names.begin(), names.end(), [&](const std::string& n) { return rank(n) > rank(name); });
  names.insert(place, name);
}

}  // namespace

std::vector<std::string> quantization_pipeline(const PlatformSpec&, const QuantizationSetting& setting) {
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

  for (const auto& [name, wanted] : setting.extra.passes) {
    const auto place = std::find(names.begin(), names.end(), name);
    if (!wanted && place != names.end()) names.erase(place);
    if (!wanted && place == names.end() &&
        std::none_of(pass_table().begin(), pass_table().end(), [&, n = name](const PassRow& row) { return n == row.name; }))
      insert_in_order(names, name);  // throws: no such pass
    if (wanted && place == names.end()) insert_in_order(names, name);
  }
  return names;
}

}  // namespace ppq
