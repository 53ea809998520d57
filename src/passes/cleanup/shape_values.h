#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ppq/graph.h"

namespace ppq::passes {

/// One element of a shape-like tensor: a number, or a dimension of a value, or both (a known dimension).
struct ShapeElement {
  std::optional<int64_t> number;
  const Value* source = nullptr;  ///< where the element is dimension `axis` of `source`
  size_t axis = 0;
  std::string symbol;  ///< the dimension's symbol, where it has one

  /// Provably (the same number, dimension or symbol) dimension `i` of `value`.
  bool is_dim(const Value& value, size_t i) const;
};

/// An integer tensor of rank 0 or 1, element by element.
struct ShapeValue {
  std::vector<ShapeElement> elements;
  bool scalar = false;
  DataType dtype = DataType::Int64;
  /// Every element is a number.
  bool known() const;
  /// The tensor, where every element is a number.
  at::Tensor tensor() const;
};

/// What declared shapes tell of shape-like values: Shape, Size, and the arithmetic on them (Gather, Slice, Concat,
/// Unsqueeze, Squeeze, Reshape to a list, Cast, Add, Sub, Mul, Div), also where only some dimensions are known.
class ShapeValues {
 public:
  explicit ShapeValues(const Graph& graph);
  /// Null where nothing is known.
  const ShapeValue* find(const Value* value) const;

 private:
  std::optional<ShapeValue> evaluate(const Node& node) const;
  const ShapeValue* input(const Node& node, size_t index) const { return find(node.input(index)); }
  std::optional<ShapeValue> gather(const Node& node) const;
  std::optional<ShapeValue> slice(const Node& node) const;
  std::optional<ShapeValue> concat(const Node& node) const;
  std::optional<ShapeValue> relist(const Node& node) const;
  std::optional<ShapeValue> arithmetic(const Node& node) const;
  /// Integers of a fully known input, or of the attribute that older opsets have in its place.
  std::optional<std::vector<int64_t>> ints(const Node& node, size_t index, const char* attribute) const;

  std::unordered_map<const Value*, ShapeValue> values_;
};

}  // namespace ppq::passes
