#include "passes/cleanup/batch_norm.h"

#include <ATen/ATen.h>

#include "passes/cleanup/rewrite.h"

namespace ppq::passes {

std::optional<ChannelAffine> batch_norm_affine(const Node& node, const Pinned& pinned) {
  if (!node.is("BatchNormalization") || node.inputs().size() != 5 || !node.output()) return std::nullopt;
  // Opset 1 to 7 could normalize every position by its own mean.
  if (node.attributes.get_int("training_mode", 0) != 0 || node.attributes.get_int("spatial", 1) == 0) return std::nullopt;
  for (size_t i = 1; i < node.outputs().size(); ++i) {
    if (node.output(i) && (!node.output(i)->uses().empty() || pinned(node.output(i)))) return std::nullopt;
  }
  at::Tensor parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    parameters[i] = float_constant(node, i + 1);
    if (!parameters[i].defined() || parameters[i].dim() != 1 || parameters[i].size(0) != parameters[0].size(0)) return std::nullopt;
    parameters[i] = parameters[i].to(at::kDouble);
  }
  const auto& [scale, bias, mean, variance] = parameters;
  const at::Tensor factor = scale / (variance + static_cast<double>(node.attributes.get_float("epsilon", 1e-5f))).sqrt();
  return ChannelAffine{factor, bias - mean * factor};
}

}  // namespace ppq::passes
