#include <algorithm>
#include <cctype>

#include "platforms/platforms.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// Case ignored, '-' as '_'.
std::string folded(const std::string& name) {
  std::string out = name;
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return c == '-' ? '_' : std::tolower(c); });
  return out;
}

std::vector<std::string> platform_names() {
  std::vector<std::string> names;
  for (const auto& spec : platform_table()) names.push_back(spec.name);
  return names;
}

[[noreturn]] void not_built(const std::string& name) {
  throw Error(ErrorKind::Unsupported, "platform " + name, "this target of PPQ has no quantization rules here",
              did_you_mean(name, platform_names()));
}

}  // namespace

const std::vector<PlatformSpec>& platform_table() {
  static const std::vector<PlatformSpec> table = {platforms::qnn_dsp_int8(), platforms::snpe_int8(), platforms::ppl_dsp_int8(),
                                                  platforms::qnn_htp_int8(), platforms::qnn_htp_a16w8()};
  return table;
}

const PlatformSpec& find_platform(const std::string& name, const std::string& option) {
  const std::string wanted = folded(name);
  for (const auto& spec : platform_table()) {
    if (spec.name == wanted || std::count(spec.aliases.begin(), spec.aliases.end(), wanted)) return spec;
  }
  if (parse_target_platform(name)) not_built(name);
  throw Error(ErrorKind::Usage, option, "unknown platform: got '" + name + "'", did_you_mean(name, platform_names()));
}

const PlatformSpec& find_platform(TargetPlatform id) {
  for (const auto& spec : platform_table()) {
    if (spec.id == id) return spec;
  }
  not_built(name_of(id));
}

std::optional<TargetPlatform> parse_target_platform(const std::string& name) {
  const std::string wanted = folded(name);
  for (const auto& [known, platform] : target_platforms()) {
    if (folded(known) == wanted) return platform;
  }
  return std::nullopt;
}

std::string name_of(TargetPlatform platform) {
  for (const auto& [known, id] : target_platforms()) {
    if (id == platform) return known;
  }
  return std::to_string(static_cast<int>(platform));
}

}  // namespace ppq
