// Scales for MNN: of a Conv its input and output, of an Add its output, under the name of the output.
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "exporters/exporters.h"
#include "exporters/json_members.h"
#include "exporters/table_format.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq::exporters {
namespace {

using Json = nlohmann::ordered_json;

const TableFormat kScales = {"MNN's JSON", {{-127, 127}}};

/// Of the last input, as MNN's quantization wants it.
Json shape_of(const Graph& graph) {
  const Value* input = nullptr;
  for (const Value* value : graph.inputs())
    if (!value->is_constant()) input = value;
  const bool image = input && input->shape && input->shape->size() == 4;
  if (!image || !(*input->shape)[1].known() || !(*input->shape)[2].known() || !(*input->shape)[3].known())
    throw Error(ErrorKind::Unsupported, "input " + (input ? input->name() : std::string("")),
                "MNN's JSON wants an input [N, C, H, W] with known C, H and W: got " +
                    (input && input->shape ? to_string(*input->shape) : std::string("no shape")),
                "give the sizes with --input-shape");
  const Shape& shape = *input->shape;
  return Json{{"channels", shape[1].value}, {"height", shape[2].value}, {"width", shape[3].value}};
}

double scale_of(const Value& value, const TensorQuant& quant) {
  require_sayable(value.name(), quant.scheme, quant.params, kScales);
  return numbers_of(quant.params.scale).at(0);
}

Json json_of(const Graph& graph, ExportSummary& summary) {
  Json json{{"shape", shape_of(graph)}};
  for (const Node* node : graph.nodes()) {
    const Value* output = node->output();
    if (!node->quantized || !output) continue;
    const bool conv = node->is("Conv");
    if (!conv && !node->is("Add")) {
      if (is_computing(*node)) note_missing(output->name(), "MNN's JSON of ONNX models has Conv and Add only", summary);
      continue;
    }
    const TensorQuantPtr read = quant_read(*node, 0), written = node->quant_of_output();
    if ((conv && !read) || !written || !written->params.defined()) {
      note_missing(output->name(), "its node's input or output is float", summary);
      continue;
    }
    if (conv) append(json, output->name() + " input_tensor_0", scale_of(*node->input(0), *read)), ++summary.written;
    append(json, output->name() + " output_tensor_0", scale_of(*output, *written)), ++summary.written;
  }
  return json;
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string& table_path,
                    const ExportOptions&) {
  ExportSummary summary;
  std::vector<std::pair<std::string, std::string>> files;
  if (!table_path.empty())
    files.emplace_back(table_path, json_of(graph, summary).dump(4, ' ', false, Json::error_handler_t::replace) + "\n");
  write_files(graph, graph_path, files, summary);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec&, const ExportOptions&) {
  return R"(# quantized_mnn.json: int8 in MNN

```sh
MNNConvert -f ONNX --modelFile quantized.onnx --MNNModel model.mnn --bizCode mnn
quantized.out model.mnn model_int8.mnn quantized_mnn.json
```
- The second command needs a `quantized.out` that was built to read scales in this form, as PPQ's deployment of MNN has it. MNN's own takes a
  configuration with a folder of images in this place, and measures ranges itself.
- Entries are found by the name of the output of a convolution or an addition; scales of weights are MNN's own.
)";
}

}  // namespace

ExporterRow mnn_json() {
  return {"mnn-json",
          "ONNX graph and scales of Conv and Add as JSON, for MNN",
          {{ExportFile::Kind::Graph, "quantized.onnx", "the network in float, with the weights that the passes left"},
           {ExportFile::Kind::Table, "quantized_mnn.json", "scales of inputs and outputs"}},
          /*options=*/nullptr,
          write,
          guide,
          [](const PlatformSpec& platform) { require_sayable(platform, kScales); }};
}

}  // namespace ppq::exporters
