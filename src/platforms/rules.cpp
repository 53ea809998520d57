#include <cmath>

#include "ppq/graph.h"
#include "ppq/platform.h"

namespace ppq {

bool SlotRule::fits(const Node& node, size_t index, SlotRole slot) const {
  return role == slot && (types.empty() || types.count(node.op_type) > 0) && (!when || when(node, index));
}

bool PlatformSpec::computes(const Node& node) const { return quant_types.count(node.op_type) > 0 && (!computes_if || computes_if(node)); }

const SlotRule* PlatformSpec::rule_for(const Node& node, size_t index, SlotRole role) const {
  for (const SlotRule& rule : slots)
    if (rule.fits(node, index, role)) return &rule;
  return nullptr;
}

const QuantScheme& PlatformSpec::scheme(SlotRole role) const {
  for (auto rule = slots.rbegin(); rule != slots.rend(); ++rule)
    if (rule->role == role && rule->treatment != SlotRule::Treatment::Float) return rule->scheme;
  static const QuantScheme plain;
  return plain;
}

namespace rules {

QuantScheme unsigned_asymmetric(int bits) {
  QuantScheme scheme;
  scheme.bits = bits;
  scheme.quant_min = 0;
  scheme.quant_max = std::exp2(bits) - 1;
  return scheme;
}

QuantScheme signed_symmetric(int bits) {
  QuantScheme scheme;
  scheme.bits = bits;
  scheme.quant_min = -std::exp2(bits - 1);
  scheme.quant_max = std::exp2(bits - 1) - 1;
  scheme.symmetric = true;
  return scheme;
}

QuantScheme narrow_symmetric(int bits) {
  QuantScheme scheme = signed_symmetric(bits);
  scheme.quant_min = -scheme.quant_max;
  return scheme;
}

QuantScheme per_channel(QuantScheme scheme) {
  scheme.granularity = Granularity::PerChannel;
  return scheme;
}

QuantScheme per_block(QuantScheme scheme, int64_t block_size) {
  scheme.granularity = Granularity::PerBlock;
  scheme.block_size = block_size;
  return scheme;
}

QuantScheme minifloat(int exponent_bits) {
  QuantScheme scheme;
  scheme.format = NumberFormat::Floating;
  scheme.exponent_bits = exponent_bits;
  // E4M3 has no infinities: all but one of the numbers with the largest exponent are values. E5M2 has, as in IEEE 754.
  scheme.quant_max = exponent_bits == 4 ? 448 : 57344;
  scheme.quant_min = -scheme.quant_max;
  scheme.symmetric = scheme.power_of_two = true;
  scheme.observer = "floating";
  return scheme;
}

QuantScheme power_of_two(QuantScheme scheme) {
  scheme.power_of_two = true;
  return scheme;
}

QuantScheme rounded(QuantScheme scheme, Rounding rounding) {
  scheme.rounding = rounding;
  return scheme;
}

QuantScheme limited(QuantScheme scheme, double quant_min, double quant_max) {
  scheme.quant_min = quant_min, scheme.quant_max = quant_max;
  return scheme;
}

SlotRule quantized(SlotRole role, QuantScheme scheme, std::set<std::string> types) {
  return {role, SlotRule::Treatment::Quantized, std::move(scheme), std::move(types)};
}

SlotRule passive(SlotRole role, QuantScheme scheme, std::set<std::string> types) {
  SlotRule rule{role, SlotRule::Treatment::Passive, std::move(scheme), std::move(types)};
  rule.exported = false;
  return rule;
}

SlotRule in_float(SlotRole role, std::set<std::string> types) { return {role, SlotRule::Treatment::Float, {}, std::move(types)}; }

}  // namespace rules
}  // namespace ppq
