#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "graph/quant_slots.h"
#include "ppq/pass.h"

namespace ppq::passes {

/// A weight whose scale can be chosen by what it does to its layer's output: input 1 of Conv, ConvTranspose, Gemm or MatMul,
/// of two dimensions or more, in integers, with data computed at run time.
bool has_searchable_scale(const Slot& slot);

/// Numbers that are tried for each weight: those of its extremes first, then of what is left when magnitudes above a share of the
/// largest are cut off, for a grid of shares, then those with the least mean squared error of the weight itself, then those of the grid
/// that it lies on, if any.
std::vector<std::vector<QuantParams>> candidate_scales(const std::vector<Slot>& slots);

/// The grid through zero that a weight lies on already, all but exactly, if the scheme has as many integers: that of a network that was
/// quantized before, or trained so. Nothing for scales other than one a tensor, and for small weights.
std::optional<QuantParams> own_grid(const at::Tensor& weight, const QuantScheme& scheme);

/// For each quantization of `slots` (all searchable) the candidate with the least error of the layer's output, Σ|y - y'|² where
/// y' is the output with rounded weights, behind the activation if the layer has one, over the float network's inputs of the
/// layer on at most 16 samples of the context, in one run of the network; each channel on its own where scales are per
/// channel. With `mean_is_free` the mean error of an output channel is taken off before the activation, as bias correction
/// will. Large outputs are read at a grid of places, and no more samples than give 784 places. No activation is kept.
std::unordered_map<const TensorQuant*, QuantParams> scales_by_output(const Graph& graph, const std::vector<Slot>& slots,
                                                                     const PassContext& context, bool mean_is_free);

}  // namespace ppq::passes
