// Pattern:  x -> BatchNormalization that no operation before it could take up
// Rewrite:  a depthwise convolution with kernel 1 (weight k of [C,1,1,…], bias s; see fuse_batch_norm.cpp), which targets
//           have an integer kernel for. For matrices: Mul by k, then Add of s.
// Does not fire where the rank of x is not known, where parameters are computed at run time, where x's element type does not
// hold k or s, or in training mode.

#include <ATen/ATen.h>

#include "passes/cleanup/batch_norm.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

void drop_statistics(Graph& graph, Node* node) {
  if (node->outputs().size() > 1) graph.set_outputs(node, {node->output()});
}

void to_convolution(Graph& graph, Node* node, const ChannelAffine& affine, int64_t rank, const Pinned& pinned) {
  const at::ScalarType type = data_type(*node, 1);
  const int64_t channels = affine.factor.size(0);
  std::vector<int64_t> weight_sizes(rank, 1);
  weight_sizes[0] = channels;
  put_constant(graph, node, 1, affine.factor.reshape(weight_sizes).to(type), node->name + "_weight", pinned);
  put_constant(graph, node, 2, affine.shift.to(type), node->name + "_bias", pinned);
  graph.set_inputs(node, {node->input(0), node->input(1), node->input(2)});
  const std::vector<int64_t> ones(rank - 2, 1);
  node->op_type = "Conv";
  node->attributes.clear();
  node->attributes.set("dilations", ones);
  node->attributes.set("group", channels);
  node->attributes.set("kernel_shape", ones);
  node->attributes.set("pads", std::vector<int64_t>(2 * (rank - 2), 0));
  node->attributes.set("strides", ones);
}

void to_mul_and_add(Graph& graph, Node* node, const ChannelAffine& affine, const Pinned& pinned) {
  const at::ScalarType type = data_type(*node, 1);
  Value* x = node->input(0);
  Value* result = node->output();
  put_constant(graph, node, 1, affine.factor.to(type), node->name + "_factor", pinned);
  put_constant(graph, node, 2, affine.shift.to(type), node->name + "_shift", pinned);
  Value* factor = node->input(1);
  Value* shift = node->input(2);
  Value* scaled = graph.add_value(graph.unique_name(result->name() + "_scaled"));
  scaled->dtype = result->dtype;
  scaled->shape = result->shape;
  graph.add_node("Mul", graph.unique_name(node->name + "_scale"), {x, factor}, {scaled}, node);
  node->op_type = "Add";
  node->attributes.clear();
  graph.set_inputs(node, {scaled, shift});
}

class BatchNormToConv : public Pass {
 public:
  const char* name() const override { return "batch-norm-to-conv"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    for (Node* node : graph.nodes()) {
      const auto affine = batch_norm_affine(*node, pinned);
      if (!affine) continue;
      const int64_t rank = rank_of(node->input(0));
      if (rank < 2 || !fits(affine->factor, data_type(*node, 1)) || !fits(affine->shift, data_type(*node, 1))) continue;
      drop_statistics(graph, node);
      if (rank == 2) {
        to_mul_and_add(graph, node, *affine, pinned);
      } else {
        to_convolution(graph, node, *affine, rank, pinned);
      }
      ++changes;
    }
    return changes;
  }
};

}  // namespace

std::unique_ptr<Pass> make_batch_norm_to_conv() { return std::make_unique<BatchNormToConv>(); }

}  // namespace ppq::passes
