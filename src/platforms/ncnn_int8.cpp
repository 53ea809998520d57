#include "platforms/platforms.h"
#include "ppq/graph.h"

namespace ppq::platforms {

namespace {

/// A Conv that ncnn computes by Winograd's method, which leaves 6 bits for the weights.
bool by_winograd(const Node& node, size_t) {
  const at::Tensor weight = node.constant_input(1);
  const auto ones = [&](const char* name) {
    for (int64_t value : node.attributes.get_ints(name))
      if (value != 1) return false;
    return true;
  };
  return node.attributes.get_int("group", 1) == 1 && weight.defined() && weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 &&
         ones("strides") && ones("dilations");
}

}  // namespace

/// Tencent ncnn, as PPQ's NCNN_INT8: layers take integers and give floats.
PlatformSpec ncnn_int8() {
  PlatformSpec spec;
  spec.id = TargetPlatform::NCNN_INT8;
  spec.name = "ncnn_int8";
  spec.aliases = {"ncnn"};
  spec.summary = "Tencent ncnn: int8 inputs of Conv and Gemm, int8 per-channel weights (6 bits where Winograd computes), the rest in float";
  spec.quant_types = {"Conv", "Gemm"};
  const QuantScheme activation = rules::rounded(rules::narrow_symmetric(8), Rounding::HalfFarFromZero);
  const auto weight = [](int bits) { return rules::per_channel(rules::rounded(rules::narrow_symmetric(bits), Rounding::HalfFarFromZero)); };
  SlotRule winograd = rules::quantized(SlotRole::Weight, weight(6), {"Conv"});
  winograd.when = by_winograd;
  spec.slots = {winograd, rules::quantized(SlotRole::Data, activation), rules::quantized(SlotRole::Weight, weight(8)),
                rules::quantized(SlotRole::Constant, activation)};
  spec.fusion.activations = {};
  // Its converter makes an InnerProduct of nothing else.
  spec.passes = {{"format-gemm", "", nullptr}};
  spec.default_setting = "ncnn";
  spec.exporters = {"ncnn-table"};
  return spec;
}

}  // namespace ppq::platforms
