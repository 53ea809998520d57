#pragma once

#include "ops/families.h"

// The parts of the element-wise family.

namespace ppq::ops {

Rows arithmetic_rows();  // Add … Pow, Mod, Max, Min, Sum, Mean, Clip, bit operations
Rows cast_rows();        // Cast, CastLike, BitCast

/// Aligns the second operand of a binary operator of opset 1..6, whose attribute `axis` says where its dimensions
/// start; later versions broadcast as LibTorch does.
class LegacyBroadcast {
 public:
  explicit LegacyBroadcast(const OpSpec& spec)
      : axis_(spec.opset < 7 && spec.node.attributes.has("axis") ? spec.node.attributes.get_int("axis", 0) : kNone) {}
  at::Tensor operator()(const at::Tensor& a, const at::Tensor& b) const;

 private:
  static constexpr int64_t kNone = INT64_MIN;
  int64_t axis_;
};

using Binary = at::Tensor (*)(const at::Tensor&, const at::Tensor&);
using Unary = at::Tensor (*)(const at::Tensor&);

Kernel make_binary(const OpSpec& spec, Binary function);

template <Binary F>
Kernel binary(const OpSpec& spec) {
  return make_binary(spec, F);
}
template <Unary F>
Kernel unary(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = F(in[0]); };
}

}  // namespace ppq::ops
