// Pattern:  Gemm with a constant weight that stands as [inputs, outputs], or with alpha or beta
// Rewrite:  its weight as [outputs, inputs] (transB), alpha in the weight, beta in the bias: ncnn's InnerProduct.
// Does not fire where transA is set, or where what would have to be turned or scaled is computed at run time.

#include <ATen/ATen.h>

#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

class FormatGemm final : public Pass {
 public:
  const char* name() const override { return "format-gemm"; }

  size_t run(Graph& graph, PassContext& context) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    std::string left;
    for (Node* node : graph.nodes()) {
      if (!node->is("Gemm") || is_formatted(*node)) continue;
      if (format(graph, *node, pinned))
        ++changes;
      else
        left += (left.empty() ? "'" : ", '") + node->name + "'";
    }
    if (!left.empty())
      context.warn("format-gemm leaves " + left + ": the left side is transposed, or what it turns or scales is computed at run time");
    return changes;
  }

 private:
  static bool is_formatted(const Node& node) {
    return node.attributes.get_int("transA", 0) == 0 && node.attributes.get_int("transB", 0) != 0 &&
           node.attributes.get_float("alpha", 1) == 1 && (!node.input(2) || node.attributes.get_float("beta", 1) == 1);
  }

  static bool format(Graph& graph, Node& node, const Pinned& pinned) {
    Attributes& attributes = node.attributes;
    const double alpha = attributes.get_float("alpha", 1), beta = attributes.get_float("beta", 1);
    const at::Tensor weight = float_constant(node, 1), bias = float_constant(node, 2);
    const bool scales_bias = node.input(2) && beta != 1;
    if (attributes.get_int("transA", 0) != 0 || !weight.defined() || weight.dim() != 2 || (scales_bias && !bias.defined())) return false;
    const at::Tensor turned = (attributes.get_int("transB", 0) != 0 ? weight : weight.t()).to(at::kDouble) * alpha;
    const at::Tensor scaled = scales_bias ? bias.to(at::kDouble) * beta : at::Tensor();
    if (!fits(turned, weight.scalar_type()) || (scales_bias && !fits(scaled, bias.scalar_type()))) return false;
    put_constant(graph, &node, 1, turned.to(weight.scalar_type()).contiguous(), node.name + "_weight", pinned);
    if (scales_bias) put_constant(graph, &node, 2, scaled.to(bias.scalar_type()).contiguous(), node.name + "_bias", pinned);
    for (const char* name : {"alpha", "beta"}) attributes.erase(name);
    attributes.set("transB", int64_t{1});
    return true;
  }
};

}  // namespace

std::unique_ptr<Pass> make_format_gemm() { return std::make_unique<FormatGemm>(); }

}  // namespace ppq::passes
