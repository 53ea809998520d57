// From a graph's quantization to the list of encodings.
#include <ATen/ATen.h>

#include <set>

#include "exporters/qualcomm/encoding.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq {
namespace {

bool is_float(DataType dtype) {
  return dtype == DataType::Float || dtype == DataType::Float16 || dtype == DataType::Double || dtype == DataType::BFloat16;
}

bool has_params(const TensorQuantPtr& quant) { return quant && quant->params.defined(); }

/// The quantization that is written for a value, or null.
TensorQuantPtr written_quant(const Value& value) {
  if (value.producer()) {
    TensorQuantPtr quant = value.producer()->quant_of_output(value.producer_index());
    if (has_params(quant) && quant->exported) return quant;
  }
  for (const Use& use : value.uses()) {
    TensorQuantPtr quant = use.node->quant_of_input(use.index);
    if (has_params(quant) && quant->exported) return quant;
  }
  return nullptr;
}

std::vector<double> to_doubles(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous().reshape({-1});
  const double* data = flat.const_data_ptr<double>();
  return {data, data + flat.numel()};
}

Encoding encoding_of(const Value& value, const TensorQuant& quant) {
  const QuantScheme& scheme = quant.scheme;
  if (scheme.format != NumberFormat::Linear || scheme.granularity == Granularity::PerBlock)
    throw Error(ErrorKind::Unsupported, "tensor " + value.name(),
                "encodings hold integer per-tensor and per-channel quantization: got " +
                    std::string(scheme.format == NumberFormat::Linear ? "per-block" : "floating"));
  Encoding entry;
  entry.name = value.name();
  entry.parameter = value.is_constant();
  entry.bits = scheme.bits;
  entry.symmetric = scheme.symmetric && scheme.quant_min < 0;
  entry.per_channel = scheme.granularity == Granularity::PerChannel;
  entry.scale = to_doubles(quant.params.scale);
  if (entry.per_channel) {
    const int rank =
        value.is_constant() ? static_cast<int>(value.constant().dim()) : static_cast<int>(value.shape ? value.shape->size() : 0);
    entry.axis = scheme.axis < 0 ? scheme.axis + rank : scheme.axis;
  }
  // A symmetric grid starts at -2^(bits-1) even where only -127..127 is used: the tools take no other offset.
  const double grid_start = entry.symmetric ? -std::ldexp(1.0, scheme.bits - 1) : scheme.quant_min;
  for (double zero_point : quant.params.offset.defined() ? to_doubles(quant.params.offset) : std::vector<double>(entry.scale.size(), 0.0))
    entry.offset.push_back(static_cast<int64_t>(std::llround(grid_start - zero_point)));
  return entry;
}

Encoding float_entry(const Value& value) {
  Encoding entry;
  entry.name = value.name();
  entry.parameter = value.is_constant();
  entry.floating = true;
  entry.bits = 16;  // AIMET's loader refuses 32, and float is float16 on the HTP
  return entry;
}

/// Input scale × weight scale, unless the bias has a quantization of its own.
std::optional<Encoding> bias_encoding(const Node& node, const Value& bias) {
  Encoding entry;
  entry.name = bias.name();
  entry.parameter = entry.bias = entry.symmetric = true;
  entry.bits = 32;
  TensorQuantPtr quant = node.quant_of_input(2);
  if (has_params(quant)) {
    entry.scale = to_doubles(quant->params.scale);
  } else {
    TensorQuantPtr input = node.input(0) ? written_quant(*node.input(0)) : nullptr, weight = node.quant_of_input(1);
    if (!has_params(node.quant_of_input(0)) && !has_params(input)) return std::nullopt;
    if (!has_params(weight)) return std::nullopt;
    if (has_params(node.quant_of_input(0))) input = node.quant_of_input(0);
    if (input->params.scale.numel() != 1) return std::nullopt;
    entry.scale = to_doubles((input->params.scale * weight->params.scale).to(at::kFloat));
  }
  entry.per_channel = entry.scale.size() > 1;
  entry.axis = entry.per_channel ? 0 : -1;
  if (entry.per_channel && static_cast<int64_t>(entry.scale.size()) != bias.constant().numel()) return std::nullopt;
  entry.offset.assign(entry.scale.size(), 0);
  return entry;
}

class Collector {
 public:
  Collector(const ExportOptions& options, std::vector<std::string>& missing)
      : biases_(options.encodings == "2.0.0" && options.int32_bias), missing_(missing) {}

  std::vector<Encoding> collect(const Graph& graph) {
    for (const Value* input : graph.inputs())
      if (!input->is_constant()) activation(*input);
    for (const Node* node : graph.nodes()) {
      for (size_t i = 0; i < node->inputs().size(); ++i)
        if (const Value* value = node->inputs()[i]; value && value->is_constant()) parameter(*node, i, *value);
      for (const Value* value : node->outputs())
        if (value) activation(*value);
    }
    return std::move(entries_);
  }

 private:
  void activation(const Value& value) {
    if (!seen_.insert(&value).second) return;
    if (TensorQuantPtr quant = written_quant(value)) {
      entries_.push_back(encoding_of(value, *quant));
      return;
    }
    const bool used = !value.uses().empty() || value.is_graph_output();
    const bool integer = value.dtype != DataType::Undefined && !is_float(value.dtype);
    const Node* producer = value.producer();
    if (!used || integer || value.opaque_type || (producer && producer->dispatch == Dispatch::ShapeOrIndex)) return;
    if (producer && producer->dispatch == Dispatch::Float && is_float(value.dtype))
      entries_.push_back(float_entry(value));
    else
      missing_.push_back(value.name());
  }

  void parameter(const Node& node, size_t index, const Value& value) {
    if (!is_float(value.dtype)) return;
    const bool bias = is_bias(node, index);
    if (TensorQuantPtr quant = written_quant(value)) {
      if (seen_.insert(&value).second) entries_.push_back(encoding_of(value, *quant));
      return;
    }
    if (bias && biases_ && node.quantized) {
      std::optional<Encoding> entry = seen_.count(&value) ? std::nullopt : bias_encoding(node, value);
      if (entry) {
        seen_.insert(&value);
        entries_.push_back(std::move(*entry));
      }
      return;
    }
    if (!is_weight(node, index) || !seen_.insert(&value).second) return;
    if (node.dispatch == Dispatch::Float)
      entries_.push_back(float_entry(value));
    else if (node.quantized)
      missing_.push_back(value.name());
  }

  bool biases_;
  std::vector<std::string>& missing_;
  std::vector<Encoding> entries_;
  std::set<const Value*> seen_;
};

}  // namespace

std::vector<Encoding> collect_encodings(const Graph& graph, const ExportOptions& options, std::vector<std::string>& missing) {
  return Collector(options, missing).collect(graph);
}

std::vector<std::string> float_nodes(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node* node : graph.nodes())
    if (node->dispatch == Dispatch::Float && !node->name.empty()) names.push_back(node->name);
  return names;
}

}  // namespace ppq
