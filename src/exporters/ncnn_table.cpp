// ncnn's table: 1 / scale of each layer's weight (one a channel, of grouped convolutions one a group) and of its input, as ncnn2int8
// reads them (tools/quantize/ncnn2int8.cpp of ncnn): rows by the layer's name, words apart by spaces, weights as "<layer>_param_0".
#include <ATen/ATen.h>

#include <algorithm>

#include "core/words.h"
#include "exporters/exporters.h"
#include "exporters/table_format.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq::exporters {
namespace {

const TableFormat kInputs = {"ncnn's table, of inputs", {{-127, 127}}};
/// Fewer bits are integers of int8 as well: weights are stored rounded.
const TableFormat kWeights = {"ncnn's table, of weights", {{-127, 127}, {-63, 63}, {-31, 31}, {-15, 15}, {-7, 7}}, false, true};
constexpr size_t kLongestKey = 255;  // of ncnn2int8
const std::string kSuffix = "_param_0";

/// Why ncnn computes a layer in float whatever the table says; empty: it does not.
std::string float_in_ncnn(const Node& node) {
  if (node.is("Conv")) {
    const at::Tensor weight = node.constant_input(1);
    if (!weight.defined()) return "ncnn quantizes convolutions with constant weights";
    return weight.dim() == 4 ? "" : "ncnn quantizes convolutions of two dimensions";
  }
  if (!node.is("Gemm")) return "ncnn computes " + node.op_type + " in float";
  const bool plain = node.attributes.get_int("transB", 0) == 1 && node.attributes.get_int("transA", 0) == 0 &&
                     node.attributes.get_float("alpha", 1) == 1 && node.attributes.get_float("beta", 1) == 1;
  return plain && node.constant_input(1).defined() ? ""
                                                   : "of Gemm ncnn quantizes those with transB = 1, alpha = beta = 1 and a constant weight";
}

int64_t groups_of(const Node& node) { return node.is("Conv") ? node.attributes.get_int("group", 1) : 1; }

/// One a channel; of grouped convolutions the largest of each group.
std::vector<double> weight_scales(const Node& node, const TensorQuant& quant) {
  std::vector<double> scales = numbers_of(quant.params.scale);
  const auto channels = static_cast<size_t>(node.constant_input(1).size(0)), groups = static_cast<size_t>(groups_of(node));
  if (scales.size() == 1) scales.resize(channels, scales[0]);
  if (scales.size() != channels || groups == 0 || channels % groups != 0)
    throw Error(ErrorKind::Internal, "node " + node.name, "scales of the weight: got " + std::to_string(scales.size()));
  if (groups == 1) return scales;
  std::vector<double> largest(groups, 0);
  for (size_t i = 0; i < channels; ++i) {
    double& most = largest[i / (channels / groups)];
    most = std::max(most, scales[i]);
  }
  return largest;
}

bool groups_differ(const Node& node) {
  const TensorQuantPtr weight = node.quant_of_input(1);
  if (!node.quantized || groups_of(node) < 2 || !weight || weight->scheme.granularity != Granularity::PerChannel) return false;
  const std::vector<double> scales = numbers_of(weight->params.scale);
  const size_t width = scales.size() / static_cast<size_t>(groups_of(node));
  for (size_t i = 0; width > 0 && i < scales.size(); ++i)
    if (scales[i] != scales[i / width * width]) return true;
  return false;
}

std::string row(const std::string& key, const std::vector<double>& scales) {
  std::string text = key + " ";
  for (const double scale : scales) text += float_text(1 / scale) + " ";
  return text + "\n";
}

void require_key(const Node& node) {
  require_plain_name(node.name, "node", " \t\r\n", kInputs);
  if (node.name.find("_param_") != std::string::npos || node.name.size() + kSuffix.size() > kLongestKey)
    throw Error(ErrorKind::Unsupported, "node " + node.name,
                "ncnn's table cannot hold this name: it takes names of at most " + std::to_string(kLongestKey - kSuffix.size()) +
                    " characters without '_param_', which marks weights",
                "rename the node in the model");
}

std::string table_of(const Graph& graph, ExportSummary& summary) {
  std::string weights, inputs;
  for (const Node* node : graph.nodes()) {
    if (!node->quantized || !is_computing(*node)) continue;
    const TensorQuantPtr weight = node->quant_of_input(1), input = quant_read(*node, 0);
    const bool known = weight && weight->params.defined() && input;
    const std::string reason = known ? float_in_ncnn(*node) : "it or its layer's input has no quantization, and ncnn wants both";
    if (!reason.empty()) {
      note_missing((node->input(1) ? node->input(1) : node->output())->name(), reason, summary);
      continue;
    }
    require_key(*node);
    require_sayable(node->input(0)->name(), input->scheme, input->params, kInputs);
    require_sayable(node->input(1)->name(), weight->scheme, weight->params, kWeights);
    weights += row(node->name + kSuffix, weight_scales(*node, *weight));
    inputs += row(node->name, numbers_of(input->params.scale));
    summary.written += 2;
  }
  return weights + inputs;
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions&) {
  ExportSummary summary;
  std::vector<std::pair<std::string, std::string>> files;
  if (!table_path.empty()) files.emplace_back(table_path, table_of(graph, summary));
  write_files(graph, graph_path, files, summary);
  return summary;
}

std::string guide(const Graph& graph, const PlatformSpec&, const ExportOptions&) {
  std::vector<std::string> grouped;
  for (const Node* node : graph.nodes())
    if (groups_differ(*node)) grouped.push_back(node->name);
  return R"(# quantized_ncnn.table: int8 in ncnn

With ncnn's tools, in this folder:
```sh
onnx2ncnn quantized.onnx model.param model.bin
ncnnoptimize model.param model.bin model-opt.param model-opt.bin 0
ncnn2int8 model-opt.param model-opt.bin model-int8.param model-int8.bin quantized_ncnn.table
```
- `ncnn2int8` must print a line `quantize_...` for each layer of the table. Rows are found by the layer's name: onnx2ncnn gives layers the names of
  the nodes in `quantized.onnx`. pnnx gives names of its own, so that no row would be found: rename the rows by `model.param` then.
- Shapes are to be constant for onnx2ncnn.
)" + (grouped.empty() ? ""
                      : "- ncnn has one scale a group, the simulation one a channel: weights of " + listed(grouped, 8, "`") +
                            " are rounded once more, by the largest scale of the group.\n");
}

}  // namespace

ExporterRow ncnn_table() {
  return {"ncnn-table",
          "ONNX graph and ncnn's table of scales, for ncnn2int8",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized_ncnn.table", "1 / scale of weights and inputs, for ncnn2int8"}},
          /*options=*/nullptr,
          write,
          guide,
          [](const PlatformSpec& platform) { require_sayable(platform, kInputs); }};
}

}  // namespace ppq::exporters
