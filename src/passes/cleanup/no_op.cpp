#include "passes/cleanup/no_op.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string_view>

#include "ops/op.h"
#include "passes/cleanup/rewrite.h"

namespace ppq::passes {
namespace {

using Ints = std::vector<int64_t>;

bool all_equal(const Ints& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

/// Integers from input `index` (a constant) or, in older opsets, from the attribute; nullopt where computed at run time.
/// Absent altogether is an empty list.
std::optional<Ints> ints_of(const Node& node, size_t index, const char* attribute) {
  if (const Value* value = node.input(index)) {
    if (!value->constant().defined()) return std::nullopt;
    return ops::to_ints(value->constant());
  }
  return node.attributes.get_ints(attribute);
}

bool same_static_sizes(const Node& node) {
  const auto before = static_sizes(node.input(0)), after = static_sizes(node.output());
  return before && after && *before == *after;
}

/// Known size of dimension i of x, or -1.
int64_t size_of(const Value* x, size_t i) { return x->shape && i < x->shape->size() ? (*x->shape)[i].value : -1; }

bool is_single(const Node& node) { return node.inputs().size() == 1; }

bool dropout(const Node& node, int64_t opset) {
  if (opset < 12 || !node.input(2)) return true;
  const at::Tensor training = node.constant_input(2);
  return training.defined() && training.numel() == 1 && !training.item<bool>();
}

bool cast(const Node& node) {
  const DataType from = node.input(0)->dtype;
  return from != DataType::Undefined && static_cast<int64_t>(from) == node.attributes.get_int("to", 0);
}

bool transpose(const Node& node) {
  const int64_t rank = rank_of(node.input(0));
  const Ints permutation = node.attributes.get_ints("perm");
  if (permutation.empty()) return rank == 0 || rank == 1;
  return std::is_sorted(permutation.begin(), permutation.end());
}

bool reshape(const Node& node) {
  if (same_static_sizes(node)) return true;
  const auto shape = ints_of(node, 1, "shape");
  const Value* x = node.input(0);
  if (!shape || rank_of(x) != static_cast<int64_t>(shape->size()) || node.attributes.get_int("allowzero", 0)) return false;
  // Every size is that of x but one at most, and that is then inferred to be x's too.
  size_t open = 0;
  for (size_t i = 0; i < shape->size(); ++i) {
    const int64_t size = (*shape)[i];
    if (size == -1) {
      ++open;
    } else if (size != 0 && size != size_of(x, i)) {
      return false;
    }
  }
  return open <= 1;
}

bool expand(const Node& node) {
  if (same_static_sizes(node)) return true;
  const auto shape = ints_of(node, 1, "");
  const int64_t rank = rank_of(node.input(0));
  if (!shape || rank < static_cast<int64_t>(shape->size())) return false;
  for (size_t i = 0; i < shape->size(); ++i) {
    const int64_t size = (*shape)[i];
    if (size != 1 && size != size_of(node.input(0), rank - shape->size() + i)) return false;
  }
  return true;
}

bool pad(const Node& node) {
  const auto pads = ints_of(node, 1, "pads");
  return pads && !pads->empty() && all_equal(*pads, 0);
}

bool slice(const Node& node) {
  const auto starts = ints_of(node, 1, "starts"), ends = ints_of(node, 2, "ends");
  auto axes = ints_of(node, 3, "axes");
  const auto steps = ints_of(node, 4, "");
  const int64_t rank = rank_of(node.input(0));
  if (!starts || !ends || !axes || !steps || rank < 0 || starts->size() != ends->size()) return false;
  if (!all_equal(*steps, 1) || !all_equal(*starts, 0)) return false;
  for (size_t i = 0; i < ends->size(); ++i) {
    int64_t axis = axes->empty() ? static_cast<int64_t>(i) : i < axes->size() ? (*axes)[i] : rank;
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return false;
    const int64_t size = size_of(node.input(0), axis);
    const bool whole = (*ends)[i] >= std::numeric_limits<int32_t>::max() || (size >= 0 && (*ends)[i] >= size);
    if (!whole) return false;
  }
  return true;
}

bool squeeze(const Node& node) {
  const auto axes = ints_of(node, 1, "axes");
  if (!axes || !axes->empty()) return false;
  // Without axes every dimension of one goes.
  const auto sizes = static_sizes(node.input(0));
  return sizes && std::find(sizes->begin(), sizes->end(), 1) == sizes->end();
}

bool flatten(const Node& node) {
  const int64_t axis = node.attributes.get_int("axis", 1);
  return rank_of(node.input(0)) == 2 && (axis == 1 || axis == -1);
}

/// A second operand that is `neutral` everywhere and does not widen x.
bool neutral_operand(const Node& node, double neutral) {
  const at::Tensor operand = node.constant_input(1);
  if (!operand.defined() || node.inputs().size() != 2 || operand.numel() == 0) return false;
  if (operand.is_complex() || !at::all(operand.to(at::kDouble) == neutral).item<bool>()) return false;
  const int64_t rank = rank_of(node.input(0));
  if (operand.dim() > 0 && rank < operand.dim()) return false;
  for (int64_t i = 0; i < operand.dim(); ++i) {
    if (operand.size(i) != 1 && operand.size(i) != size_of(node.input(0), rank - operand.dim() + i)) return false;
  }
  return true;
}

bool resize(const Node& node, int64_t opset) {
  if (node.attributes.get_string("coordinate_transformation_mode", "") == "tf_crop_and_resize") return false;
  const size_t scales_input = node.is("Upsample") || opset < 11 ? 1 : 2;
  const at::Tensor scales = node.constant_input(scales_input);
  if (scales.defined() && scales.numel() > 0) return at::all(scales.to(at::kDouble) == 1).item<bool>();
  return node.is("Resize") && node.input(3) && same_static_sizes(node);
}

bool pool(const Node& node) {
  return node.outputs().size() == 1 && !node.attributes.get_ints("kernel_shape").empty() &&
         all_equal(node.attributes.get_ints("kernel_shape"), 1) && all_equal(node.attributes.get_ints("strides"), 1) &&
         all_equal(node.attributes.get_ints("pads"), 0) && node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET";
}

bool clip(const Node& node) { return !node.input(1) && !node.input(2) && !node.attributes.has("min") && !node.attributes.has("max"); }

using Proof = bool (*)(const Node&, int64_t opset);

const std::map<std::string_view, Proof>& proofs() {
  static const std::map<std::string_view, Proof> table = {
      {"Identity", [](const Node&, int64_t) { return true; }},
      {"Dropout", dropout},
      {"Cast", [](const Node& n, int64_t) { return cast(n); }},
      {"Transpose", [](const Node& n, int64_t) { return transpose(n); }},
      {"Reshape", [](const Node& n, int64_t) { return reshape(n); }},
      {"Flatten", [](const Node& n, int64_t) { return flatten(n); }},
      {"Expand", [](const Node& n, int64_t) { return expand(n); }},
      {"Squeeze", [](const Node& n, int64_t) { return squeeze(n); }},
      {"Pad", [](const Node& n, int64_t) { return pad(n); }},
      {"Slice", [](const Node& n, int64_t) { return slice(n); }},
      {"Tile",
       [](const Node& n, int64_t) {
         const auto repeats = ints_of(n, 1, "");
         return n.inputs().size() == 2 && repeats && all_equal(*repeats, 1);
       }},
      {"Concat", [](const Node& n, int64_t) { return is_single(n); }},
      {"Sum", [](const Node& n, int64_t) { return is_single(n); }},
      {"Mean", [](const Node& n, int64_t) { return is_single(n); }},
      {"Max", [](const Node& n, int64_t) { return is_single(n); }},
      {"Min", [](const Node& n, int64_t) { return is_single(n); }},
      {"Split", [](const Node& n, int64_t) { return n.outputs().size() == 1; }},
      {"Add", [](const Node& n, int64_t) { return neutral_operand(n, 0); }},
      {"Sub", [](const Node& n, int64_t) { return neutral_operand(n, 0); }},
      {"Mul", [](const Node& n, int64_t) { return neutral_operand(n, 1); }},
      {"Div", [](const Node& n, int64_t) { return neutral_operand(n, 1); }},
      {"Pow", [](const Node& n, int64_t) { return neutral_operand(n, 1); }},
      {"Resize", resize},
      {"Upsample", resize},
      {"MaxPool", [](const Node& n, int64_t) { return pool(n); }},
      {"AveragePool", [](const Node& n, int64_t) { return pool(n); }},
      {"Clip", [](const Node& n, int64_t) { return clip(n); }},
  };
  return table;
}

}  // namespace

bool is_no_op(const Node& node, int64_t opset) {
  if (!node.is(node.op_type)) return false;  // another domain
  for (size_t i = 1; i < node.outputs().size(); ++i) {
    const Value* extra = node.output(i);
    if (extra && (!extra->uses().empty() || extra->is_graph_output())) return false;
  }
  const auto proof = proofs().find(node.op_type);
  return proof != proofs().end() && proof->second(node, opset);
}

}  // namespace ppq::passes
