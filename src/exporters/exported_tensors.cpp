#include "exporters/exported_tensors.h"

#include <ATen/ATen.h>

#include <set>
#include <unordered_set>

#include "ops/op_facts.h"
#include "ppq/platform.h"

namespace ppq {
namespace {

using State = ExportedTensor::State;

bool is_float(DataType dtype) {
  return dtype == DataType::Float || dtype == DataType::Float16 || dtype == DataType::Double || dtype == DataType::BFloat16;
}

/// Numbers that LibTorch stores at most.
bool is_small_float(DataType dtype) {
  return (dtype >= DataType::Float8E4M3FN && dtype <= DataType::Float8E5M2FNUZ) || dtype == DataType::Float4E2M1 ||
         dtype == DataType::Float8E8M0;
}

bool has_params(const TensorQuantPtr& quant) { return quant && quant->params.defined(); }

const std::string kEmpty = "it has no elements";

/// Why an activation that the network uses has no quantization.
std::string reason_of(const Value& value) {
  const Node* producer = value.producer();
  if (producer && producer->quant_of_output(value.producer_index())) return "it had no elements in any sample";
  if (!may_be_float(value)) return std::string("numbers of type ") + name_of(value.dtype) + " are not quantized";
  if (!producer) return "no operation that is computed in integers reads it";
  if (!producer->quantized) return producer->op_type + " is not computed in integers";
  return "it does not leave the operations that are computed in one go, or " + producer->op_type + " gives it in float";
}

std::string reason_of_parameter(const Value& value) {
  if (!may_be_float(value)) return std::string("numbers of type ") + name_of(value.dtype) + " are not quantized";
  return "weights are not quantized here";
}

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

/// Input scale × weight scale, unless the bias has a scale of its own; undefined where a scale is missing.
at::Tensor accumulator_scale(const Node& node) {
  if (const TensorQuantPtr own = node.quant_of_input(2); has_params(own)) return own->params.scale;
  TensorQuantPtr input = node.quant_of_input(0);
  if (!has_params(input)) input = node.input(0) ? written_quant(*node.input(0)) : nullptr;
  const TensorQuantPtr weight = node.quant_of_input(1);
  if (!has_params(input) || !has_params(weight) || input->params.scale.numel() != 1) return {};
  return (input->params.scale * weight->params.scale).to(at::kFloat);
}

TensorQuantPtr accumulator_quant(const Node& node, const Value& bias) {
  const at::Tensor scale = accumulator_scale(node);
  if (!scale.defined() || (scale.numel() > 1 && scale.numel() != bias.constant().numel())) return nullptr;
  auto quant = std::make_shared<TensorQuant>();
  quant->scheme = rules::signed_symmetric(32);
  quant->scheme.granularity = scale.numel() > 1 ? Granularity::PerChannel : Granularity::PerTensor;
  quant->params = {scale, at::zeros_like(scale)};
  quant->state = QuantState::Passive;
  quant->exported = false;
  return quant;
}

class Walk {
 public:
  std::vector<ExportedTensor> tensors(const Graph& graph) {
    empty_ = empty_values(graph);
    for (const Value* input : graph.inputs())
      if (!input->is_constant()) activation(*input);
    for (const Node* node : graph.nodes()) {
      for (size_t i = 0; i < node->inputs().size(); ++i)
        if (const Value* value = node->inputs()[i]; value && value->is_constant()) parameter(*node, i, *value);
      for (const Value* value : node->outputs())
        if (value) activation(*value);
    }
    return std::move(tensors_);
  }

 private:
  void activation(const Value& value) {
    if (!seen_.insert(&value).second) return;
    if (TensorQuantPtr quant = written_quant(value)) {
      tensors_.push_back({&value, State::Quantized, std::move(quant)});
      return;
    }
    const bool used = !value.uses().empty() || value.is_graph_output();
    const bool integer = value.dtype != DataType::Undefined && !is_float(value.dtype);
    const Node* producer = value.producer();
    if (used && is_small_float(value.dtype)) {
      tensors_.push_back({&value, State::Missing, nullptr, false, reason_of(value)});
      return;
    }
    if (empty_.count(&value)) {
      if (used && is_float(value.dtype)) tensors_.push_back({&value, State::Missing, nullptr, false, kEmpty});
      return;
    }
    if (!used || integer || value.opaque_type || (producer && producer->dispatch == Dispatch::ShapeOrIndex)) return;
    const bool kept = producer && producer->dispatch == Dispatch::Float && is_float(value.dtype);
    if (kept)
      tensors_.push_back({&value, State::Float, nullptr});
    else
      tensors_.push_back({&value, State::Missing, nullptr, false, reason_of(value)});
  }

  void parameter(const Node& node, size_t index, const Value& value) {
    if (!is_float(value.dtype) || seen_.count(&value)) return;
    if (empty_.count(&value)) {
      if (node.quantized && input_socket(node, index) == Socket::Quantizable) add(value, State::Missing);
      return;
    }
    if (TensorQuantPtr quant = written_quant(value)) {
      add(value, State::Quantized, std::move(quant));
      return;
    }
    if (is_bias(node, index) && node.quantized) {
      if (TensorQuantPtr quant = accumulator_quant(node, value)) add(value, State::Quantized, std::move(quant), /*accumulator=*/true);
      return;
    }
    if (!is_weight(node, index)) return;
    if (node.dispatch == Dispatch::Float)
      add(value, State::Float);
    else if (node.quantized)
      add(value, State::Missing);
    else
      seen_.insert(&value);
  }

  void add(const Value& value, State state, TensorQuantPtr quant = nullptr, bool accumulator = false) {
    seen_.insert(&value);
    const bool missing = state == State::Missing;
    tensors_.push_back({&value, state, std::move(quant), accumulator,
                        !missing               ? ""
                        : empty_.count(&value) ? kEmpty
                                               : reason_of_parameter(value)});
  }

  std::vector<ExportedTensor> tensors_;
  std::unordered_set<const Value*> empty_;
  std::set<const Value*> seen_;
};

}  // namespace

std::vector<ExportedTensor> exported_tensors(const Graph& graph) { return Walk().tensors(graph); }

std::vector<std::string> float_nodes(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node* node : graph.nodes())
    if (node->dispatch == Dispatch::Float && !node->name.empty()) names.push_back(node->name);
  return names;
}

}  // namespace ppq
