// Pattern:  MatMul of a matrix and a constant matrix -> Add of a constant with one number a column (or one for all)
// Rewrite:  Gemm with that bias. The result keeps the name of Add's output.
// Does not fire where the left side is not known to be a matrix, where the right side is computed at run time, where Add
// widens the result, or where anything else reads the value between (a graph output, a sub-graph).

#include <ATen/ATen.h>

#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

/// Gemm broadcasts its third input like other operators from this version on.
constexpr int64_t kGemmOpset = 7;

class FuseMatMulAdd : public Pass {
 public:
  const char* name() const override { return "fuse-matmul-add"; }

  size_t run(Graph& graph, PassContext&) override {
    if (graph.opset() < kGemmOpset) return 0;
    const Pinned pinned(graph);
    size_t changes = 0;
    for (Node* add : graph.nodes()) {
      if (!add->is("Add") || add->inputs().size() != 2) continue;
      if (fuse(graph, add, 0, pinned) || fuse(graph, add, 1, pinned)) ++changes;
    }
    return changes;
  }

 private:
  static bool fuse(Graph& graph, Node* add, size_t through, const Pinned& pinned) {
    const Value* product = add->input(through);
    Node* node = product ? product->producer() : nullptr;
    if (!node || !node->is("MatMul") || rank_of(node->input(0)) != 2 || only_reader(product, pinned) != add) return false;
    const at::Tensor weight = float_constant(*node, 1), bias = float_constant(*add, 1 - through);
    if (!weight.defined() || weight.dim() != 2 || !bias.defined() || !is_per_channel(bias, 2, 1, weight.size(1))) return false;
    node->op_type = "Gemm";
    const at::Tensor column = per_channel(bias, weight.size(1)).to(weight.scalar_type());
    put_constant(graph, node, 2, column, node->name + "_bias", pinned);
    absorb_reader(graph, node, add);
    return true;
  }
};

}  // namespace

std::unique_ptr<Pass> make_fuse_matmul_add() { return std::make_unique<FuseMatMulAdd>(); }

}  // namespace ppq::passes
