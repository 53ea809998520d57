// The quantized network as onnxruntime's integer operators: QLinearConv and its kin on integers from one to the next, what moves data and
// what bounds it on integers directly, and QuantizeLinear and DequantizeLinear where an operator has no integer form.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "executor/fused.h"
#include "exporters/exporters.h"
#include "exporters/table_format.h"
#include "graph/readers.h"
#include "onnx/raise_opset.h"
#include "ops/op_facts.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq::exporters {
namespace {

constexpr const char* kMicrosoft = "com.microsoft";
constexpr int64_t kOpset = 13, kOpsetOfBounds = 12;  // of Pad, and of Clip and MaxPool, with 8-bit integers

bool known(const TensorQuantPtr& quant) { return quant && quant->params.defined(); }
bool simulated(const TensorQuantPtr& quant) { return known(quant) && quant->simulated(); }
bool same(const TensorQuantPtr& a, const TensorQuantPtr& b) {
  return a == b ||
         (a && b && a->scheme == b->scheme && at::equal(a->params.scale, b->params.scale) && at::equal(a->params.offset, b->params.offset));
}

/// 8-bit integers, with a scale a tensor or (of weights) a channel.
void require_integers(const std::string& where, const QuantScheme& scheme, bool parameter) {
  const char* expected = "the integer operators take 8-bit integers, halves to even, with a scale a tensor (weights: or a channel)";
  std::string got;
  if (scheme.format != NumberFormat::Linear)
    got = "floating-point numbers";
  else if (scheme.dynamic)
    got = "scales that are found at run time";
  else if (scheme.granularity == Granularity::PerBlock)
    got = "a scale a block";
  else if (scheme.granularity == Granularity::PerChannel && !parameter)
    got = "a scale a channel of what is computed";
  else if (scheme.quant_min < -128 || scheme.quant_max > (scheme.quant_min < 0 ? 127 : 255))
    got = std::to_string(scheme.bits) + " bits";
  else if (scheme.rounding != Rounding::HalfEven && !parameter)
    got = "another rounding of halves";
  if (!got.empty())
    throw Error(ErrorKind::Unsupported, where, std::string(expected) + ": got " + got, "write onnx-qdq, or keep the layer in float");
}

at::ScalarType type_of(const QuantScheme& scheme) { return scheme.quant_min < 0 ? at::kChar : at::kByte; }

class Writer {
 public:
  explicit Writer(Graph& graph) : graph_(graph), pinned_(graph) {}

  /// How many tensors are integers.
  size_t run() {
    for (Node* node : graph_.nodes()) {
      next_ = node;
      if (!integer_form(*node)) in_float(*node);
    }
    next_ = nullptr;
    for (Value* output : std::vector<Value*>(graph_.outputs())) real(output);
    for (Node* node : replaced_) graph_.remove_node(node);
    for (Value* value : graph_.values())
      if (!value->producer() && value->uses().empty() && !pinned_(value) && !value->is_graph_input()) graph_.remove_value(value);
    graph_.verify();
    return count_;
  }
  const std::vector<std::string>& in_float() const { return float_; }

 private:
  struct Integers {
    Value* value = nullptr;
    TensorQuantPtr quant;
  };
  struct Numbers {
    Value *scale = nullptr, *zero_point = nullptr;
  };

  // Values

  const Numbers& numbers(const TensorQuantPtr& quant, const std::string& name) {
    Numbers& found = numbers_[quant.get()];
    if (found.scale) return found;
    const auto sizes =
        quant->scheme.granularity == Granularity::PerChannel ? std::vector<int64_t>{quant->params.scale.numel()} : std::vector<int64_t>{};
    found.scale = constant(name + "_scale", quant->params.scale.to(at::kFloat).reshape(sizes));
    found.zero_point = constant(name + "_zero_point", at::round(quant->params.offset).to(type_of(quant->scheme)).reshape(sizes));
    return found;
  }

  Value* constant(const std::string& name, const at::Tensor& tensor) {
    return graph_.add_constant(graph_.unique_name(name), tensor.contiguous());
  }

  Value* like(const std::string& name, const Value& value, DataType dtype) {
    Value* added = graph_.add_value(graph_.unique_name(name));
    added->dtype = dtype, added->shape = value.shape;
    return added;
  }

  Value* integers_like(const Value& value, const QuantScheme& scheme) {
    return like(value.name() + "_quantized", value, to_data_type(type_of(scheme)));
  }

  static DataType float_type(const Value& value) { return value.dtype == DataType::Undefined ? DataType::Float : value.dtype; }

  Value* cast(Value* from, Value* to, DataType type) {
    if (!to) to = like(from->name() + "_" + name_of(type), *from, type);
    Node* node = graph_.add_node("Cast", graph_.unique_name(to->name() + "_Cast"), {from}, {to}, next_);
    node->attributes.set("to", static_cast<int64_t>(type));
    return to;
  }

  /// The value as floats, rounded as readers see it.
  Value* real(Value* value) {
    const auto found = integers_.find(value);
    if (value->producer() || found == integers_.end() || value->is_graph_input() || value->is_constant()) return value;
    const Integers& stored = found->second;
    const Numbers& n = numbers(stored.quant, value->name());
    const bool plain = float_type(*value) == DataType::Float;
    Value* back = plain ? value : like(value->name() + "_dequantized", *value, DataType::Float);
    graph_.add_node("DequantizeLinear", graph_.unique_name(value->name() + "_DequantizeLinear"), {stored.value, n.scale, n.zero_point},
                    {back}, next_);
    return plain ? back : cast(back, value, value->dtype);
  }

  /// Beyond the range of a scheme that is narrower than its type, integers are cut.
  Value* within_range(Value* integers, const Value& of, const QuantScheme& scheme) {
    const bool is_signed = scheme.quant_min < 0;
    if (scheme.quant_min <= (is_signed ? -128 : 0) && scheme.quant_max >= (is_signed ? 127 : 255)) return integers;
    return bounded(integers, of, scheme, scheme.quant_min, scheme.quant_max);
  }

  Value* bounded(Value* integers, const Value& of, const QuantScheme& scheme, double low, double high) {
    const auto limit = [&](const char* name, double number) {
      return constant(of.name() + name, at::scalar_tensor(number, at::kDouble).to(type_of(scheme)));
    };
    Value* cut = integers_like(of, scheme);
    graph_.add_node("Clip", graph_.unique_name(of.name() + "_Clip"), {integers, limit("_low", low), limit("_high", high)}, {cut}, next_);
    return cut;
  }

  /// The value in integers by `quant`: as they are there, or of the floats that its readers see.
  Value* integers(Value* value, const TensorQuantPtr& quant) {
    const auto found = integers_.find(value);
    if (found != integers_.end() && same(found->second.quant, quant)) return found->second.value;
    for (const auto& [other, made] : requantized_[value])
      if (same(other, quant)) return made;
    Value* made = nullptr;
    if (value->is_constant()) {
      const at::Tensor stored = quantize_to_int(value->constant().to(at::kFloat), quant->scheme, quant->params);
      made = constant(value->name() + "_quantized", stored.to(type_of(quant->scheme)));
    } else {
      made = quantize(real(value), *value, quant);
    }
    requantized_[value].emplace_back(quant, made);
    ++count_;
    return made;
  }

  Value* quantize(Value* from, const Value& of, const TensorQuantPtr& quant) {
    const Numbers& n = numbers(quant, of.name());
    if (float_type(*from) != DataType::Float) from = cast(from, nullptr, DataType::Float);
    Value* to = integers_like(of, quant->scheme);
    graph_.add_node("QuantizeLinear", graph_.unique_name(of.name() + "_QuantizeLinear"), {from, n.scale, n.zero_point}, {to}, next_);
    return within_range(to, of, quant->scheme);
  }

  // What a node reads and gives

  /// What input `index`, computed at run time, is rounded by when the node reads it; null: nothing rounds it.
  TensorQuantPtr reads(const Node& node, size_t index) const {
    const Value* value = node.input(index);
    if (!value || value->is_constant() || !may_be_float(*value)) return nullptr;
    const auto found = integers_.find(value);
    const TensorQuantPtr own = node.quant_of_input(index), produced = found == integers_.end() ? nullptr : found->second.quant;
    const bool interior = float_interior_.count(value) > 0;
    return simulated(own) && !interior && !same(own, produced) ? own : produced;
  }

  /// What a constant operand is rounded by.
  static TensorQuantPtr stored(const Node& node, size_t index) {
    const Value* value = node.input(index);
    const TensorQuantPtr quant = node.quant_of_input(index);
    if (!value || !value->is_constant() || !value->constant().defined() || !value->constant().is_floating_point() || !known(quant))
      return nullptr;
    return quant->simulated() || quant->state == QuantState::Baked || quant->state == QuantState::PassiveBaked ? quant : nullptr;
  }

  /// An operand of an elementwise operator.
  TensorQuantPtr operand(const Node& node, size_t index) const {
    const Value* value = node.input(index);
    const TensorQuantPtr quant = value && value->is_constant() ? stored(node, index) : reads(node, index);
    return quant && quant->scheme.granularity == Granularity::PerTensor ? quant : nullptr;
  }

  /// Between a node and what is computed in one go with it nothing is rounded, unless what follows only bounds it: then before is the same.
  bool is_float_interior(const Value& value) const {
    if (!is_fused_interior(value, pinned_)) return false;
    const Node& reader = *value.uses()[0].node;
    return !reader.is("Relu") && !reader.is("Clip");
  }

  /// What output 0 is rounded by, where the node may give integers.
  TensorQuantPtr gives(const Node& node) const {
    const TensorQuantPtr quant = node.quant_of_output();
    const Value* value = node.output();
    return value && simulated(quant) && !is_float_interior(*value) ? quant : nullptr;
  }

  /// Readers of output `index` take `integers` from here on.
  void give(Node& node, size_t index, Value* integers, const TensorQuantPtr& quant) {
    Value* value = node.output(index);
    std::vector<Value*> outputs = node.outputs();
    outputs[index] = nullptr;
    graph_.set_outputs(&node, outputs);
    integers_[value] = {integers, quant};
    ++count_;
  }

  // Forms

  using Operands = std::vector<Value*>;

  void operand_of(Operands& inputs, Value* integers, const TensorQuantPtr& quant, const std::string& name) {
    const Numbers& n = numbers(quant, name);
    inputs.insert(inputs.end(), {integers, n.scale, n.zero_point});
  }

  /// A new node in the place of one with a single output.
  void replace(Node& node, const char* type, const char* domain, Operands inputs, const TensorQuantPtr& quant,
               const std::set<std::string>& attributes) {
    Value* value = node.output();
    Value* result = integers_like(*value, quant->scheme);
    Node* made = graph_.add_node(type, graph_.unique_name(node.name + "_quantized"), std::move(inputs), {result}, next_);
    made->domain = domain;
    if (*domain && graph_.opset(domain) == 0) graph_.opsets.emplace_back(domain, 1);
    for (const auto& [name, attribute] : node.attributes)
      if (attributes.count(name)) made->attributes.set(name, attribute);
    made_ = made;
    give(node, 0, within_range(result, *value, quant->scheme), quant);
    replaced_.push_back(&node);
  }

  /// A layer's bias as it is computed, one number a channel; undefined where it is none of that kind.
  static at::Tensor bias_of(const Node& node, size_t index, int64_t channels) {
    const at::Tensor given = node.input(index)->constant();
    if (!given.defined() || (given.numel() != channels && given.numel() != 1)) return {};
    at::Tensor floats = given.to(at::kFloat);
    if (const TensorQuantPtr own = node.quant_of_input(index); simulated(own)) floats = fake_quantize(floats, *own);
    return floats.reshape({-1}).expand({channels}).to(at::kDouble);
  }

  /// int32 at input scale × weight scale. Where a channel's weights are so small that its bias does not fit, `w` becomes one with a larger
  /// scale there: what the weights lose by it is far below a step of the output. Nothing where the weight has one scale, and that is too
  /// small.
  static std::optional<at::Tensor> stored_bias(const at::Tensor& bias, const TensorQuantPtr& x, TensorQuantPtr& w) {
    constexpr double kMost = 2147483647;
    const at::Tensor step = x->params.scale.to(at::kDouble) * w->params.scale.to(at::kDouble);
    at::Tensor numbers = at::round(bias / step);
    if (numbers.abs().max().item<double>() > kMost) {
      if (w->scheme.granularity != Granularity::PerChannel) return std::nullopt;
      auto wider = std::make_shared<TensorQuant>(*w);
      const at::Tensor least = (bias.abs() / (kMost / 2) / x->params.scale.to(at::kDouble)).to(at::kFloat);
      wider->params.scale = at::maximum(w->params.scale, least);
      w = wider;
      numbers = at::round(bias / (x->params.scale.to(at::kDouble) * w->params.scale.to(at::kDouble)));
    }
    if (!at::isfinite(numbers).all().item<bool>() || numbers.abs().max().item<double>() > kMost) return std::nullopt;
    return numbers.to(at::kInt);
  }

  static bool fits(const TensorQuantPtr& x, const TensorQuantPtr& w, const TensorQuantPtr& y) {
    return x && w && y && type_of(x->scheme) == type_of(y->scheme) && (type_of(x->scheme) == at::kByte || type_of(w->scheme) == at::kChar);
  }

  bool conv(Node& node) {
    const TensorQuantPtr x = reads(node, 0), y = gives(node);
    TensorQuantPtr w = stored(node, 1);
    if (!fits(x, w, y) || (w->scheme.granularity == Granularity::PerChannel && w->scheme.axis != 0)) return false;
    Operands inputs;
    std::optional<at::Tensor> b;
    if (node.input(2)) {
      const at::Tensor floats = bias_of(node, 2, node.input(1)->constant().size(0));
      if (floats.defined()) b = stored_bias(floats, x, w);
      if (!b) return false;
    }
    operand_of(inputs, integers(node.input(0), x), x, node.input(0)->name());
    operand_of(inputs, integers(node.input(1), w), w, node.input(1)->name());
    const Numbers& n = numbers(y, node.output()->name());
    inputs.insert(inputs.end(), {n.scale, n.zero_point});
    if (b) inputs.push_back(constant(node.input(2)->name() + "_quantized", *b));
    replace(node, "QLinearConv", "", inputs, y, {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"});
    return true;
  }

  bool matmul(Node& node) {
    const bool left = node.input(0) && node.input(0)->is_constant(), right = node.input(1) && node.input(1)->is_constant();
    const TensorQuantPtr a = left ? stored(node, 0) : reads(node, 0), b = right ? stored(node, 1) : reads(node, 1), y = gives(node);
    if (!fits(a, b, y) || a->scheme.granularity != Granularity::PerTensor) return false;
    if (b->scheme.granularity == Granularity::PerChannel && (!right || node.input(1)->constant().dim() != 2 || b->scheme.axis != 1))
      return false;
    Operands inputs;
    operand_of(inputs, integers(node.input(0), a), a, node.input(0)->name());
    operand_of(inputs, integers(node.input(1), b), b, node.input(1)->name());
    const Numbers& n = numbers(y, node.output()->name());
    inputs.insert(inputs.end(), {n.scale, n.zero_point});
    replace(node, "QLinearMatMul", "", inputs, y, {});
    return true;
  }

  bool gemm(Node& node) {
    const TensorQuantPtr a = reads(node, 0), y = gives(node);
    TensorQuantPtr b = stored(node, 1);
    const bool transposed = node.attributes.get_int("transB", 0) != 0;
    if (!fits(a, b, y) || node.input(1)->constant().dim() != 2) return false;
    if (b->scheme.granularity == Granularity::PerChannel && b->scheme.axis != (transposed ? 0 : 1)) return false;
    Operands inputs;
    Value* c = nullptr;
    const double alpha = double{node.attributes.get_float("alpha", 1)}, beta = double{node.attributes.get_float("beta", 1)};
    if (node.input(2) && beta != 0) {
      const at::Tensor given = node.input(2)->constant();
      const int64_t columns = node.input(1)->constant().size(transposed ? 0 : 1);
      if (!given.defined() || given.dim() > 2 || (given.dim() == 2 && given.size(0) != 1) || alpha == 0) return false;
      const at::Tensor floats = bias_of(node, 2, columns);
      if (!floats.defined()) return false;
      const auto numbers = stored_bias(floats * (beta / alpha), a, b);
      if (!numbers) return false;
      c = constant(node.input(2)->name() + "_quantized", *numbers);
    }
    operand_of(inputs, integers(node.input(0), a), a, node.input(0)->name());
    operand_of(inputs, integers(node.input(1), b), b, node.input(1)->name());
    const Numbers& n = numbers(y, node.output()->name());
    inputs.insert(inputs.end(), {c, n.scale, n.zero_point});
    replace(node, "QGemm", kMicrosoft, inputs, y, {"alpha", "transA", "transB"});
    return true;
  }

  /// Add and Mul, whose operands and result have one type.
  bool elementwise(Node& node, const char* type) {
    if (node.inputs().size() != 2) return false;
    const TensorQuantPtr a = operand(node, 0), b = operand(node, 1), y = gives(node);
    if (!a || !b || !y || type_of(a->scheme) != type_of(y->scheme) || type_of(b->scheme) != type_of(y->scheme)) return false;
    Operands inputs;
    operand_of(inputs, integers(node.input(0), a), a, node.input(0)->name());
    operand_of(inputs, integers(node.input(1), b), b, node.input(1)->name());
    const Numbers& n = numbers(y, node.output()->name());
    inputs.insert(inputs.end(), {n.scale, n.zero_point});
    replace(node, type, kMicrosoft, inputs, y, {});
    return true;
  }

  bool unary(Node& node, const char* type, const std::set<std::string>& attributes) {
    const TensorQuantPtr x = reads(node, 0), y = gives(node);
    if (!x || !y || type_of(x->scheme) != type_of(y->scheme)) return false;
    Operands inputs;
    operand_of(inputs, integers(node.input(0), x), x, node.input(0)->name());
    const Numbers& n = numbers(y, node.output()->name());
    inputs.insert(inputs.end(), {n.scale, n.zero_point});
    replace(node, type, kMicrosoft, inputs, y, attributes);
    return true;
  }

  bool average_pool(Node& node) {
    for (const int64_t step : node.attributes.get_ints("dilations"))
      if (step != 1) return false;
    return unary(node, "QLinearAveragePool", {"auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"});
  }

  bool softmax(Node& node) {
    const bool flat = graph_.opset() < 13;
    const int64_t axis = node.attributes.get_int("axis", flat ? 1 : -1);
    // onnxruntime's kernel does not saturate: 1 must lie in the range.
    const TensorQuantPtr y = gives(node);
    if (!y || std::nearbyint(1 / y->params.scale.item<double>()) + y->params.offset.item<double>() > (y->scheme.quant_min < 0 ? 127 : 255))
      return false;
    if (!unary(node, "QLinearSoftmax", {})) return false;
    made_->attributes.set("axis", axis);
    made_->attributes.set("opset", graph_.opset());
    return true;
  }

  bool concat(Node& node) {
    const TensorQuantPtr y = gives(node);
    if (!y) return false;
    std::vector<TensorQuantPtr> parts;
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      parts.push_back(operand(node, i));
      if (!parts.back() || type_of(parts.back()->scheme) != type_of(y->scheme)) return false;
    }
    const Numbers& n = numbers(y, node.output()->name());
    Operands inputs = {n.scale, n.zero_point};
    for (size_t i = 0; i < parts.size(); ++i) operand_of(inputs, integers(node.input(i), parts[i]), parts[i], node.input(i)->name());
    replace(node, "QLinearConcat", kMicrosoft, inputs, y, {"axis"});
    return true;
  }

  /// A bound as an integer of the scheme; the end of the range where there is none, nothing where it is computed.
  std::optional<double> limit(const Node& node, size_t index, const TensorQuantPtr& quant, double otherwise) const {
    const Value* value = node.input(index);
    if (!value) return otherwise;
    if (!value->constant().defined() || value->constant().numel() != 1 || !value->constant().is_floating_point()) return std::nullopt;
    at::Tensor number = value->constant().to(at::kFloat);
    if (const TensorQuantPtr own = node.quant_of_input(index); simulated(own)) number = fake_quantize(number, *own);
    return quantize_to_int(number.reshape({}), quant->scheme, quant->params).item<double>();
  }

  /// Relu and Clip on integers: nothing where the range ends at the bounds already.
  bool bound(Node& node) {
    const TensorQuantPtr x = reads(node, 0), y = gives(node);
    if (!x || !y || !same(x, y) || graph_.opset() < kOpsetOfBounds) return false;
    const QuantScheme& scheme = y->scheme;
    const auto low = node.is("Relu") ? std::optional(y->params.offset.item<double>()) : limit(node, 1, y, scheme.quant_min);
    const auto high = node.is("Relu") ? std::optional(scheme.quant_max) : limit(node, 2, y, scheme.quant_max);
    if (!low || !high) return false;
    Value* result = integers(node.input(0), x);
    if (*low > scheme.quant_min || *high < scheme.quant_max)
      result = bounded(result, *node.output(), scheme, *low, *high);
    else if (only_reader(node.input(0), pinned_) == &node && result->producer())
      graph_.rename(result, graph_.unique_name(node.output()->name() + "_quantized"));  // what it stands for
    give(node, 0, result, y);
    replaced_.push_back(&node);
    return true;
  }

  /// The same operator on integers.
  bool movement(Node& node) {
    static const std::set<std::string> types = {"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split",
                                                "Gather",  "Identity",  "MaxPool", "Expand",  "Tile",      "Pad"};
    const TensorQuantPtr x = reads(node, 0);
    if (!x || !types.count(node.op_type) || !is_passive(node)) return false;
    if (node.is("MaxPool") && (graph_.opset() < kOpsetOfBounds || node.output(1))) return false;
    if (node.is("Pad") && graph_.opset() < kOpset) return false;
    for (size_t i = 0; i < node.outputs().size(); ++i)
      if (node.output(i) && !same(node.quant_of_output(i), x)) return false;
    if (node.is("Pad") && !pad(node, *x)) return false;
    graph_.set_input(&node, 0, integers(node.input(0), x));
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      Value* value = node.output(i);
      if (!value) continue;
      Value* result = integers_like(*value, x->scheme);
      give(node, i, result, x);
      std::vector<Value*> outputs = node.outputs();
      outputs[i] = result;
      graph_.set_outputs(&node, outputs);
    }
    return true;
  }

  /// Its value, as an integer.
  bool pad(Node& node, const TensorQuant& quant) {
    if (node.attributes.get_string("mode", "constant") != "constant") return true;
    const auto shared = std::make_shared<TensorQuant>(quant);
    const auto number = limit(node, 2, shared, quant.params.offset.item<double>());
    if (!number) return false;
    std::vector<Value*> inputs = node.inputs();
    inputs.resize(std::max<size_t>(inputs.size(), 3));
    inputs[2] = constant(node.name + "_value", at::scalar_tensor(*number, at::kDouble).to(type_of(quant.scheme)));
    graph_.set_inputs(&node, inputs);
    return true;
  }

  bool integer_form(Node& node) {
    if (!node.domain.empty() && node.domain != "ai.onnx") return false;
    if (!node.output() || !may_be_float(*node.output())) return false;
    if (node.is("Conv")) return conv(node);
    if (node.is("MatMul")) return matmul(node);
    if (node.is("Gemm")) return gemm(node);
    if (node.is("Add")) return elementwise(node, "QLinearAdd");
    if (node.is("Mul")) return elementwise(node, "QLinearMul");
    if (node.is("Sigmoid")) return unary(node, "QLinearSigmoid", {});
    if (node.is("LeakyRelu")) return unary(node, "QLinearLeakyRelu", {"alpha"});
    if (node.is("GlobalAveragePool")) return unary(node, "QLinearGlobalAveragePool", {});
    if (node.is("AveragePool")) return average_pool(node);
    if (node.is("Softmax")) return softmax(node);
    if (node.is("Concat")) return concat(node);
    if (node.is("Relu") || node.is("Clip")) return bound(node);
    return movement(node);
  }

  /// The node as it is, on floats that are rounded where the simulation does.
  void in_float(Node& node) {
    bool any = false;
    const std::vector<Value*> before = node.inputs();
    for (size_t i = 0; i < before.size(); ++i) {
      if (!before[i]) continue;
      if (before[i]->is_constant()) {
        const TensorQuantPtr quant = stored(node, i);
        if (quant && quant->simulated()) graph_.set_input(&node, i, rounded(before[i], quant));
        continue;
      }
      const TensorQuantPtr quant = reads(node, i);
      const auto found = integers_.find(before[i]);
      any |= quant != nullptr;
      if (quant && (found == integers_.end() || !same(quant, found->second.quant)))
        graph_.set_input(&node, i, rounded(before[i], quant));
      else
        graph_.set_input(&node, i, real(before[i]));
    }
    for (Value* value : graph_.implicit_and_explicit_inputs(node)) real(value);
    Node* const here = next_;
    const auto nodes = graph_.nodes();
    const auto place = std::find(nodes.begin(), nodes.end(), &node);
    next_ = place + 1 == nodes.end() ? nullptr : *(place + 1);
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      Value* value = node.output(i);
      const TensorQuantPtr quant = node.quant_of_output(i);
      if (!value || !simulated(quant)) continue;
      any = true;
      if (is_fused_interior(*value, pinned_)) {
        float_interior_.insert(value);
        continue;
      }
      Value* raw = like(value->name() + "_raw", *value, value->dtype);
      std::vector<Value*> outputs = node.outputs();
      outputs[i] = raw;
      graph_.set_outputs(&node, outputs);
      integers_[value] = {quantize(raw, *value, quant), quant};
      ++count_;
    }
    next_ = here;
    if (any) float_.push_back(node.name);
  }

  /// Floats that were integers by `quant` on the way.
  Value* rounded(Value* value, const TensorQuantPtr& quant) {
    for (const auto& [other, made] : rounded_[value])
      if (same(other, quant)) return made;
    Value* made = nullptr;
    if (value->is_constant()) {
      made =
          constant(value->name() + "_rounded", fake_quantize(value->constant().to(at::kFloat), *quant).to(value->constant().scalar_type()));
    } else {
      made = like(value->name() + "_rounded", *value, value->dtype);
      integers_[made] = {integers(value, quant), quant};
      real(made);
    }
    rounded_[value].emplace_back(quant, made);
    return made;
  }

  Graph& graph_;
  const Pinned pinned_;
  Node* next_ = nullptr;  ///< what is added goes before it
  Node* made_ = nullptr;
  std::map<const Value*, Integers> integers_;  ///< values that are integers; floats of them are made where they are read
  std::map<const Value*, std::vector<std::pair<TensorQuantPtr, Value*>>> requantized_, rounded_;
  std::map<const TensorQuant*, Numbers> numbers_;
  std::set<const Value*> float_interior_;
  std::vector<Node*> replaced_;
  std::vector<std::string> float_;
  size_t count_ = 0;
};

/// Refused before anything is made.
void require_integers(const Graph& graph) {
  for (const Node* node : graph.nodes()) {
    for (size_t i = 0; i < node->input_quant.size(); ++i)
      if (const Value* value = node->input(i); value && known(node->input_quant[i]) && !is_bias(*node, i) && !is_limit(*node, i))
        require_integers("tensor " + value->name(), node->input_quant[i]->scheme, value->is_constant());
    for (size_t i = 0; i < node->output_quant.size(); ++i)
      if (node->output(i) && known(node->output_quant[i]))
        require_integers("tensor " + node->output(i)->name(), node->output_quant[i]->scheme, false);
  }
}

/// A copy in an opset with 8-bit integers; in its own one where an operator means another thing there.
std::unique_ptr<Graph> raised(const Graph& graph) {
  auto copy = graph.clone();
  try {
    raise_opset(*copy, kOpset);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Unsupported || graph.opset() < 10) throw;  // QuantizeLinear came with 10
    copy = graph.clone();
  }
  return copy;
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string&, const ExportOptions&) {
  ExportSummary summary;
  require_integers(graph);
  note_missing(graph, summary);
  const auto copy = raised(graph);
  summary.written = Writer(*copy).run();
  write_files(*copy, graph_path, {}, summary);
  return summary;
}

std::string guide(const Graph& graph, const PlatformSpec& platform, const ExportOptions&) {
  std::string text = "# quantized_qoperator.onnx: " + platform.name + R"( in onnxruntime's integer operators

QLinearConv, QLinearMatMul, QGemm and their kin compute on integers from one to the next, with biases in int32:
```python
import onnxruntime
session = onnxruntime.InferenceSession("quantized_qoperator.onnx")
```
- Most of them are operators of onnxruntime (`com.microsoft`), which other runtimes do not have: those take `--export onnx-qdq`.
- On processors without VNNI onnxruntime adds pairs of products of 8-bit integers in 16 bits, which may saturate. With weights of 7 bits they
  cannot: a platform's file says `"like": ")" +
                     platform.name + R"("`, and for the role `weight` `"bits": 7, "symmetric": true, "granularity": "per-channel"`.
)";
  const auto copy = raised(graph);
  Writer writer(*copy);
  writer.run();
  std::string names;
  for (const std::string& name : writer.in_float()) names += (names.empty() ? "`" : ", `") + name + "`";
  if (!names.empty())
    text += "- Without an integer form, and so computed in float between DequantizeLinear and QuantizeLinear: " + names + ".\n";
  return text;
}

/// A target's usual data.
void require(const PlatformSpec& platform) {
  for (const SlotRule& rule : platform.slots) {
    if (rule.treatment != SlotRule::Treatment::Quantized || !rule.types.empty() || rule.when) continue;
    const bool parameter = rule.role == SlotRole::Weight || rule.role == SlotRole::Constant;
    if (parameter || rule.role == SlotRole::Data || rule.role == SlotRole::Output)
      require_integers("platform " + platform.name, rule.scheme, parameter);
  }
}

}  // namespace

ExporterRow onnx_qoperator() {
  return {"onnx-qoperator",
          "ONNX with onnxruntime's integer operators (QLinearConv, QGemm, …)",
          {{ExportFile::Kind::Graph, "quantized_qoperator.onnx", "the network in integer operators"}},
          /*options=*/nullptr,
          write,
          guide,
          require,
          /*every_slot=*/true};
}

}  // namespace ppq::exporters
