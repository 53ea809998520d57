#include "exporters/table_format.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/file.h"
#include "ops/op_facts.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq {
namespace {

std::string whole(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", number);
  return text;
}

/// "-128..127, without a zero point, one scale a tensor".
std::string in_words(const std::vector<std::pair<double, double>>& integers, bool zero_point, bool channels) {
  std::string text;
  for (const auto& [low, high] : integers) text += (text.empty() ? "" : " or ") + whole(low) + ".." + whole(high);
  text += zero_point ? ", a zero point" : ", no zero point";
  return text + (channels ? ", a scale a channel" : ", one scale a tensor");
}

void require(const std::string& where, const QuantScheme& scheme, bool shifted, const TableFormat& format) {
  const std::string hint = "export it for a platform that has this format, or keep the layer in float";
  if (scheme.format != NumberFormat::Linear || scheme.dynamic || scheme.granularity == Granularity::PerBlock)
    throw Error(ErrorKind::Unsupported, where,
                std::string(format.name) + " holds integers with a scale found beforehand for a tensor or a channel: got " +
                    (scheme.dynamic                          ? "scales that are found at run time"
                     : scheme.format != NumberFormat::Linear ? "floating-point numbers"
                                                             : "a scale a block"),
                hint);
  const bool channels = scheme.granularity == Granularity::PerChannel;
  const std::pair range(scheme.quant_min, scheme.quant_max);
  const bool fits = std::find(format.integers.begin(), format.integers.end(), range) != format.integers.end();
  if (fits && (!shifted || format.zero_point) && (!channels || format.channels)) return;
  throw Error(ErrorKind::Unsupported, where,
              std::string(format.name) + ": got " + in_words({range}, shifted, channels) + ", expected " +
                  in_words(format.integers, format.zero_point, format.channels),
              hint);
}

}  // namespace

void require_sayable(const std::string& tensor, const QuantScheme& scheme, const QuantParams& params, const TableFormat& format) {
  const std::vector<int64_t> zero_points = zero_points_of(params);
  require("tensor " + tensor, scheme, std::any_of(zero_points.begin(), zero_points.end(), [](int64_t point) { return point != 0; }),
          format);
}

void require_sayable(const PlatformSpec& platform, const TableFormat& format) {
  const bool any = std::any_of(platform.slots.begin(), platform.slots.end(), [](const SlotRule& rule) {
    return rule.role == SlotRole::Data && rule.treatment == SlotRule::Treatment::Quantized;
  });
  const QuantScheme& scheme = platform.scheme(SlotRole::Data);
  if (any) require("platform " + platform.name, scheme, !scheme.symmetric, format);
}

std::vector<double> numbers_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous().reshape({-1});
  const double* data = flat.const_data_ptr<double>();
  return {data, data + flat.numel()};
}

std::vector<int64_t> zero_points_of(const QuantParams& params) {
  std::vector<int64_t> points;
  if (params.offset.defined())
    for (const double offset : numbers_of(params.offset)) points.push_back(std::llround(offset));
  points.resize(static_cast<size_t>(params.scale.numel()), points.size() == 1 ? points[0] : 0);
  return points;
}

TensorQuantPtr quant_read(const Node& node, size_t index) {
  if (TensorQuantPtr quant = node.quant_of_input(index); quant && quant->params.defined()) return quant;
  const Value* value = node.input(index);
  if (!value || !value->producer()) return nullptr;
  TensorQuantPtr quant = value->producer()->quant_of_output(value->producer_index());
  return quant && quant->params.defined() ? quant : nullptr;
}

bool feeds_a_bias(const Value& value) {
  return value.is_constant() &&
         std::any_of(value.uses().begin(), value.uses().end(), [](const Use& use) { return is_bias(*use.node, use.index); });
}

std::string float_text(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", number);
  return text;
}

void require_plain_name(const std::string& name, const char* what, const char* separators, const TableFormat& format) {
  if (!name.empty() && name.find_first_of(separators) == std::string::npos) return;
  throw Error(
      ErrorKind::Unsupported, std::string(what) + " " + name,
      std::string(format.name) + " cannot hold this name: got " + (name.empty() ? "an empty one" : "white space or a line's end in it"),
      "rename it in the model");
}

std::string with_ending(const std::string& path, const std::string& ending) {
  return std::filesystem::path(path).replace_extension(ending).string();
}

std::string beside(const std::string& path, const std::string& name) { return std::filesystem::path(path).replace_filename(name).string(); }

void note_missing(const std::string& tensor, const std::string& reason, ExportSummary& summary) {
  summary.missing.push_back(tensor), summary.reasons[tensor] = reason;
}

void note_missing(const Graph& graph, ExportSummary& summary) {
  for (const ExportedTensor& tensor : exported_tensors(graph))
    if (tensor.state == ExportedTensor::State::Missing) note_missing(tensor.value->name(), tensor.reason, summary);
}

void write_files(const Graph& graph, const std::string& graph_path, const std::vector<std::pair<std::string, std::string>>& files,
                 ExportSummary& summary) {
  if (!graph_path.empty()) {
    write_onnx(graph, graph_path);
    summary.files.push_back(graph_path);
  }
  for (const auto& [path, bytes] : files) {
    write_file(path, bytes);
    summary.files.push_back(path);
  }
}

}  // namespace ppq
