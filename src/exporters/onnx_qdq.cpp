// The quantized network as ONNX's QuantizeLinear and DequantizeLinear: what any runtime needs to compute it in integers, and what
// onnxruntime, TensorRT and OpenVINO take. Each pair stands where the simulation rounds: behind a node whose output is quantized,
// in front of a single reader whose input is, around no movement of data that is quantized before it.
#include <ATen/ATen.h>

#include <map>
#include <set>
#include <tuple>

#include "executor/fused.h"
#include "exporters/exported_tensors.h"
#include "exporters/exporters.h"
#include "graph/readers.h"
#include "onnx/raise_opset.h"
#include "ops/linear_quantization.h"
#include "ops/op_facts.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq::exporters {
namespace {

constexpr int64_t kOpsetOfMinifloats = 19;  // of QuantizeLinear

struct QdqOptions {
  std::string weights = "integers", bias = "int32", pairs = "needed";
  void visit(OptionVisitor& v) {
    v.field("qdq-weights", weights, {"integers", "float"},
            "weights stored as integers with a DequantizeLinear, or as floats with both nodes (TensorRT)");
    v.field("qdq-bias", bias, {"int32", "float"}, "biases stored as int32 with a DequantizeLinear, or as (rounded) floats");
    v.field("qdq-pairs", pairs, {"needed", "all"},
            "pairs where the simulation rounds, or also where they change no number: behind moved data and in front of Relu and Clip "
            "(Qualcomm's HTP hands operators over by the pairs around them)");
  }
};

/// The type that holds a scheme's numbers: integers, or 8-bit minifloats.
at::ScalarType stored_type(const QuantScheme& scheme, const std::string& where) {
  if (scheme.dynamic || scheme.granularity == Granularity::PerBlock)
    throw Error(ErrorKind::Unsupported, where, "QuantizeLinear is written with a scale a tensor or a channel only");
  if (scheme.format == NumberFormat::Floating) {
    const bool e4m3 = scheme.exponent_bits == 4 && scheme.quant_max == 448, e5m2 = scheme.exponent_bits == 5 && scheme.quant_max == 57344;
    if (scheme.bits != 8 || (!e4m3 && !e5m2) || scheme.rounding != Rounding::HalfEven)
      throw Error(ErrorKind::Unsupported, where,
                  "of minifloats QuantizeLinear has E4M3 (up to 448) and E5M2 (up to 57344), halves to even");
    return e4m3 ? at::kFloat8_e4m3fn : at::kFloat8_e5m2;
  }
  if (scheme.rounding != Rounding::HalfEven)
    throw Error(ErrorKind::Unsupported, where, "QuantizeLinear rounds halves to even, which this target does not");
  if (scheme.bits > 32)
    throw Error(ErrorKind::Unsupported, where, "DequantizeLinear takes no integers of " + std::to_string(scheme.bits) + " bits",
                "biases may stay float: --export-option qdq-bias=float");
  const bool is_signed = scheme.quant_min < 0;
  if (scheme.quant_min >= -128 && scheme.quant_max <= (is_signed ? 127 : 255)) return is_signed ? at::kChar : at::kByte;
  if (scheme.quant_min >= -32768 && scheme.quant_max <= (is_signed ? 32767 : 65535)) return is_signed ? at::kShort : at::kUInt16;
  return at::kInt;
}

/// A stored parameter in its type. What is rounded already is on the grid.
at::Tensor stored_numbers(const at::Tensor& tensor, const TensorQuant& quant, at::ScalarType type) {
  if (at::isFloat8Type(type)) {
    const at::Tensor rounded = fake_quantize(tensor.to(at::kFloat), quant);
    std::vector<int64_t> shape(static_cast<size_t>(tensor.dim()), 1);
    if (quant.scheme.granularity == Granularity::PerChannel) shape[static_cast<size_t>(quant.scheme.axis)] = -1;
    return (rounded / quant.params.scale.to(at::kFloat).reshape(shape)).to(type);
  }
  const at::Tensor integers = quantize_to_int(tensor.to(at::kFloat), quant.scheme, quant.params);
  return integers.scalar_type() == type ? integers : integers.to(type);
}

at::Tensor zero_point_of(const TensorQuant& quant, at::ScalarType type) {
  const at::Tensor offset = at::round(quant.params.offset.to(at::kDouble));
  return at::isFloat8Type(type) ? offset.to(at::kFloat).to(type) : offset.to(at::kInt).to(type);
}

bool known(const TensorQuantPtr& quant) { return quant && quant->params.defined(); }

class Writer {
 public:
  Writer(Graph& graph, const QdqOptions& options) : graph_(graph), options_(options), nodes_(graph.nodes()), pinned_(graph) {}

  /// How many tensors got a pair, or are stored as integers.
  size_t run() {
    const bool all = options_.pairs == "all";
    std::vector<std::vector<TensorQuantPtr>> inputs, outputs;
    for (const Node* node : nodes_) inputs.push_back(node->input_quant), outputs.push_back(node->output_quant);
    for (size_t n = 0; n < nodes_.size(); ++n) {
      Node& node = *nodes_[n];
      const std::vector<Value*> before = node.inputs();
      for (size_t i = 0; i < before.size() && i < inputs[n].size(); ++i) {
        const TensorQuantPtr& quant = inputs[n][i];
        if (!before[i] || !known(quant)) continue;
        if (before[i]->is_constant()) {
          parameter(node, i, *before[i], *quant);
        } else if (quant->simulated() && written_[before[i]] != quant.get()) {
          graph_.set_input(&node, i, pair(before[i], quant, &node));
        }
      }
      Node* next = n + 1 < nodes_.size() ? nodes_[n + 1] : nullptr;
      for (size_t i = 0; i < node.outputs().size() && i < outputs[n].size(); ++i) {
        const TensorQuantPtr& quant = outputs[n][i];
        Value* value = node.outputs()[i];
        if (!value || !known(quant) || !quant->simulated()) continue;
        written_[value] = quant.get();
        const bool rounded = !all && is_passive(node) && node.quant_of_input(0) == quant;
        // An activation that is computed in one go with the node rounds behind both; a pair between them would part them.
        if (!rounded && (!is_fused_interior(*value, pinned_) || (all && bound_follows(*value)))) output(node, i, *quant, next);
      }
    }
    for (Value* value : replaced_)
      if (value->uses().empty() && !pinned_(value) && !value->is_graph_input()) graph_.remove_value(value);
    graph_.verify();
    return count_;
  }

 private:
  struct Numbers {
    at::ScalarType type = at::kByte;
    Value *scale = nullptr, *zero_point = nullptr;
    bool per_channel = false;
  };
  /// Scale and zero point of a quantization, once in the file.
  const Numbers& numbers(const TensorQuant& quant, const std::string& name) {
    Numbers& found = numbers_[&quant];
    if (found.scale) return found;
    found.type = stored_type(quant.scheme, "tensor " + name);
    found.per_channel = quant.scheme.granularity == Granularity::PerChannel;
    const auto sizes = found.per_channel ? std::vector<int64_t>{quant.params.scale.numel()} : std::vector<int64_t>{};
    found.scale = graph_.add_constant(graph_.unique_name(name + "_scale"), quant.params.scale.to(at::kFloat).reshape(sizes).contiguous());
    found.zero_point = graph_.add_constant(graph_.unique_name(name + "_zero_point"), zero_point_of(quant, found.type).reshape(sizes));
    return found;
  }

  Node* add(const char* type, const Value& of, const Numbers& numbers, const TensorQuant& quant, Value* from, Value* to, Node* before) {
    Node* node = graph_.add_node(type, graph_.unique_name(of.name() + "_" + type), {from, numbers.scale, numbers.zero_point}, {to}, before);
    if (numbers.per_channel) node->attributes.set("axis", int64_t{quant.scheme.axis});
    // What the model's own opset does not have yet, onnxruntime's domain has for any opset.
    const bool wide = numbers.type == at::kShort || numbers.type == at::kUInt16;
    const int64_t opset = graph_.opset();
    if (at::isFloat8Type(numbers.type)) return node;
    if (opset < (wide ? 21 : numbers.per_channel ? 13 : 10)) {
      node->domain = "com.microsoft";
      if (graph_.opset("com.microsoft") == 0) graph_.opsets.emplace_back("com.microsoft", 1);
    }
    return node;
  }

  Value* like(const std::string& name, const Value& value, DataType dtype) {
    Value* added = graph_.add_value(graph_.unique_name(name));
    added->dtype = dtype, added->shape = value.shape;
    return added;
  }

  Value* cast(Value* from, Value* to, DataType dtype, Node* before) {
    Node* node = graph_.add_node("Cast", graph_.unique_name(to->name() + "_Cast"), {from}, {to}, before);
    node->attributes.set("to", static_cast<int64_t>(dtype));
    return to;
  }

  /// `from`, cut to the range, in integers and back again into `to`. Scales are float32, as in the simulation, whatever the type.
  void pair_between(const Value& of, const TensorQuant& quant, Value* from, Value* to, Node* before) {
    const Numbers& n = numbers(quant, of.name());
    const DataType type = of.dtype == DataType::Undefined ? DataType::Float : of.dtype;
    Value* real = from;
    if (type != DataType::Float) real = cast(from, like(of.name() + "_float", of, DataType::Float), DataType::Float, before);
    if (!at::isFloat8Type(n.type)) {
      const auto [low, high] = ops::integer_range(n.type);
      if (quant.scheme.quant_min > low || quant.scheme.quant_max < high) real = clip(of, quant, real, before);
    }
    Value* integers = like(of.name() + "_quantized", of, to_data_type(n.type));
    add("QuantizeLinear", of, n, quant, real, integers, before);
    Value* back = type == DataType::Float ? to : like(of.name() + "_dequantized", of, DataType::Float);
    add("DequantizeLinear", of, n, quant, integers, back, before);
    if (back != to) cast(back, to, type, before);
    ++count_;
  }

  /// The type saturates beyond the target's range.
  Value* clip(const Value& of, const TensorQuant& quant, Value* real, Node* before) {
    if (quant.scheme.granularity != Granularity::PerTensor)
      throw Error(ErrorKind::Unsupported, "tensor " + of.name(),
                  "a range narrower than its integer type, with a scale a channel, is not written");
    const auto [low, high] = range_of(quant.params, quant.scheme);
    for (const auto& [type, bound, name] : {std::tuple("Max", low, "_low"), {"Min", high, "_high"}}) {
      Value* limit = graph_.add_constant(graph_.unique_name(of.name() + name), bound.to(at::kFloat).reshape({}).contiguous());
      Value* cut = like(of.name() + "_" + type, of, DataType::Float);
      graph_.add_node(type, graph_.unique_name(of.name() + "_" + type + "_of_range"), {real, limit}, {cut}, before);
      real = cut;
    }
    return real;
  }

  /// Rounding commutes with a Relu or Clip that is rounded the same way behind.
  static bool bound_follows(const Value& value) {
    const Node& next = *value.uses()[0].node;
    return next.is("Relu") || next.is("Clip");
  }

  /// For readers that round what their neighbours do not.
  Value* pair(Value* value, const TensorQuantPtr& quant, Node* before) {
    Value*& made = pairs_[{value, quant.get()}];
    if (!made) {
      made = like(value->name() + "_rounded", *value, value->dtype);
      pair_between(*value, *quant, value, made, before);
    }
    return made;
  }

  /// The value keeps its name, which readers, outputs and sub-graphs know it by.
  void output(Node& node, size_t index, const TensorQuant& quant, Node* next) {
    Value* value = node.outputs()[index];
    Value* raw = like(value->name() + "_raw", *value, value->dtype);
    std::vector<Value*> outputs = node.outputs();
    outputs[index] = raw;
    graph_.set_outputs(&node, outputs);
    pair_between(*value, quant, raw, value, next);
  }

  void parameter(Node& node, size_t index, Value& value, const TensorQuant& quant) {
    const at::Tensor& stored = value.constant();
    if (!stored.defined() || !at::isFloatingType(stored.scalar_type())) return;
    const bool baked = quant.state == QuantState::Baked || quant.state == QuantState::PassiveBaked;
    if (!baked && !quant.simulated()) return;
    const bool bias = is_bias(node, index), plain = is_limit(node, index) || (bias && options_.bias == "float");
    Value*& made = parameters_[{&value, &quant, plain}];
    if (!made) made = plain ? rounded(value, quant, baked) : integers(node, value, quant, bias);
    if (made == &value) return;
    graph_.set_input(&node, index, made);
    replaced_.insert(&value);
  }

  Value* rounded(Value& value, const TensorQuant& quant, bool baked) {
    if (baked) return &value;
    const at::Tensor numbers = fake_quantize(value.constant().to(at::kFloat), quant).to(value.constant().scalar_type());
    return graph_.add_constant(graph_.unique_name(value.name() + "_rounded"), numbers.contiguous());
  }

  Value* integers(Node& node, Value& value, const TensorQuant& quant, bool bias) {
    const Numbers& n = numbers(quant, value.name());
    const DataType type = to_data_type(value.constant().scalar_type());
    Value* back = like(value.name() + "_dequantized", value, DataType::Float);
    const bool both = options_.weights == "float" && !bias;
    Value* stored = nullptr;
    if (both) {
      stored = like(value.name() + "_quantized", value, to_data_type(n.type));
      Value* real =
          type == DataType::Float ? &value : cast(&value, like(value.name() + "_float", value, DataType::Float), DataType::Float, &node);
      add("QuantizeLinear", value, n, quant, real, stored, &node);
    } else {
      stored = graph_.add_constant(graph_.unique_name(value.name() + "_quantized"),
                                   stored_numbers(value.constant(), quant, n.type).contiguous());
    }
    add("DequantizeLinear", value, n, quant, stored, back, &node);
    ++count_;
    return type == DataType::Float ? back : cast(back, like(value.name() + "_rounded", value, type), type, &node);
  }

  Graph& graph_;
  const QdqOptions& options_;
  std::vector<Node*> nodes_;
  const Pinned pinned_;
  std::map<const TensorQuant*, Numbers> numbers_;
  std::map<std::pair<const Value*, const TensorQuant*>, Value*> pairs_;
  std::map<std::tuple<const Value*, const TensorQuant*, bool>, Value*> parameters_;
  std::map<const Value*, const TensorQuant*> written_;  ///< quantization that a value has when its producer is done
  std::set<Value*> replaced_;
  size_t count_ = 0;
};

bool has_minifloats(const Graph& graph) {
  for (const Node* node : graph.nodes())
    for (const auto* slots : {&node->input_quant, &node->output_quant})
      for (const TensorQuantPtr& quant : *slots)
        if (known(quant) && quant->scheme.format == NumberFormat::Floating) return true;
  return false;
}

ExportSummary write(const Graph& graph, const PlatformSpec&, const std::string& graph_path, const std::string&,
                    const ExportOptions& given) {
  const auto options = read_options<QdqOptions>(given);
  ExportSummary summary;
  for (const ExportedTensor& tensor : exported_tensors(graph))
    if (tensor.state == ExportedTensor::State::Missing) summary.missing.push_back(tensor.value->name());
  const auto copy = graph.clone();
  if (has_minifloats(graph)) raise_opset(*copy, kOpsetOfMinifloats);
  summary.written = Writer(*copy, options).run();
  if (graph_path.empty()) return summary;
  write_onnx(*copy, graph_path);
  summary.files.push_back(graph_path);
  return summary;
}

std::string guide(const Graph&, const PlatformSpec& platform, const ExportOptions&) {
  return "# quantized_qdq.onnx: " + platform.name + R"( in any runtime

QuantizeLinear and DequantizeLinear say where and how the network is rounded. As it was simulated, in onnxruntime:
```python
import onnxruntime
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
session = onnxruntime.InferenceSession("quantized_qdq.onnx", options)
```
With optimizations on (the default) it computes in integers, quicker, and halves may fall to the other side.

- TensorRT takes zero points of 0 only, and wants weights and biases as floats: choose a symmetric target,
  `--export-option qdq-weights=float --export-option qdq-bias=float`.
- 16 bits below opset 21, and scales of channels below opset 13, are operators of onnxruntime's own domain (`com.microsoft`); other
  runtimes need a model of a later opset. FP8 is written in opset 19, to which an older model is raised.
)";
}

}  // namespace

ExporterRow onnx_qdq() {
  return {"onnx-qdq",
          "ONNX with QuantizeLinear and DequantizeLinear, for onnxruntime, TensorRT and OpenVINO",
          {{ExportFile::Kind::Graph, "quantized_qdq.onnx", "the network with QuantizeLinear and DequantizeLinear"}},
          visit_options<QdqOptions>,
          write,
          guide,
          /*require=*/nullptr,
          /*every_slot=*/true};
}

}  // namespace ppq::exporters
