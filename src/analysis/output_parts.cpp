#include "analysis/output_parts.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace ppq {
namespace {

constexpr size_t kMostParts = 64;

/// Sizes of a Concat's inputs along its axis; nullopt where one is not declared.
std::optional<std::vector<int64_t>> lengths_of(const Node& concat, int64_t axis) {
  std::vector<int64_t> lengths;
  for (const Value* value : concat.inputs()) {
    if (!value || !value->shape || axis >= static_cast<int64_t>(value->shape->size())) return std::nullopt;
    const Dim& dim = (*value->shape)[static_cast<size_t>(axis)];
    if (!dim.known()) return std::nullopt;
    lengths.push_back(dim.value);
  }
  return lengths;
}

/// A tensor on the way from the output. `axes[i]`: where its axis i lies in the output.
struct Open {
  const Value* value;
  std::vector<int64_t> axes;
  std::vector<PartPlace> places;
};

/// What lies before what only renames or turns the tensor.
void look_before(Open& open) {
  for (const Node* node = open.value->producer(); node && node->input(0); node = open.value->producer()) {
    if (node->is("Transpose")) {
      std::vector<int64_t> order = node->attributes.get_ints("perm"), before(open.axes.size());
      if (order.empty())
        for (auto i = static_cast<int64_t>(open.axes.size()) - 1; i >= 0; --i) order.push_back(i);
      if (order.size() != open.axes.size()) return;
      for (size_t i = 0; i < order.size(); ++i) before[static_cast<size_t>(order[i])] = open.axes[i];
      open.axes = std::move(before);
    } else if (!node->is("Identity")) {
      return;
    }
    open.value = node->input(0);
  }
}

/// The inputs of a Concat; empty where it is none, or its parts are not known.
std::vector<Open> split(const Open& open) {
  const Node* node = open.value->producer();
  if (!node || !node->is("Concat")) return {};
  const auto rank = static_cast<int64_t>(open.axes.size());
  const int64_t given = node->attributes.get_int("axis", 0), axis = given < 0 ? given + rank : given;
  const auto lengths = axis >= 0 && axis < rank ? lengths_of(*node, axis) : std::nullopt;
  std::vector<Open> parts;
  int64_t begin = 0;
  for (size_t i = 0; lengths && i < lengths->size(); ++i) {
    parts.push_back({node->input(i), open.axes, open.places});
    parts.back().places.push_back({open.axes[static_cast<size_t>(axis)], begin, (*lengths)[i]});
    begin += (*lengths)[i];
  }
  return parts;
}

}  // namespace

std::vector<OutputPart> parts_of_output(const Value& output) {
  if (!output.shape) return {};
  std::vector<int64_t> axes;
  for (size_t i = 0; i < output.shape->size(); ++i) axes.push_back(static_cast<int64_t>(i));
  std::vector<OutputPart> parts;
  for (std::vector<Open> open = {{&output, std::move(axes), {}}}; !open.empty();) {
    // Too many to be read, or Concats within Concats without end.
    if (parts.size() + open.size() > kMostParts || open.back().places.size() > kMostParts) return {};
    Open one = std::move(open.back());
    open.pop_back();
    look_before(one);
    std::vector<Open> inner = split(one);
    if (inner.empty()) parts.push_back({one.value->name(), std::move(one.places), {}});
    open.insert(open.end(), std::make_move_iterator(inner.rbegin()), std::make_move_iterator(inner.rend()));
  }
  std::erase_if(parts, [](const OutputPart& part) {
    return std::any_of(part.places.begin(), part.places.end(), [](const PartPlace& place) { return place.length == 0; });
  });
  return parts;
}

}  // namespace ppq
