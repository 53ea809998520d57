#include "passes/cleanup/shape_values.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "ops/op.h"
#include "passes/cleanup/rewrite.h"

namespace ppq::passes {
namespace {

/// Longer integer tensors are data, not shapes.
constexpr int64_t kMaxElements = 64;

std::optional<ShapeValue> from_constant(const Value& value) {
  const at::Tensor& tensor = value.constant();
  const bool integer = tensor.defined() && (tensor.scalar_type() == at::kLong || tensor.scalar_type() == at::kInt);
  if (!integer || tensor.dim() > 1 || tensor.numel() > kMaxElements) return std::nullopt;
  ShapeValue out{.scalar = tensor.dim() == 0, .dtype = value.dtype};
  for (int64_t number : ops::to_ints(tensor)) out.elements.push_back({.number = number});
  return out;
}

std::optional<ShapeValue> shape_of(const Node& node) {
  const Value* x = node.input(0);
  if (!x || !x->shape) return std::nullopt;
  const int64_t rank = rank_of(x);
  const auto clamped = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  const int64_t start = clamped(node.attributes.get_int("start", 0)), end = clamped(node.attributes.get_int("end", rank));
  ShapeValue out;
  for (int64_t i = start; i < end; ++i) {
    const Dim& dim = (*x->shape)[i];
    out.elements.push_back({dim.known() ? std::optional(dim.value) : std::nullopt, x, static_cast<size_t>(i), dim.symbol});
  }
  return out;
}

std::optional<ShapeValue> size_of(const Node& node) {
  const auto sizes = static_sizes(node.input(0));
  if (!sizes) return std::nullopt;
  int64_t count = 1;
  for (int64_t size : *sizes) count *= size;
  return ShapeValue{.elements = {{.number = count}}, .scalar = true};
}

std::optional<int64_t> compute(const std::string& type, int64_t a, int64_t b) {
  if (type == "Add") return a + b;
  if (type == "Sub") return a - b;
  if (type == "Mul") return a * b;
  if (type == "Div" && b != 0) return a / b;
  return std::nullopt;
}

/// a ∘ b, also where an unknown element meets a neutral number.
ShapeElement combine(const std::string& type, const ShapeElement& a, const ShapeElement& b) {
  if (a.number && b.number) return {.number = compute(type, *a.number, *b.number)};
  const bool additive = type == "Add" || type == "Sub";
  if (b.number && *b.number == (additive ? 0 : 1)) return a;
  if (a.number && ((type == "Add" && *a.number == 0) || (type == "Mul" && *a.number == 1))) return b;
  return {};
}

}  // namespace

bool ShapeElement::is_dim(const Value& value, size_t i) const {
  if (!value.shape || i >= value.shape->size()) return false;
  const Dim& dim = (*value.shape)[i];
  if (source == &value && axis == i) return true;
  if (number) return dim.known() && dim.value == *number;
  return !symbol.empty() && dim.symbol == symbol;
}

bool ShapeValue::known() const {
  return std::all_of(elements.begin(), elements.end(), [](const ShapeElement& e) { return e.number.has_value(); });
}

at::Tensor ShapeValue::tensor() const {
  std::vector<int64_t> numbers;
  for (const auto& element : elements) numbers.push_back(element.number.value());
  at::Tensor out = at::tensor(numbers, at::kLong).to(to_scalar_type(dtype));
  return scalar ? out.reshape({}) : out;
}

ShapeValues::ShapeValues(const Graph& graph) {
  for (const Value* value : graph.constants()) {
    if (auto known = from_constant(*value)) values_.emplace(value, std::move(*known));
  }
  for (const Node* node : graph.nodes()) {
    if (!node->output()) continue;
    if (auto known = evaluate(*node); known && known->elements.size() <= kMaxElements) {
      values_.emplace(node->output(), std::move(*known));
    }
  }
}

const ShapeValue* ShapeValues::find(const Value* value) const {
  const auto it = values_.find(value);
  return it == values_.end() ? nullptr : &it->second;
}

std::optional<ShapeValue> ShapeValues::evaluate(const Node& node) const {
  if (node.is("Shape")) return shape_of(node);
  if (node.is("Size")) return size_of(node);
  const ShapeValue* first = input(node, 0);
  if (node.is("Concat")) return concat(node);
  if (!first) return std::nullopt;
  if (node.is("Identity")) return *first;
  if (node.is("Cast")) {
    const auto to = static_cast<DataType>(node.attributes.get_int("to", 0));
    if (to != DataType::Int64 && to != DataType::Int32) return std::nullopt;
    ShapeValue out = *first;
    out.dtype = to;
    return out;
  }
  if (node.is("Gather")) return gather(node);
  if (node.is("Slice")) return slice(node);
  if (node.is("Unsqueeze") || node.is("Squeeze") || node.is("Reshape")) return relist(node);
  if (node.is("Add") || node.is("Sub") || node.is("Mul") || node.is("Div")) return arithmetic(node);
  return std::nullopt;
}

std::optional<std::vector<int64_t>> ShapeValues::ints(const Node& node, size_t index, const char* attribute) const {
  if (!node.input(index)) return node.attributes.get_ints(attribute);
  const ShapeValue* value = input(node, index);
  if (!value || !value->known()) return std::nullopt;
  std::vector<int64_t> out;
  for (const auto& element : value->elements) out.push_back(*element.number);
  return out;
}

std::optional<ShapeValue> ShapeValues::gather(const Node& node) const {
  const ShapeValue& data = *input(node, 0);
  const ShapeValue* indices = input(node, 1);
  const int64_t axis = node.attributes.get_int("axis", 0), count = static_cast<int64_t>(data.elements.size());
  if (data.scalar || !indices || !indices->known() || (axis != 0 && axis != -1)) return std::nullopt;
  ShapeValue out{.scalar = indices->scalar, .dtype = data.dtype};
  for (const auto& element : indices->elements) {
    const int64_t index = *element.number < 0 ? *element.number + count : *element.number;
    if (index < 0 || index >= count) return std::nullopt;
    out.elements.push_back(data.elements[index]);
  }
  return out;
}

std::optional<ShapeValue> ShapeValues::slice(const Node& node) const {
  const ShapeValue& data = *input(node, 0);
  const auto starts = ints(node, 1, "starts"), ends = ints(node, 2, "ends"), axes = ints(node, 3, "axes"), steps = ints(node, 4, "");
  if (data.scalar || !starts || !ends || !axes || !steps || starts->size() != 1 || ends->size() != 1) return std::nullopt;
  const int64_t step = steps->empty() ? 1 : (*steps)[0];
  if (step < 1 || (!axes->empty() && (*axes)[0] != 0 && (*axes)[0] != -1)) return std::nullopt;
  const int64_t count = static_cast<int64_t>(data.elements.size());
  const auto clamped = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + count : i, 0, count); };
  ShapeValue out{.dtype = data.dtype};
  for (int64_t i = clamped((*starts)[0]); i < clamped((*ends)[0]); i += step) out.elements.push_back(data.elements[i]);
  return out;
}

std::optional<ShapeValue> ShapeValues::concat(const Node& node) const {
  ShapeValue out;
  const int64_t axis = node.attributes.get_int("axis", 0);
  if (axis != 0 && axis != -1) return std::nullopt;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const ShapeValue* part = input(node, i);
    if (part && part->scalar) return std::nullopt;
    if (part) {
      out.elements.insert(out.elements.end(), part->elements.begin(), part->elements.end());
      out.dtype = part->dtype;
      continue;
    }
    // A part computed from data still has a known length.
    const auto sizes = static_sizes(node.input(i));
    const bool integer = node.input(i) && (node.input(i)->dtype == DataType::Int64 || node.input(i)->dtype == DataType::Int32);
    if (!integer || !sizes || sizes->size() != 1 || (*sizes)[0] > kMaxElements) return std::nullopt;
    out.elements.resize(out.elements.size() + (*sizes)[0]);
    out.dtype = node.input(i)->dtype;
  }
  return out;
}

/// Unsqueeze, Squeeze and Reshape between a number and a list of one, and lists reshaped to lists.
std::optional<ShapeValue> ShapeValues::relist(const Node& node) const {
  ShapeValue out = *input(node, 0);
  if (node.is("Unsqueeze")) {
    const auto axes = ints(node, 1, "axes");
    if (!out.scalar || !axes || axes->size() != 1) return std::nullopt;
    out.scalar = false;
    return out;
  }
  if (node.is("Squeeze")) {
    if (out.scalar || out.elements.size() != 1) return std::nullopt;
    out.scalar = true;
    return out;
  }
  const auto shape = ints(node, 1, "shape");
  if (!shape || shape->size() > 1) return std::nullopt;
  out.scalar = shape->empty();
  return out;
}

std::optional<ShapeValue> ShapeValues::arithmetic(const Node& node) const {
  const ShapeValue &a = *input(node, 0), *b = input(node, 1);
  if (!b) return std::nullopt;
  const size_t m = a.elements.size(), n = b->elements.size();
  if (m != n && m != 1 && n != 1) return std::nullopt;
  ShapeValue out{.scalar = a.scalar && b->scalar, .dtype = a.dtype};
  for (size_t i = 0; i < (m == 1 ? n : m); ++i) {
    out.elements.push_back(combine(node.op_type, a.elements[m == 1 ? 0 : i], b->elements[n == 1 ? 0 : i]));
  }
  return out;
}

}  // namespace ppq::passes
