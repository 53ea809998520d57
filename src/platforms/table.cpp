#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <mutex>

#include "core/file.h"
#include "platforms/platform_json.h"
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

/// A target from the user's file. Those that were read stay, whatever becomes of their files.
const PlatformSpec& platform_of_file(const std::string& path, const std::string& option) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::string>, std::unique_ptr<const PlatformSpec>> known;
  return with_error_context(ErrorKind::Usage, option, [&]() -> const PlatformSpec& {
    const std::string text = read_file(path);
    const std::lock_guard lock(mutex);
    auto& spec = known[{path, text}];
    if (!spec) spec = std::make_unique<const PlatformSpec>(platforms::platform_from_json(text, path));
    return *spec;
  });
}

}  // namespace

const std::vector<PlatformSpec>& platform_table() {
  using namespace platforms;
  static const std::vector<PlatformSpec> table = {
      qnn_dsp_int8(),  snpe_int8(),     ppl_dsp_int8(),        qnn_htp_int8(),    qnn_htp_a16w8(), qnn_htp_v85_int8(), qnn_enpu_int8(),
      onnxruntime(),   trt_int8(),      trt_int8_input_only(), trt_fp8(),         openvino_int8(), ncnn_int8(),        mnn_int8(),
      tengine_int8(),  rknn_int8(),     rknn_int8_c(),         asc_int8(),        nxp_int8(),      fpga_int8(),        espdl_int8(),
      espdl_int16(),   espdl_s3_int8(), espdl_s3_int16(),      espdl_c_int8(),    espdl_c_int16(), metax_int8_c(),     metax_int8_t(),
      ppl_cuda_int8(), ppl_cuda_int4(), ppl_cuda_fp8(),        ppl_dsp_ti_int8(), graphcore_fp8()};
  return table;
}

const PlatformSpec& find_platform(const std::string& name, const std::string& option) {
  const std::string wanted = folded(name);
  for (const auto& spec : platform_table()) {
    if (spec.name == wanted || std::count(spec.aliases.begin(), spec.aliases.end(), wanted)) return spec;
  }
  if (platforms::is_platform_file(name)) return platform_of_file(name, option);
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
