// The ONNX graph for NXP's tools: beside a tensor its range, as two inputs with a value, <tensor>_min and <tensor>_max.
#include <ATen/ATen.h>

#include <cmath>

#include "exporters/exporters.h"
#include "exporters/table_format.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq::exporters {
namespace {

struct NxpOptions {
  bool parameters = false;
  void visit(OptionVisitor& v) { v.field("nxp-parameters", parameters, "ranges of weights too"); }
};

/// -2^(bits - 1) .. 2^(bits - 1) - 1: the reader works the scale out of the range and the bits it has.
TableFormat format_of(const QuantScheme& scheme, bool parameter) {
  const double half = std::ldexp(1.0, scheme.bits - 1);
  return {"NXP's ranges", {{-half, half - 1}}, false, parameter};
}

void add(Graph& graph, const std::string& name, const at::Tensor& range) {
  if (graph.find_value(name))
    throw Error(ErrorKind::Unsupported, "tensor " + name, "NXP's range of a tensor has this name, and the model has a tensor of it",
                "rename it in the model");
  graph.add_input(graph.add_constant(name, range.to(at::kFloat).contiguous()));
}

/// Adds the ranges. Returns of how many tensors.
size_t add_ranges(Graph& graph, const std::vector<ExportedTensor>& tensors, const NxpOptions& options) {
  size_t count = 0;
  for (const ExportedTensor& tensor : tensors) {
    const bool parameter = tensor.value->is_constant();
    if (tensor.state != ExportedTensor::State::Quantized || (parameter && (!options.parameters || feeds_a_bias(*tensor.value)))) continue;
    const std::string& name = tensor.value->name();
    require_sayable(name, tensor.quant->scheme, tensor.quant->params, format_of(tensor.quant->scheme, parameter));
    const auto [low, high] = range_of(tensor.quant->params, tensor.quant->scheme);
    add(graph, name + "_min", low), add(graph, name + "_max", high);
    ++count;
  }
  return count;
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string&,
                    const ExportOptions& given) {
  const auto options = read_options<NxpOptions>(given);
  ExportSummary summary;
  const auto copy = graph.clone();
  summary.written = add_ranges(*copy, exported_tensors(graph), options);
  note_missing(graph, summary);
  write_files(*copy, graph_path, {}, summary);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec&, const ExportOptions&) {
  return R"(# quantized_nxp.onnx: int8 on NXP

The network with a range for every tensor that is rounded: `<tensor>_min` and `<tensor>_max` are inputs that have a value (initializers), of
-128 and 127 steps. Hand the file to NXP's converter; what takes all inputs of an ONNX file for data has to leave these out.
)";
}

}  // namespace

ExporterRow nxp() {
  return {"nxp",
          "ONNX graph with <tensor>_min and <tensor>_max beside every rounded tensor, for NXP",
          {{ExportFile::Kind::Graph, "quantized_nxp.onnx", "the network with ranges as initializers"}},
          visit_options<NxpOptions>,
          write,
          guide,
          [](const PlatformSpec& platform) { require_sayable(platform, format_of(platform.scheme(SlotRole::Data), false)); }};
}

}  // namespace ppq::exporters
