// From encodings back to the slots of a graph.
#include <ATen/ATen.h>

#include <algorithm>
#include <unordered_set>

#include "exporters/exported_tensors.h"
#include "exporters/qualcomm/encoding.h"
#include "exporters/share_equal.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq {
namespace {

bool quantizable(const Node& node, const PlatformSpec& platform) {
  if (node.quantized || node.dispatch == Dispatch::Quantized) return true;
  const bool standard = node.domain.empty() || node.domain == "ai.onnx";
  return node.dispatch == Dispatch::ByPlatform && standard && platform.computes(node);
}

void set_slot(std::vector<TensorQuantPtr>& slots, size_t size, size_t index, TensorQuantPtr quant) {
  if (slots.size() < size) slots.resize(size);
  slots[index] = std::move(quant);
}

at::Tensor float_tensor(const std::vector<double>& values, bool per_channel) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return per_channel ? tensor : tensor.reshape({});
}

class Applier {
 public:
  Applier(Graph& graph, const PlatformSpec& platform, bool fixed, std::string where)
      : graph_(graph), platform_(platform), fixed_(fixed), where_(std::move(where)) {}

  EncodingsRead apply(const EncodingFile& file) {
    for (const std::string& name : file.float_nodes)
      if (Node* node = graph_.find_node(name)) keep_float(*node);
    for (const Encoding& entry : file.encodings) {
      Value* value = graph_.find_value(entry.name);
      if (!value) {
        read_.unknown.push_back(entry.name);
        continue;
      }
      if (entry.floating)
        apply_float(*value);
      else if (entry.bias)
        apply_bias(*value, entry);
      else
        apply_integer(*value, entry);
      ++read_.applied;
    }
    if (read_.applied == 0 && !file.encodings.empty()) not_of_this_model();
    share_equal(graph_, platform_.fusion.activations);
    return std::move(read_);
  }

 private:
  [[noreturn]] void not_of_this_model() const {
    std::vector<std::string> names;
    for (const Value* value : graph_.values()) names.push_back(value->name());
    throw Error(ErrorKind::Data, where_,
                "encodings are for another model: got '" + read_.unknown[0] + "' and " + std::to_string(read_.unknown.size() - 1) +
                    " other names, none of them a tensor of this graph",
                did_you_mean(read_.unknown[0], names));
  }

  void keep_float(Node& node) {
    node.dispatch = Dispatch::Float;
    node.quantized = false;
    node.input_quant.clear();
    node.output_quant.clear();
  }

  void apply_float(Value& value) {
    if (value.producer())
      keep_float(*value.producer());
    else
      for (const Use& use : value.uses())
        if (is_weight(*use.node, use.index)) keep_float(*use.node);
  }

  void apply_bias(Value& value, const Encoding& entry) {
    auto quant = std::make_shared<TensorQuant>();
    quant->scheme = platform_.scheme(SlotRole::Bias);
    quant->scheme.granularity = entry.per_channel ? Granularity::PerChannel : Granularity::PerTensor;
    quant->scheme.axis = 0;
    if (entry.per_channel) check_channels(value, entry, 0);
    quant->params = {float_tensor(entry.scale, entry.per_channel), at::zeros_like(float_tensor(entry.scale, entry.per_channel))};
    quant->state = QuantState::Passive;
    quant->exported = false;
    quant->fixed = fixed_;
    quant->observed = value.name();
    for (const Use& use : value.uses())
      if (is_bias(*use.node, use.index)) set_slot(use.node->input_quant, use.node->inputs().size(), use.index, quant);
  }

  void check_channels(const Value& value, const Encoding& entry, int axis) const {
    int64_t rank = value.is_constant() ? value.constant().dim() : value.shape ? static_cast<int64_t>(value.shape->size()) : 0;
    int64_t channels = -1;
    if (axis >= 0 && axis < rank)
      channels = value.is_constant() ? value.constant().size(axis) : (*value.shape)[static_cast<size_t>(axis)].value;
    if (channels != static_cast<int64_t>(entry.scale.size()))
      throw Error(ErrorKind::Data, where_ + ": tensor " + entry.name,
                  "per-channel encoding: got " + std::to_string(entry.scale.size()) + " channels, expected " + std::to_string(channels) +
                      " (dimension " + std::to_string(axis) + ")");
  }

  /// What the tensor's slots refer to now: the producer's, else the first reader's.
  static TensorQuantPtr present(const Value& value) {
    if (value.producer())
      if (TensorQuantPtr quant = value.producer()->quant_of_output(value.producer_index())) return quant;
    for (const Use& use : value.uses())
      if (TensorQuantPtr quant = use.node->quant_of_input(use.index); quant && quant->exported) return quant;
    return nullptr;
  }

  TensorQuant wanted(const Value& value, const Encoding& entry, const TensorQuantPtr& old) const {
    TensorQuant quant;
    quant.scheme = old ? old->scheme : platform_.scheme(entry.parameter || value.is_constant() ? SlotRole::Weight : SlotRole::Data);
    QuantScheme& scheme = quant.scheme;
    scheme.bits = entry.bits;
    scheme.symmetric = entry.symmetric;
    scheme.quant_min = entry.symmetric ? -std::ldexp(1.0, entry.bits - 1) : 0;
    scheme.quant_max = scheme.quant_min + std::ldexp(1.0, entry.bits) - 1;
    if (entry.per_channel) {
      scheme.axis = entry.axis >= 0                                             ? entry.axis
                    : old && old->scheme.granularity == Granularity::PerChannel ? old->scheme.axis
                                                                                : axis_of(value);
      scheme.granularity = Granularity::PerChannel;
      check_channels(value, entry, scheme.axis);
    } else {
      scheme.granularity = Granularity::PerTensor;
      scheme.axis = 0;
    }
    std::vector<double> zero_points;
    for (int64_t offset : entry.offset) zero_points.push_back(scheme.quant_min - static_cast<double>(offset));
    if (entry.symmetric && std::any_of(zero_points.begin(), zero_points.end(), [](double z) { return z != 0; }))
      throw Error(ErrorKind::Data, where_ + ": tensor " + entry.name,
                  "symmetric encoding: got offset " + std::to_string(entry.offset[0]) + ", expected " +
                      std::to_string(-(int64_t{1} << (entry.bits - 1))));
    quant.params = {float_tensor(entry.scale, entry.per_channel), float_tensor(zero_points, entry.per_channel)};
    quant.state = QuantState::Active;
    quant.fixed = fixed_;
    quant.observed = old ? old->observed : value.name();
    return quant;
  }

  static int axis_of(const Value& value) {
    return value.uses().empty() ? 0 : weight_channel_axis(*value.uses()[0].node, value.uses()[0].index);
  }

  void apply_integer(Value& value, const Encoding& entry) {
    const TensorQuantPtr old = present(value);
    const TensorQuant quant = wanted(value, entry, old);
    TensorQuantPtr target;
    if (!old)
      target = std::make_shared<TensorQuant>(quant);
    else if (written_.insert(old.get()).second || same_quantization(*old, quant))
      *(target = old) = quant;  // its sharers agree, or come later
    else
      target = std::make_shared<TensorQuant>(quant);
    keep_.push_back(target);

    if (Node* producer = value.producer()) {
      if (quantizable(*producer, platform_)) producer->quantized = true;
      set_slot(producer->output_quant, producer->outputs().size(), value.producer_index(), target);
    }
    for (const Use& use : value.uses()) {
      const TensorQuantPtr slot = use.node->quant_of_input(use.index);
      if (slot && !slot->exported) continue;
      if (!slot && !quantizable(*use.node, platform_)) continue;
      use.node->quantized |= quantizable(*use.node, platform_);
      set_slot(use.node->input_quant, use.node->inputs().size(), use.index, target);
    }
  }

  Graph& graph_;
  const PlatformSpec& platform_;
  bool fixed_;
  std::string where_;
  EncodingsRead read_;
  std::unordered_set<const TensorQuant*> written_;
  std::vector<TensorQuantPtr> keep_;  ///< so that no address in `written_` is used twice
};

}  // namespace

EncodingsRead apply_encodings(Graph& graph, const PlatformSpec& platform, const EncodingFile& file, bool fixed, const std::string& where) {
  return Applier(graph, platform, fixed, where).apply(file);
}

}  // namespace ppq
