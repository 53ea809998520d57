#include "ppq/setting.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/file.h"
#include "ppq/error.h"
#include "ppq/platform.h"

namespace ppq {
namespace {

using Factory = QuantizationSettingFactory;

const std::vector<std::pair<const char*, QuantizationSetting (*)()>>& factories() {
  static const std::vector<std::pair<const char*, QuantizationSetting (*)()>> table = {
      {"default", Factory::default_setting},
      {"dsp", Factory::dsp_setting},
      {"academic", Factory::academic_setting},
      {"ncnn", Factory::ncnn_setting},
      {"mnn", Factory::mnn_setting},
      {"pplcuda", Factory::pplcuda_setting},
      {"metax_pertensor", Factory::metax_pertensor_setting},
      {"ascend", Factory::ascend_setting},
      {"nxp", Factory::nxp_setting},
      {"fpga", Factory::fpga_setting},
      {"trt", Factory::trt_setting}};
  return table;
}

bool looks_like_file(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".json") || std::filesystem::is_regular_file(name);
}

QuantizationSetting without_fusion() {
  QuantizationSetting setting;
  setting.fusion = false;
  return setting;
}

}  // namespace

QuantizationSetting Factory::default_setting() { return {}; }
QuantizationSetting Factory::academic_setting() { return without_fusion(); }
QuantizationSetting Factory::ncnn_setting() { return without_fusion(); }
QuantizationSetting Factory::mnn_setting() { return {}; }
QuantizationSetting Factory::pplcuda_setting() { return {}; }
QuantizationSetting Factory::ascend_setting() { return without_fusion(); }
QuantizationSetting Factory::nxp_setting() { return {}; }
QuantizationSetting Factory::trt_setting() { return {}; }

QuantizationSetting Factory::metax_pertensor_setting() {
  QuantizationSetting setting;
  setting.equalization = true;
  return setting;
}

QuantizationSetting Factory::dsp_setting() {
  QuantizationSetting setting;
  setting.equalization = true;
  setting.equalization_setting.opt_level = 1;
  setting.equalization_setting.value_threshold = 0.5;
  setting.equalization_setting.iterations = 3;
  return setting;
}

QuantizationSetting Factory::fpga_setting() {
  QuantizationSetting setting;
  setting.equalization = true;
  setting.equalization_setting.including_bias = true;
  return setting;
}

QuantizationSetting Factory::setting_for(const std::string& platform) { return setting_for(find_platform(platform)); }

QuantizationSetting Factory::setting_for(const PlatformSpec& platform) {
  QuantizationSetting setting = by_name(platform.default_setting);
  // Measured on real models (docs/accuracy.md): bias correction and the choice between observers by output error lower
  // the error nearly everywhere; both are undone where the calibration samples say otherwise.
  setting.bias_correct = true;
  // Nothing without a LayerNormalization before layers; undone where samples held back say so.
  setting.extra.smooth_layer_norm = true;
  setting.quantize_activation_setting.calib_algorithm = "auto";
  if (platform.adjust_setting) platform.adjust_setting(setting);
  return setting;
}

std::vector<std::string> Factory::names() {
  std::vector<std::string> all;
  for (const auto& [name, make] : factories()) all.push_back(name);
  return all;
}

QuantizationSetting Factory::by_name(const std::string& name_or_file, std::vector<std::string>* warnings, const std::string& option) {
  std::string word = name_or_file;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return c == '-' ? '_' : std::tolower(c); });
  if (word.ends_with("_setting")) word.erase(word.size() - std::string("_setting").size());
  for (const auto& [name, make] : factories()) {
    if (word == name) return make();
  }
  if (!looks_like_file(name_or_file)) {
    throw Error(ErrorKind::Usage, option, "no setting of that name and no such file: got '" + name_or_file + "'",
                did_you_mean(name_or_file, names()));
  }
  return with_error_context(ErrorKind::Usage, name_or_file,
                            [&] { return QuantizationSetting::from_json(read_file(name_or_file), warnings); });
}

}  // namespace ppq
