#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "graph/readers.h"

namespace ppq::passes {

/// BatchNormalization at inference as y = factor · x + shift along axis 1: float64 tensors of [C].
struct ChannelAffine {
  at::Tensor factor, shift;
};
/// factor = scale / √(variance + epsilon), shift = bias - mean · factor. Nullopt where the node is no BatchNormalization with
/// four floating-point constants of equal length, normalizes by the batch (training), or has an output of statistics that is read.
std::optional<ChannelAffine> batch_norm_affine(const Node& node, const Pinned& pinned);

}  // namespace ppq::passes
