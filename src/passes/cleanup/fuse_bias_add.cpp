// Pattern:  (Conv | ConvTranspose | Gemm) -> Add of a constant, or Sub of one, that has one number a channel
// Rewrite:  the constant goes into the bias (added to a constant one; Gemm's beta becomes 1). The result keeps the name of
//           Add's output.
// Does not fire where the constant differs along another dimension or widens the result, where the present bias is
// computed at run time, where the element type does not hold the sum, or where anything else reads the value between (a graph output, a
// sub-graph).

#include <ATen/ATen.h>

#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

/// Output channels and rank of the result of a computing node with a constant weight; channels 0 where it has none.
struct Result {
  int64_t channels = 0, rank = 0;
};

Result result_of(const Node& node) {
  const at::Tensor weight = float_constant(node, 1);
  if (!weight.defined()) return {};
  if (node.is("Conv") && weight.dim() >= 3) return {weight.size(0), weight.dim()};
  if (node.is("ConvTranspose") && weight.dim() >= 3) return {weight.size(1) * node.attributes.get_int("group", 1), weight.dim()};
  if (node.is("Gemm") && weight.dim() == 2) return {weight.size(node.attributes.get_int("transB", 0) ? 0 : 1), 2};
  return {};
}

/// What `reader` adds to its other input, one number a channel, in float64; undefined where it does anything else.
at::Tensor added_bias(const Node& reader, size_t through, const Result& result) {
  const bool subtracts = reader.is("Sub") && through == 0;
  if (!reader.is("Add") && !subtracts) return {};
  const at::Tensor constant = float_constant(reader, 1 - through);
  if (!constant.defined() || !is_per_channel(constant, result.rank, 1, result.channels)) return {};
  const at::Tensor bias = per_channel(constant, result.channels);
  return subtracts ? -bias : bias;
}

class FuseBiasAdd : public Pass {
 public:
  const char* name() const override { return "fuse-bias-add"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    for (Node* reader : graph.nodes()) {
      if (reader->inputs().size() != 2) continue;
      if (fuse(graph, reader, 0, pinned) || fuse(graph, reader, 1, pinned)) ++changes;
    }
    return changes;
  }

 private:
  /// Joins `reader` with the computing node behind its input `through`.
  static bool fuse(Graph& graph, Node* reader, size_t through, const Pinned& pinned) {
    const Value* between = reader->input(through);
    Node* node = between ? between->producer() : nullptr;
    if (!node || node->outputs().size() != 1 || only_reader(between, pinned) != reader) return false;
    const Result result = result_of(*node);
    const at::Tensor added = result.channels ? added_bias(*reader, through, result) : at::Tensor();
    if (!added.defined()) return false;
    at::Tensor bias = added;
    if (node->input(2)) {
      const at::Tensor present = float_constant(*node, 2);
      if (!present.defined() || !is_per_channel(present, 2, 1, result.channels)) return false;
      bias = per_channel(present, result.channels) * static_cast<double>(node->attributes.get_float("beta", 1)) + added;
    }
    if (!fits(bias, node->constant_input(1).scalar_type())) return false;
    node->attributes.erase("beta");
    put_constant(graph, node, 2, bias.to(node->constant_input(1).scalar_type()), node->name + "_bias", pinned);
    absorb_reader(graph, node, reader);
    return true;
  }
};

}  // namespace

std::unique_ptr<Pass> make_fuse_bias_add() { return std::make_unique<FuseBiasAdd>(); }

}  // namespace ppq::passes
