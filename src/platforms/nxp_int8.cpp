#include <cmath>

#include "platforms/operator_sets.h"
#include "platforms/platforms.h"
#include "ppq/graph.h"

namespace ppq::platforms {

/// NXP's accelerators, as PPQ's NXP_INT8: scales are powers of two, halves go up (weights: away from zero), and down in what comes from
/// outside of the integer part. PPQ changes every Resize to what the hardware has by itself; here `--passes nxp-resize` does.
PlatformSpec nxp_int8() {
  using enum SlotRole;
  PlatformSpec spec;
  spec.id = TargetPlatform::NXP_INT8;
  spec.name = "nxp_int8";
  spec.aliases = {"nxp"};
  spec.summary = "NXP: int8 activations, int8 per-channel weights, 31-bit biases, scales that are powers of two";
  spec.quant_types = nxp_types();
  const auto scheme = [](Rounding rounding) { return rules::rounded(rules::power_of_two(rules::signed_symmetric(8)), rounding); };
  SlotRule outside = rules::quantized(Data, scheme(Rounding::HalfDown));
  outside.when = [](const Node& node, size_t index) {
    const Node* producer = node.input(index)->producer();
    return !producer || !producer->quantized;
  };
  spec.slots = plain_slots(scheme(Rounding::HalfUp), rules::per_channel(scheme(Rounding::HalfFarFromZero)));
  spec.slots.insert(spec.slots.begin(), outside);
  spec.slots.push_back(
      bias_of(rules::limited(rules::per_channel(rules::rounded(rules::power_of_two(rules::signed_symmetric(30)), Rounding::HalfUp)),
                             -std::exp2(30), std::exp2(30))));
  spec.fusion.activations = {"Relu", "Clip"};
  spec.default_setting = "nxp";
  spec.exporters = {"nxp"};
  return spec;
}

}  // namespace ppq::platforms
