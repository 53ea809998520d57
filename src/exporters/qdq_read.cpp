#include "exporters/qdq_read.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>

#include "exporters/share_equal.h"
#include "graph/readers.h"
#include "ops/linear_quantization.h"
#include "ops/op_facts.h"

namespace ppq {
namespace {

/// Rounding behind them is rounding before them: zero lies on every grid, and a bound is rounded as what it bounds is.
const std::set<std::string> kBounds = {"Relu", "Clip"};

bool is_quantize(const Node& node) {
  return node.op_type == "QuantizeLinear" && (node.domain.empty() || node.domain == "ai.onnx" || node.domain == "com.microsoft");
}
bool is_dequantize(const Node& node) {
  return node.op_type == "DequantizeLinear" && (node.domain.empty() || node.domain == "ai.onnx" || node.domain == "com.microsoft");
}

/// A weight, or what a Constant node gives.
at::Tensor constant_of(const Value* value) {
  if (!value) return {};
  if (value->constant().defined()) return value->constant();
  const Node* producer = value->producer();
  const AttrValue* attribute = producer && producer->is("Constant") ? producer->attributes.find("value") : nullptr;
  const at::Tensor* tensor = attribute ? std::get_if<at::Tensor>(attribute) : nullptr;
  return tensor ? *tensor : at::Tensor();
}

at::ScalarType scalar_type(DataType type) { return has_scalar_type(type) ? to_scalar_type(type) : at::ScalarType::Undefined; }

/// The type of the integers that a node makes or takes.
at::ScalarType type_of(const Node& node) {
  if (is_dequantize(node)) {
    const at::Tensor stored = constant_of(node.input(0));
    if (stored.defined()) return stored.scalar_type();
  }
  if (const at::Tensor zero_point = constant_of(node.input(2)); zero_point.defined()) return zero_point.scalar_type();
  if (is_dequantize(node)) return node.input(0) ? scalar_type(node.input(0)->dtype) : at::ScalarType::Undefined;
  const auto asked = static_cast<DataType>(node.attributes.get_int("output_dtype", 0));
  return asked == DataType::Undefined ? at::kByte : scalar_type(asked);
}

/// Sets the format that integers, or 8-bit minifloats, of a type are; false for types without one.
bool set_type(QuantScheme& scheme, at::ScalarType type) {
  switch (type) {
    case at::kByte:
    case at::kChar:
    case at::kUInt16:
    case at::kShort:
    case at::kInt: {
      const auto [low, high] = ops::integer_range(type);
      scheme.quant_min = low, scheme.quant_max = high;
      scheme.bits = static_cast<int>(8 * c10::elementSize(type));
      return true;
    }
    case at::kFloat8_e4m3fn:
    case at::kFloat8_e5m2:
      scheme = rules::minifloat(type == at::kFloat8_e5m2 ? 5 : 4);
      scheme.power_of_two = false;
      return true;
    default:
      return false;
  }
}

/// What a node says of a tensor of `sizes` (none: not known), or null where it is no format of ours.
TensorQuantPtr said_by(const Node& node, const std::optional<std::vector<int64_t>>& sizes, bool stored) {
  const at::Tensor scale = constant_of(node.input(1));
  at::Tensor zero_point = constant_of(node.input(2));
  if (!scale.defined() || scale.scalar_type() != at::kFloat || (node.input(2) && !zero_point.defined())) return nullptr;
  if (node.attributes.get_int("block_size", 0) != 0 || node.attributes.get_int("saturate", 1) == 0) return nullptr;
  if (is_dequantize(node) && node.attributes.get_int("output_dtype", 1) != 1) return nullptr;
  if (scale.dim() > 1 || scale.numel() == 0 || !at::isfinite(scale).all().item<bool>() || scale.le(0).any().item<bool>()) return nullptr;
  auto quant = std::make_shared<TensorQuant>();
  QuantScheme& scheme = quant->scheme;
  if (!set_type(scheme, type_of(node))) return nullptr;
  zero_point = zero_point.defined() ? zero_point.to(at::kFloat) : at::zeros_like(scale);
  if (zero_point.numel() != scale.numel()) return nullptr;
  const bool centered = zero_point.eq(0).all().item<bool>();
  if (scheme.format == NumberFormat::Floating && !centered) return nullptr;
  scheme.symmetric = centered && scheme.quant_min < 0;
  if (scale.numel() > 1 || (stored && scale.dim() == 1)) {
    const int64_t rank = sizes ? static_cast<int64_t>(sizes->size()) : 0, said = node.attributes.get_int("axis", 1);
    const int64_t axis = said < 0 ? said + rank : said;
    const bool channels = axis >= 0 && axis < rank && (*sizes)[static_cast<size_t>(axis)] == scale.numel();
    if (!channels && scale.numel() > 1) return nullptr;
    if (channels) scheme.granularity = Granularity::PerChannel, scheme.axis = static_cast<int>(axis);
  }
  const auto shape = scheme.granularity == Granularity::PerChannel ? std::vector<int64_t>{scale.numel()} : std::vector<int64_t>{};
  quant->params = {scale.reshape(shape).contiguous(), zero_point.reshape(shape).contiguous()};
  quant->state = QuantState::Active;
  return quant;
}

std::optional<std::vector<int64_t>> sizes_of(const Value& value) {
  if (value.constant().defined()) return value.constant().sizes().vec();
  if (!value.shape) return std::nullopt;
  std::vector<int64_t> sizes;
  for (const Dim& dim : *value.shape) sizes.push_back(dim.value);
  return sizes;
}

/// The bits of a range that is narrower than its type.
int bits_of(double quant_min, double quant_max) {
  int bits = 1;
  while (quant_min < 0 ? quant_min < -std::ldexp(1.0, bits - 1) || quant_max > std::ldexp(1.0, bits - 1) - 1
                       : quant_max > std::ldexp(1.0, bits) - 1)
    ++bits;
  return bits;
}

void set_slot(Node& node, size_t index, bool output, TensorQuantPtr quant) {
  auto& slots = output ? node.output_quant : node.input_quant;
  slots.resize(output ? node.outputs().size() : node.inputs().size());
  slots[index] = std::move(quant);
  node.quantized = true;
}

bool takes(const Use& use) { return !is_quantize(*use.node) && input_socket(*use.node, use.index) != Socket::ShapeOrIndex; }

/// Whether rounding behind a node is rounding before it.
bool rounds_behind(const Node& node) { return is_passive(node) || kBounds.count(node.op_type); }

bool may_move(const Node& node, const TensorQuant& quant) {
  return quant.scheme.granularity == Granularity::PerTensor || !is_passive(node);
}

/// Both sides of such nodes have one quantization, though the file rounds on one of them.
void spread(Graph& graph, const Pinned& pinned) {
  std::vector<Node*> nodes = graph.nodes();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    Node& node = **it;
    const Value* value = node.input(0);
    const TensorQuantPtr quant = node.quant_of_output();
    Node* producer = value ? value->producer() : nullptr;
    if (!quant || !producer || node.quant_of_input(0) || !rounds_behind(node) || only_reader(value, pinned) != &node ||
        producer->quant_of_output(value->producer_index()) || !may_move(node, *quant))
      continue;
    set_slot(*producer, value->producer_index(), true, quant);
    set_slot(node, 0, false, quant);
  }
  for (Node* node : nodes) {
    const TensorQuantPtr quant = node->quant_of_input(0);
    if (!quant || !is_passive(*node) || !may_move(*node, *quant)) continue;
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      const Value* value = node->output(i);
      if (!value || node->quant_of_output(i) || output_socket(*node, i) != Socket::Quantizable) continue;
      set_slot(*node, i, true, quant);
      for (const Use& use : value->uses())
        if (takes(use) && !use.node->quant_of_input(use.index)) set_slot(*use.node, use.index, false, quant);
    }
  }
}

class Taker {
 public:
  explicit Taker(Graph& graph) : graph_(graph), pinned_(graph) {}

  PairsRead run() {
    const std::vector<Node*> nodes = graph_.nodes();
    for (Node* node : nodes)
      if (is_dequantize(*node)) parameter(*node);
    for (Node* node : nodes)
      if (!gone_.count(node) && is_quantize(*node)) pair(*node);
    for (Value* value : loose_) drop(value);
    lift();
    spread(graph_, pinned_);
    share_equal(graph_, kBounds);
    for (const Node* node : graph_.nodes())
      if (is_quantize(*node) || is_dequantize(*node)) read_.left.push_back(node->name);
    graph_.verify();
    return std::move(read_);
  }

 private:
  /// From a tensor through QuantizeLinear and DequantizeLinear to what stands for it, rounded.
  struct Chain {
    Value* source = nullptr;
    std::vector<Node*> nodes;     ///< in order; the first one reads the source
    std::vector<Value*> rounded;  ///< outputs of the last ones
    TensorQuantPtr quant;
  };

  void loosen(Value* value) {
    if (value && seen_.insert(value).second) loose_.push_back(value);
  }

  /// Its inputs and outputs go at the end, where nothing else has them.
  void remove(Node* node) {
    const std::vector<Value*> inputs = node->inputs(), outputs = node->outputs();
    gone_.insert(node);
    graph_.remove_node(node);
    for (Value* value : inputs) loosen(value);
    for (Value* value : outputs) loosen(value);
  }

  void drop(Value* value) {
    if (!value->uses().empty() || value->is_graph_input() || pinned_(value)) return;
    if (Node* producer = value->producer()) {
      if (!producer->is("Constant")) return;
      graph_.remove_node(producer);
    }
    graph_.remove_value(value);
  }

  /// Stored integers: the floats that they stand for, and where those are read.
  void parameter(Node& node) {
    Value *stored = node.input(0), *real = node.output();
    const at::Tensor integers = constant_of(stored);
    if (!integers.defined() || !real || pinned_(real)) return;
    const TensorQuantPtr quant = said_by(node, integers.sizes().vec(), /*stored=*/true);
    if (!quant) return;
    const at::Tensor floats = ops::dequantize(integers, quant->params.scale, quant->params.offset, {quant->scheme.axis, 0}, at::kFloat);
    std::string name = stored->name();
    constexpr std::string_view kEnding = "_quantized";
    if (name.ends_with(kEnding) && name.size() > kEnding.size())
      name.resize(name.size() - kEnding.size());
    else
      name = real->name();
    graph_.make_constant(real, floats.contiguous());
    remove(&node);
    if (!graph_.find_value(name)) graph_.rename(real, name);
    at_readers(real, real, quant, QuantState::Baked, QuantState::PassiveBaked);
    ++read_.applied;
  }

  /// Readers of `from` read `to`, rounded by `quant`.
  void at_readers(Value* from, Value* to, const TensorQuantPtr& quant, QuantState own, QuantState follows) {
    quant->state = own;
    quant->observed = to->name();
    TensorQuantPtr following;  // of biases and bounds
    for (const Use& use : std::vector<Use>(from->uses())) {
      if (from != to) graph_.set_input(use.node, use.index, to);
      if (!takes(use)) continue;
      TensorQuantPtr slot = quant;
      if (to->is_constant() && (is_bias(*use.node, use.index) || is_limit(*use.node, use.index))) {
        if (!following) following = std::make_shared<TensorQuant>(*quant);
        following->state = follows, following->exported = false;
        slot = following;
      }
      set_slot(*use.node, use.index, false, std::move(slot));
    }
  }

  /// The constant number that Max or Min bounds its input 0 by, where only `reader` reads the result.
  std::optional<float> limit_of(const Value* value, const char* type, const Node* reader) const {
    const Node* node = value->producer();
    if (!node || !node->is(type) || node->inputs().size() != 2 || !node->input(0) || only_reader(value, pinned_) != reader) return {};
    const at::Tensor limit = constant_of(node->input(1));
    if (!limit.defined() || limit.scalar_type() != at::kFloat || limit.numel() != 1) return {};
    return limit.item<float>();
  }

  /// Max and Min in front of a pair, by which a range narrower than its type is said.
  void take_limits(Chain& chain) const {
    const std::optional<float> high = limit_of(chain.source, "Min", chain.nodes[0]);
    if (!high) return;
    Node* min = chain.source->producer();
    const std::optional<float> low = limit_of(min->input(0), "Max", min);
    if (!low || chain.quant->scheme.granularity != Granularity::PerTensor || chain.quant->scheme.format != NumberFormat::Linear) return;
    QuantScheme narrow = chain.quant->scheme;
    const double scale = chain.quant->params.scale.item<double>(), offset = chain.quant->params.offset.item<double>();
    narrow.quant_min = std::nearbyint(*low / scale) + offset, narrow.quant_max = std::nearbyint(*high / scale) + offset;
    if (narrow.quant_min < chain.quant->scheme.quant_min || narrow.quant_max > chain.quant->scheme.quant_max ||
        narrow.quant_min >= narrow.quant_max)
      return;
    const auto [bottom, top] = range_of(chain.quant->params, narrow);
    if (bottom.item<float>() != *low || top.item<float>() != *high) return;
    narrow.bits = bits_of(narrow.quant_min, narrow.quant_max);
    chain.quant->scheme = narrow;
    Node* max = min->input(0)->producer();
    chain.nodes.insert(chain.nodes.begin(), {max, min});
    chain.source = max->input(0);
  }

  static std::optional<DataType> cast_to(const Node& node) {
    if (!node.is("Cast")) return std::nullopt;
    return static_cast<DataType>(node.attributes.get_int("to", 0));
  }

  /// Casts around a pair, where the network is of another float type.
  void take_casts(Chain& chain) const {
    Node* before = chain.source->producer();
    if (!before || cast_to(*before) != DataType::Float || only_reader(chain.source, pinned_) != chain.nodes[0]) return;
    Value* source = before->input(0);
    if (!source || source->dtype == DataType::Float || !may_be_float(*source)) return;
    std::vector<Node*> after;
    for (const Value* value : chain.rounded)
      for (const Use& use : value->uses()) after.push_back(use.node);
    const auto is_back = [&](const Node* node) { return cast_to(*node) == source->dtype; };
    const bool pinned = std::any_of(chain.rounded.begin(), chain.rounded.end(), [&](const Value* value) { return pinned_(value); });
    if (pinned || after.empty() || !std::all_of(after.begin(), after.end(), is_back)) return;
    chain.rounded.clear();
    for (const Node* node : after) chain.rounded.push_back(node->output());
    chain.nodes.insert(chain.nodes.begin(), before);
    chain.nodes.insert(chain.nodes.end(), after.begin(), after.end());
    chain.source = source;
  }

  /// Empty where the integers are read by others too, or the two nodes say different things.
  Chain chain_of(Node& quantize) const {
    Chain chain;
    Value *source = quantize.input(0), *integers = quantize.output();
    if (!source || !integers || integers->uses().empty() || pinned_(integers)) return chain;
    const auto sizes = sizes_of(*source);
    chain.quant = said_by(quantize, sizes, /*stored=*/false);
    if (!chain.quant) return chain;
    chain.nodes = {&quantize};
    for (const Use& use : integers->uses()) {
      if (!is_dequantize(*use.node) || use.index != 0 || !use.node->output()) return {};
      const TensorQuantPtr back = said_by(*use.node, sizes, /*stored=*/false);
      if (!back || !same_quantization(*back, *chain.quant)) return {};
      chain.nodes.push_back(use.node);
      chain.rounded.push_back(use.node->output());
    }
    chain.source = source;
    if (!source->is_constant()) take_limits(chain), take_casts(chain);
    return chain;
  }

  void pair(Node& quantize) {
    const Chain chain = chain_of(quantize);
    if (!chain.source) return;
    Value* source = chain.source;
    std::vector<Value*> pinned;
    bool rounded_again = false;
    for (Value* value : chain.rounded) {
      if (pinned_(value)) pinned.push_back(value);
      for (const Use& use : value->uses()) rounded_again |= is_quantize(*use.node);
    }
    Node* producer = source->producer();
    const bool whole = producer && !producer->quant_of_output(source->producer_index()) && pinned.size() <= 1 &&
                       only_reader(source, pinned_) == chain.nodes[0];
    if (!whole && (!pinned.empty() || rounded_again)) return;  // nothing but these nodes can say it
    for (Node* node : std::vector<Node*>(chain.nodes.rbegin(), chain.nodes.rend())) remove(node);
    Value* kept = source;
    if (whole) {
      kept = name_giver(*source, chain.rounded, pinned);
      const size_t index = source->producer_index();
      if (kept != source) {
        if (!kept->shape) kept->shape = source->shape;
        kept->dtype = source->dtype;
        std::vector<Value*> outputs = producer->outputs();
        outputs[index] = kept;
        graph_.set_outputs(producer, outputs);
      }
      set_slot(*producer, index, true, chain.quant);
    }
    for (Value* value : chain.rounded) at_readers(value, kept, chain.quant, QuantState::Active, QuantState::Passive);
    loosen(source);
    ++read_.applied;
  }

  /// Of a tensor and what stands for it, rounded, the one whose name is the tensor's own.
  static Value* name_giver(Value& source, const std::vector<Value*>& rounded, const std::vector<Value*>& pinned) {
    if (!pinned.empty()) return pinned[0];
    for (Value* value : rounded)
      if (source.name().starts_with(value->name() + "_")) return value;
    return &source;
  }

  /// A tensor that all its readers round alike is rounded where it is made.
  void lift() {
    for (Node* node : graph_.nodes())
      for (size_t i = 0; i < node->outputs().size(); ++i) {
        const Value* value = node->output(i);
        if (!value || value->uses().empty() || pinned_(value) || node->quant_of_output(i)) continue;
        const TensorQuantPtr first = value->uses()[0].node->quant_of_input(value->uses()[0].index);
        const bool alike = first && std::all_of(value->uses().begin(), value->uses().end(), [&](const Use& use) {
                             const TensorQuantPtr quant = use.node->quant_of_input(use.index);
                             return quant && same_quantization(*quant, *first);
                           });
        if (!alike || is_quantize(*node) || is_dequantize(*node)) continue;
        set_slot(*node, i, true, first);
        for (const Use& use : value->uses()) set_slot(*use.node, use.index, false, first);
      }
  }

  Graph& graph_;
  const Pinned pinned_;
  PairsRead read_;
  std::unordered_set<const Node*> gone_;
  std::unordered_set<const Value*> seen_;
  std::vector<Value*> loose_;
};

}  // namespace

bool has_pairs(const Graph& graph) {
  const std::vector<Node*> nodes = graph.nodes();
  return std::any_of(nodes.begin(), nodes.end(), [](const Node* node) { return is_quantize(*node) || is_dequantize(*node); });
}

void spread_over_moves(Graph& graph) { spread(graph, Pinned(graph)); }

PairsRead take_out_pairs(Graph& graph) { return Taker(graph).run(); }

}  // namespace ppq
