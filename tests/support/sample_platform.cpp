#include "support/sample_platform.h"

#include <ATen/ATen.h>

#include "ppq/setting.h"

namespace ppq::test {
namespace {

template <const char* kName>
class Signing final : public Pass {
 public:
  const char* name() const override { return kName; }
  size_t run(Graph& graph, PassContext&) override {
    graph.doc += std::string(kName) + ";";
    return 1;
  }
};
constexpr char kFirst[] = "sample-first", kLast[] = "sample-last";

template <const char* kName>
std::unique_ptr<Pass> make_signing() {
  return std::make_unique<Signing<kName>>();
}

bool is_three_by_three(const Node& node, size_t) {
  const at::Tensor weight = node.constant_input(1);
  return weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3;
}

}  // namespace

PlatformSpec sample_platform() {
  using namespace rules;
  const QuantScheme int8 = narrow_symmetric(8);
  SlotRule small = quantized(SlotRole::Weight, per_channel(narrow_symmetric(6)), {"Conv"});
  small.when = is_three_by_three;
  PlatformSpec spec;
  spec.name = "sample";
  spec.summary = "rules that no platform of the table has";
  spec.quant_types = {"Conv", "Gemm", "MatMul", "Relu", "Add", "MaxPool", "Flatten"};
  spec.computes_if = [](const Node& node) { return !node.is("Add") || node.constant_input(1).defined(); };
  spec.slots = {in_float(SlotRole::Output, {"Conv", "Gemm", "MatMul"}),
                quantized(SlotRole::Output, int8),
                quantized(SlotRole::Data, int8),
                quantized(SlotRole::Constant, int8),
                small,
                quantized(SlotRole::Weight, per_channel(int8), {"Conv"}),
                quantized(SlotRole::Weight, per_block(narrow_symmetric(4), 4), {"MatMul"}),
                quantized(SlotRole::Weight, int8)};
  spec.passes = {{"sample-last", "", make_signing<kLast>}, {"sample-first", "equalize-layers", make_signing<kFirst>}};
  spec.adjust_setting = [](QuantizationSetting& setting) {
    setting.bias_correct = false;
    setting.extra.weight_search = "minmax";
    setting.quantize_activation_setting.calib_algorithm = "minmax";
  };
  return spec;
}

}  // namespace ppq::test
