#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "ppq/quant.h"

namespace ppq {

class Graph;
class Node;

/// Element types, numbered as in ONNX's TensorProto.DataType.
enum class DataType : int32_t {
  Undefined = 0,
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  UInt32 = 12,
  UInt64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  Float8E4M3FN = 17,
  Float8E4M3FNUZ = 18,
  Float8E5M2 = 19,
  Float8E5M2FNUZ = 20,
  UInt4 = 21,
  Int4 = 22,
  Float4E2M1 = 23,
  Float8E8M0 = 24,
  UInt2 = 25,
  Int2 = 26
};

/// "float32", "int64", …
const char* name_of(DataType dtype);
/// The LibTorch type; throws Unsupported for types LibTorch has no tensor of (string, 4-bit).
at::ScalarType to_scalar_type(DataType dtype);
bool has_scalar_type(DataType dtype);
DataType to_data_type(at::ScalarType type);

/// One dimension of a declared shape: a number, a symbol ("batch"), or unknown (value -1, no symbol).
struct Dim {
  int64_t value = -1;
  std::string symbol;
  bool known() const { return value >= 0; }
  bool operator==(const Dim&) const = default;
};
using Shape = std::vector<Dim>;

/// "[N, 3, 224, 224]"
std::string to_string(const Shape& shape);
std::string to_string(at::IntArrayRef sizes);

/// A piece of the source file that is carried through unread (string tensors, sparse tensors, type attributes):
/// the serialized protobuf message and its type name.
struct Opaque {
  std::string type;
  std::string bytes;
};

using AttrValue = std::variant<int64_t, float, std::string, at::Tensor, std::shared_ptr<Graph>, std::vector<int64_t>, std::vector<float>,
                               std::vector<std::string>, std::vector<at::Tensor>, std::vector<std::shared_ptr<Graph>>, Opaque>;

/// A node's attributes in file order. Typed getters throw Model when the attribute has another type.
class Attributes {
 public:
  const AttrValue* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  void set(std::string name, AttrValue value);
  void erase(std::string_view name);
  void clear() { items_.clear(); }

  int64_t get_int(std::string_view name, int64_t fallback) const;
  float get_float(std::string_view name, float fallback) const;
  std::string get_string(std::string_view name, std::string fallback) const;
  std::vector<int64_t> get_ints(std::string_view name, std::vector<int64_t> fallback = {}) const;
  std::vector<float> get_floats(std::string_view name, std::vector<float> fallback = {}) const;
  /// Undefined tensor when absent.
  at::Tensor get_tensor(std::string_view name) const;
  /// Null when absent.
  std::shared_ptr<Graph> get_graph(std::string_view name) const;

  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  size_t size() const { return items_.size(); }

 private:
  std::vector<std::pair<std::string, AttrValue>> items_;
};

/// One reader of a value: input `index` of `node`. A node that reads a value twice has two uses.
struct Use {
  Node* node;
  size_t index;
};

/// An SSA value: graph input, constant (weight), or the output of one node. Owned by its Graph.
class Value {
 public:
  const std::string& name() const { return name_; }
  DataType dtype = DataType::Undefined;
  /// Declared or inferred shape; nullopt when even the rank is unknown.
  std::optional<Shape> shape;

  /// The data of a weight; undefined for values computed at run time. Always on the CPU, contiguous.
  const at::Tensor& constant() const { return constant_; }
  bool is_constant() const { return constant_.defined() || opaque_constant.has_value(); }
  /// Replaces the data of a constant; dtype and shape follow it.
  void set_constant(at::Tensor tensor);
  /// Constants LibTorch cannot hold (strings, 4-bit), as they came.
  std::optional<Opaque> opaque_constant;

  Node* producer() const { return producer_; }
  size_t producer_index() const { return producer_index_; }
  const std::vector<Use>& uses() const { return uses_; }
  bool is_graph_input() const { return is_input_; }
  bool is_graph_output() const { return is_output_; }
  /// In a sub-graph (If, Loop): a value of the enclosing graph, found there by name.
  bool is_outer() const { return is_outer_; }
  std::string doc;
  /// ValueInfoProto of inputs and outputs whose type is not a tensor (sequence, optional), as it came.
  std::optional<Opaque> opaque_type;

 private:
  friend class Graph;
  std::string name_;
  at::Tensor constant_;
  Node* producer_ = nullptr;
  size_t producer_index_ = 0;
  std::vector<Use> uses_;
  bool is_input_ = false, is_output_ = false, is_outer_ = false;
};

/// Where a node runs in the quantized network.
enum class Dispatch {
  ByPlatform,    ///< the platform decides by its list of op types
  Quantized,     ///< quantized even when the type is not in the list
  Float,         ///< computed in float, no quantization
  ShapeOrIndex,  ///< shape or index arithmetic: integer, on the host, never quantized
};

/// One operation. Owned by its Graph; links are changed through the Graph only.
class Node {
 public:
  explicit Node(std::string node_name) : name(std::move(node_name)) {}
  /// For good, since the graph finds nodes by it.
  const std::string name;
  std::string op_type;
  std::string domain;  ///< "" is ai.onnx
  std::string overload;
  std::string doc;
  Attributes attributes;
  std::vector<std::pair<std::string, std::string>> metadata;

  /// Null entries are absent optional inputs and outputs.
  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const { return outputs_; }
  Value* input(size_t i) const { return i < inputs_.size() ? inputs_[i] : nullptr; }
  Value* output(size_t i = 0) const { return i < outputs_.size() ? outputs_[i] : nullptr; }
  /// The constant at input i, or an undefined tensor.
  at::Tensor constant_input(size_t i) const;
  bool is(std::string_view type) const { return op_type == type && (domain.empty() || domain == "ai.onnx"); }

  Dispatch dispatch = Dispatch::ByPlatform;
  /// True once the platform has decided that this node is computed in integers.
  bool quantized = false;
  /// Quantization of each input and output; null where the slot is float. Slots that must agree share one TensorQuant.
  std::vector<TensorQuantPtr> input_quant, output_quant;
  TensorQuantPtr quant_of_input(size_t i) const { return i < input_quant.size() ? input_quant[i] : nullptr; }
  TensorQuantPtr quant_of_output(size_t i = 0) const { return i < output_quant.size() ? output_quant[i] : nullptr; }

 private:
  friend class Graph;
  std::vector<Value*> inputs_, outputs_;
};

/// A model: nodes in execution order, values, inputs, outputs and what else its file says.
class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  std::string name, doc;
  // Of the model file; unused in sub-graphs.
  int64_t ir_version = 8;
  std::vector<std::pair<std::string, int64_t>> opsets;  ///< domain ("" is ai.onnx) -> version
  std::string producer_name, producer_version, model_domain, model_doc;
  int64_t model_version = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
  /// Parts of the GraphProto and ModelProto that are carried through unread (quantization_annotation, …).
  std::vector<Opaque> extras;

  /// Version of `domain`'s operators; 0 when the model does not import it.
  int64_t opset(std::string_view domain = "") const;

  /// Nodes in execution order.
  std::vector<Node*> nodes() const;
  size_t node_count() const { return nodes_.size(); }
  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const { return outputs_; }
  /// Constants in file order.
  const std::vector<Value*>& constants() const { return constants_; }
  std::vector<Value*> values() const;
  Value* find_value(std::string_view name) const;
  Node* find_node(std::string_view name) const;
  /// `base`, or base_1, base_2, … whichever no value and no node has.
  std::string unique_name(const std::string& base) const;

  Value* add_value(const std::string& name);
  Value* add_constant(const std::string& name, at::Tensor tensor);
  Value* add_outer_value(const std::string& name);
  void add_input(Value* value);
  void add_output(Value* value);
  void remove_input(Value* value);
  /// Puts `values` in the place of an output, without those that are outputs already.
  void replace_output(Value* output, const std::vector<Value*>& values);

  /// Appends a node, or puts it before `before`. Outputs must have no producer yet.
  Node* add_node(std::string op_type, std::string node_name, std::vector<Value*> inputs, std::vector<Value*> outputs,
                 Node* before = nullptr);
  /// Removes a node; its outputs stay without producer and must be unused, or get another producer.
  void remove_node(Node* node);
  /// Removes a value without producer, uses, or place in inputs and outputs.
  void remove_value(Value* value);
  void set_input(Node* node, size_t index, Value* value);
  void set_inputs(Node* node, std::vector<Value*> inputs);
  /// Gives `node` new outputs; the old ones lose their producer.
  void set_outputs(Node* node, std::vector<Value*> outputs);
  /// Every reader of `from` reads `to` instead; graph outputs too, under `to`'s name.
  void replace_uses(Value* from, Value* to);
  void rename(Value* value, const std::string& name);
  /// Turns a computed value into a constant: its producer loses this output.
  void make_constant(Value* value, at::Tensor tensor);
  /// Removes `node` by joining its output 0 to its input 0. Names of graph outputs stay: the joined value takes the
  /// output's name. Returns false, changing nothing, where that is impossible (graph input straight to graph output).
  bool bypass(Node* node);

  /// Puts nodes into topological order, keeping the present order where it is free. Throws Model on a cycle.
  void sort();
  /// Checks links, names, order; throws Internal naming the first fault.
  void verify() const;
  /// What a node reads: its inputs and what its sub-graphs read of this graph.
  std::vector<Value*> implicit_and_explicit_inputs(const Node& node) const;
  /// In a sub-graph: names it (and its own sub-graphs) reads of the enclosing graphs.
  std::vector<std::string> outer_names() const;
  /// A deep copy. TensorQuants are copied too (sharing kept); tensors share storage (they are never written in place).
  std::unique_ptr<Graph> clone() const;

 private:
  void link(Node* node);
  void unlink(Node* node);
  void remove_value_from_outputs(Value* from, Value* to);
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Value>> values_;
  std::unordered_map<std::string, Value*> by_name_;
  std::unordered_multimap<std::string_view, Node*> nodes_by_name_;
  std::vector<Value*> inputs_, outputs_, constants_;
};

}  // namespace ppq
