#include "analysis/compare.h"

#include <cstdio>

#include "commands.h"
#include "core/log.h"
#include "ppq/error.h"

namespace ppq::app {
namespace {

CommandLine declare() {
  CommandLine line("compare", "Compare two dumps of tensors, DIR/<sample>/<tensor>.npy, .raw or .bin, matched by name");
  line.group("Job")("reference", "folder of the reference (`ppq_torch run`)", cxxopts::value<std::string>())(
      "candidate", "folder of the candidate (a device's dump)", cxxopts::value<std::string>())(
      "layout", "layout of the candidate's 4-dimensional tensors: nchw or nhwc", cxxopts::value<std::string>()->default_value("nchw"))(
      "table", "encodings: quantization steps, and the order of the tensors", cxxopts::value<std::string>())(
      "steps", "more quantization steps than this is off", cxxopts::value<double>()->default_value("1.5"))(
      "json", "print JSON", cxxopts::value<bool>()->default_value("false"));
  line.add_common();
  return line;
}

nlohmann::ordered_json to_json(const DumpComparison& result) {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const TensorComparison& t : result.tensors)
    tensors.push_back({{"name", t.name},
                       {"samples", t.samples},
                       {"snr", t.snr},
                       {"cosine", t.cosine},
                       {"max_difference", t.max_difference},
                       {"max_steps", t.max_steps ? nlohmann::ordered_json(*t.max_steps) : nlohmann::ordered_json()},
                       {"off", t.off}});
  return {{"samples", result.samples},
          {"tensors", tensors},
          {"only_reference", result.only_reference},
          {"only_candidate", result.only_candidate},
          {"first_off", result.first_off() ? nlohmann::ordered_json(result.first_off()->name) : nlohmann::ordered_json()}};
}

void print_names(const char* title, const std::vector<std::string>& names) {
  for (const std::string& name : names) std::printf("%s: %s\n", title, name.c_str());
}

void print(const DumpComparison& result) {
  std::printf("%-48s %12s %12s %12s %10s\n", "tensor", "snr", "cosine", "max diff", "steps");
  for (const TensorComparison& t : result.tensors) {
    char steps[32] = "-";
    if (t.max_steps) std::snprintf(steps, sizeof steps, "%.2f", *t.max_steps);
    std::printf("%-48s %12.4g %12.6f %12.4g %10s%s\n", t.name.c_str(), t.snr, t.cosine, t.max_difference, steps, t.off ? "  off" : "");
  }
  print_names("only in the reference", result.only_reference);
  print_names("only in the candidate", result.only_candidate);
  if (const TensorComparison* off = result.first_off())
    std::printf("first tensor that is off: %s\n", off->name.c_str());
  else
    std::printf("no tensor is off (%zu tensors, %zu samples)\n", result.tensors.size(), result.samples);
}

}  // namespace

int compare_command(const Args& args) {
  CommandLine line = declare();
  if (!line.parse(args)) return 0;
  apply_threads(line);
  const std::string reference = line.required("reference"), candidate = line.required("candidate"), layout = line.text("layout");
  CompareOptions options;
  if (layout != "nchw" && layout != "nhwc") throw Error(ErrorKind::Usage, "--layout", "got '" + layout + "', expected nchw or nhwc");
  options.layout = layout == "nhwc" ? Layout::NHWC : Layout::NCHW;
  options.max_steps = line.real("steps");
  if (!(options.max_steps > 0))
    throw Error(ErrorKind::Usage, "--steps", "got " + std::to_string(options.max_steps) + ", expected more than 0");
  if (line.has("table")) read_scales(line.text("table"), options);
  const DumpComparison result = compare_dumps(reference, candidate, options);
  if (line.flag("json"))
    std::puts(to_json(result).dump(2).c_str());
  else
    print(result);
  return 0;
}

}  // namespace ppq::app
