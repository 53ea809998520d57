#include "support/sample_platform.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/file.h"
#include "exporters/exported_tensors.h"
#include "ppq/onnx.h"
#include "ppq/setting.h"

namespace ppq::test {
namespace {

template <const char* kName>
class Signing final : public Pass {
 public:
  const char* name() const override { return kName; }
  size_t run(Graph& graph, PassContext&) override {
    graph.doc += std::string(kName) + ";";
    return 1;
  }
};
constexpr char kFirst[] = "sample-first", kLast[] = "sample-last";

template <const char* kName>
std::unique_ptr<Pass> make_signing() {
  return std::make_unique<Signing<kName>>();
}

bool is_three_by_three(const Node& node, size_t) {
  const at::Tensor weight = node.constant_input(1);
  return weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3;
}

struct ScalesOptions {
  std::string order = "graph";
  bool biases = false;
  void visit(OptionVisitor& visitor) {
    visitor.field("order", order, {"graph", "name"}, "order of the lines");
    visitor.field("biases", biases, "lines for biases too");
  }
};

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions& given) {
  const auto options = read_options<ScalesOptions>(given);
  ExportSummary summary;
  std::vector<std::string> lines;
  for (const ExportedTensor& tensor : exported_tensors(graph)) {
    if (tensor.state == ExportedTensor::State::Missing) summary.missing.push_back(tensor.value->name());
    if (tensor.state != ExportedTensor::State::Quantized || (tensor.accumulator && !options.biases)) continue;
    std::string line = tensor.value->name();
    const at::Tensor scales = tensor.quant->params.scale.reshape({-1});
    for (int64_t i = 0; i < scales.numel(); ++i) line += (i ? ", " : " ") + std::to_string(scales[i].item<float>());
    lines.push_back(line + "\n");
  }
  summary.written = lines.size();
  if (options.order == "name") std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  if (!graph_path.empty()) write_onnx(graph, graph_path), summary.files.push_back(graph_path);
  if (!table_path.empty()) write_file(table_path, text), summary.files.push_back(table_path);
  return summary;
}

std::string guide(const Graph& graph, const PlatformSpec& platform, const ExportOptions&) {
  return "# " + graph.name + " on " + platform.name + "\n";
}

}  // namespace

const ExporterRow& scales_exporter() {
  static const ExporterRow row = {
      "scales",
      "scales, one tensor a line",
      {{ExportFile::Kind::Graph, "quantized.onnx", "the network"}, {ExportFile::Kind::Table, "quantized.table", "the scales"}},
      visit_options<ScalesOptions>,
      write,
      guide};
  return row;
}

PlatformSpec sample_platform() {
  using namespace rules;
  const QuantScheme int8 = narrow_symmetric(8);
  SlotRule small = quantized(SlotRole::Weight, per_channel(narrow_symmetric(6)), {"Conv"});
  small.when = is_three_by_three;
  PlatformSpec spec;
  spec.name = "sample";
  spec.summary = "rules that no platform of the table has";
  spec.quant_types = {"Conv", "Gemm", "MatMul", "Relu", "Add", "MaxPool", "Flatten"};
  spec.computes_if = [](const Node& node) { return !node.is("Add") || node.constant_input(1).defined(); };
  spec.slots = {in_float(SlotRole::Output, {"Conv", "Gemm", "MatMul"}),
                quantized(SlotRole::Output, int8),
                quantized(SlotRole::Data, int8),
                quantized(SlotRole::Constant, int8),
                small,
                quantized(SlotRole::Weight, per_channel(int8), {"Conv"}),
                quantized(SlotRole::Weight, per_block(narrow_symmetric(4), 4), {"MatMul"}),
                quantized(SlotRole::Weight, int8)};
  spec.passes = {{"sample-last", "", make_signing<kLast>}, {"sample-first", "equalize-layers", make_signing<kFirst>}};
  spec.adjust_setting = [](QuantizationSetting& setting) {
    setting.bias_correct = false;
    setting.extra.weight_search = "minmax";
    setting.extra.compensate_rounding = false;
    setting.quantize_activation_setting.calib_algorithm = "minmax";
  };
  spec.exporters = {"scales"};
  spec.own_exporters = {&scales_exporter()};
  return spec;
}

}  // namespace ppq::test
