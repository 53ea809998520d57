#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "ppq/graph.h"
#include "ppq/platform.h"

namespace ppq {

/// An input or output of a node computed in integers, as PPQ would describe it. Where several share a quantization PPQ knows who computes
/// it:
/// - ACTIVATED: rounds here; the root that others follow
/// - PASSIVE: rounds here too, another tensor, by the root's numbers
/// - OVERLAPPED: does not round, because another place does: what reads a rounded tensor, what only moves its elements, what stands in
///   front of the activation it is computed with
/// - BAKED, PASSIVE_BAKED: a parameter stored rounded; FP32: not quantized; INITIAL, PASSIVE_INIT: without numbers yet
struct PpqConfig {
  const Node* node;
  const Value* value;
  TensorQuantPtr quant;  ///< null: float
  const char* state;
  int64_t hash, dominator;  ///< places are numbered from 1, in order; the root's, or its own
};

/// Nodes in order; of each the inputs, then the outputs.
std::vector<PpqConfig> ppq_configs(const Graph& graph);

/// "configs" and "dispatchings" of PPQ's JSON, and "values" by `value_of(quant)`.
nlohmann::ordered_json ppq_config_json(const Graph& graph, const PlatformSpec& platform,
                                       nlohmann::ordered_json (*value_of)(const PpqConfig& config));

/// PPQ's numbers of a place; null ones where it has none.
nlohmann::ordered_json ppq_value(const PpqConfig& config);

}  // namespace ppq
