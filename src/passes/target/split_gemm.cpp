// Pattern:  Gemm that transposes nothing on its left, with a constant weight where it transposes or scales that
// Rewrite:  MatMul, and an Add where there is a third input. The result keeps its name, the MatMul the node's.
// For targets without Gemm. Does not fire where transA is set, or where what would have to be scaled is computed at run time.

#include <ATen/ATen.h>

#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

class SplitGemm final : public Pass {
 public:
  const char* name() const override { return "split-gemm"; }

  size_t run(Graph& graph, PassContext& context) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    std::string left;
    for (Node* node : graph.nodes()) {
      if (!node->is("Gemm")) continue;
      if (split(graph, node, pinned))
        ++changes;
      else
        left += (left.empty() ? "'" : ", '") + node->name + "'";
    }
    if (!left.empty())
      context.warn("split-gemm leaves " + left + ": the left side is transposed, or what it scales is computed at run time");
    return changes;
  }

 private:
  static bool split(Graph& graph, Node* node, const Pinned& pinned) {
    const Attributes& attributes = node->attributes;
    const double alpha = attributes.get_float("alpha", 1), beta = attributes.get_float("beta", 1);
    const bool transposes = attributes.get_int("transB", 0) != 0;
    const at::Tensor weight = float_constant(*node, 1), added = float_constant(*node, 2);
    const bool adds = node->input(2) != nullptr && beta != 0;
    if (attributes.get_int("transA", 0) != 0 || ((transposes || alpha != 1) && !weight.defined())) return false;
    if (adds && beta != 1 && !added.defined()) return false;
    if (transposes || alpha != 1) {
      const at::Tensor turned = transposes ? weight.t() : weight;
      put_constant(graph, node, 1, (turned.to(at::kDouble) * alpha).to(weight.scalar_type()).contiguous(), node->name + "_weight", pinned);
    }
    if (adds && beta != 1)
      put_constant(graph, node, 2, (added.to(at::kDouble) * beta).to(added.scalar_type()).contiguous(), node->name + "_bias", pinned);
    Value *left = node->input(0), *right = node->input(1), *bias = adds ? node->input(2) : nullptr, *output = node->output();
    node->op_type = "MatMul";
    for (const char* name : {"alpha", "beta", "transA", "transB"}) node->attributes.erase(name);
    graph.set_inputs(node, {left, right});
    if (!adds) return true;
    Value* product = graph.add_value(graph.unique_name(output->name() + "_product"));
    product->dtype = output->dtype, product->shape = output->shape;
    const std::vector<Node*> nodes = graph.nodes();
    const auto place = std::find(nodes.begin(), nodes.end(), node);
    graph.set_outputs(node, {product});
    graph.add_node("Add", graph.unique_name(node->name + "_add"), {product, bias}, {output}, place + 1 == nodes.end() ? nullptr : place[1]);
    return true;
  }
};

}  // namespace

std::unique_ptr<Pass> make_split_gemm() { return std::make_unique<SplitGemm>(); }

}  // namespace ppq::passes
