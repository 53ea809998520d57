#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>

namespace ppq::ops {

/// An activation named by an attribute, as recurrent nodes and fused nodes have it.
using Activation = std::function<at::Tensor(const at::Tensor&)>;

/// Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign, Softplus, Clip (alpha and
/// beta are its bounds); names are compared without case. An absent alpha or beta takes the operator's default. Null when
/// the name is not known.
Activation named_activation(const std::string& name, std::optional<double> alpha = {}, std::optional<double> beta = {});

}  // namespace ppq::ops
