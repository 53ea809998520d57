#include "analysis/output_parts.h"

#include <algorithm>
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

/// `axes[i]`: where axis i of `value` lies in the output.
void add_parts(const Value& value, const std::vector<int64_t>& axes, const std::vector<PartPlace>& places, std::vector<OutputPart>& parts) {
  const Node* node = value.producer();
  const auto rank = static_cast<int64_t>(axes.size());
  if (node && node->is("Identity") && node->input(0)) return add_parts(*node->input(0), axes, places, parts);
  if (node && node->is("Transpose") && node->input(0)) {
    std::vector<int64_t> order = node->attributes.get_ints("perm"), before(axes.size());
    if (order.empty())
      for (int64_t i = rank - 1; i >= 0; --i) order.push_back(i);
    if (order.size() == axes.size()) {
      for (size_t i = 0; i < order.size(); ++i) before[static_cast<size_t>(order[i])] = axes[i];
      return add_parts(*node->input(0), before, places, parts);
    }
  }
  if (node && node->is("Concat")) {
    const int64_t given = node->attributes.get_int("axis", 0), axis = given < 0 ? given + rank : given;
    if (const auto lengths = axis >= 0 && axis < rank ? lengths_of(*node, axis) : std::nullopt) {
      int64_t begin = 0;
      for (size_t i = 0; i < lengths->size(); ++i) {
        std::vector<PartPlace> inner = places;
        inner.push_back({axes[static_cast<size_t>(axis)], begin, (*lengths)[i]});
        add_parts(*node->input(i), axes, inner, parts);
        begin += (*lengths)[i];
      }
      return;
    }
  }
  parts.push_back({value.name(), places, {}});
}

}  // namespace

std::vector<OutputPart> parts_of_output(const Value& output) {
  if (!output.shape) return {};
  std::vector<int64_t> axes;
  for (size_t i = 0; i < output.shape->size(); ++i) axes.push_back(static_cast<int64_t>(i));
  std::vector<OutputPart> parts;
  add_parts(output, axes, {}, parts);
  std::erase_if(parts, [](const OutputPart& part) {
    return std::any_of(part.places.begin(), part.places.end(), [](const PartPlace& place) { return place.length == 0; });
  });
  return parts.size() > kMostParts ? std::vector<OutputPart>() : parts;
}

}  // namespace ppq
