#include "platforms/platforms.h"
#include "ppq/setting.h"

namespace ppq::platforms {

std::vector<SlotRule> plain_slots(const QuantScheme& activation, const QuantScheme& weight) {
  using enum SlotRole;
  return {rules::quantized(Output, activation), rules::quantized(Data, activation), rules::quantized(Constant, activation),
          rules::quantized(Weight, weight)};
}

SlotRule bias_of(QuantScheme scheme) {
  SlotRule rule = rules::passive(SlotRole::Bias, std::move(scheme));
  rule.exported = true;
  return rule;
}

void equalize(QuantizationSetting& setting) {
  const QuantizationSetting dsp = QuantizationSettingFactory::dsp_setting();
  setting.equalization = true;
  setting.equalization_setting = dsp.equalization_setting;
}

void scales_of_its_own(QuantizationSetting& setting) { setting.fusion_setting.align_elementwise_to = "None"; }

}  // namespace ppq::platforms
