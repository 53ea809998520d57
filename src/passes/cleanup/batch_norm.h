#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "ppq/graph.h"

namespace ppq::passes {

/// BatchNormalization at inference as y = factor · x + shift along axis 1: float64 tensors of [C].
struct ChannelAffine {
  at::Tensor factor, shift;
};
/// factor = scale / √(variance + epsilon), shift = bias - mean · factor. Nullopt where the node is no BatchNormalization with
/// four floating-point constants of equal length, or normalizes by the batch (training).
std::optional<ChannelAffine> batch_norm_affine(const Node& node);

}  // namespace ppq::passes
