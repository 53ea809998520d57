// Pattern:  (Conv | ConvTranspose | Gemm | MatMul of matrices) -> BatchNormalization
// Rewrite:  the first one with weights times k and bias times k plus s, where k = scale / √(variance + ε) and
//           s = bias - mean · k, computed in float64; MatMul becomes Gemm. The result keeps BatchNormalization's name.
// Does not fire where weight, bias or a parameter is computed at run time, where anything else reads the value between
// (a graph output, a sub-graph), where the weight's element type does not hold the products, or where BatchNormalization is in
// training mode.

#include <ATen/ATen.h>

#include "passes/cleanup/batch_norm.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

/// Weight and bias of a computing node; the bias is float64 of [C].
struct Folded {
  at::Tensor weight, bias;
};

/// `bias` of [C] after the affine map; zeros stand in for an absent one.
at::Tensor fold_bias(const at::Tensor& bias, double beta, const ChannelAffine& affine) {
  return bias.defined() ? bias * beta * affine.factor + affine.shift : affine.shift;
}

/// The factor, shaped to scale dimension `axis` of a tensor of `rank`.
at::Tensor along(const at::Tensor& factor, int64_t rank, int64_t axis) {
  std::vector<int64_t> sizes(rank, 1);
  sizes[axis] = -1;
  return factor.reshape(sizes);
}

std::optional<Folded> fold_conv(const at::Tensor& weight, const at::Tensor& bias, const ChannelAffine& affine) {
  const int64_t channels = affine.factor.size(0);
  if (weight.dim() < 3 || weight.size(0) != channels) return std::nullopt;
  if (bias.defined() && (bias.dim() != 1 || bias.size(0) != channels)) return std::nullopt;
  return Folded{weight.to(at::kDouble) * along(affine.factor, weight.dim(), 0),
                fold_bias(bias.defined() ? bias.to(at::kDouble) : bias, 1, affine)};
}

/// ConvTranspose's weight is [Cin, Cout/groups, …]: each group's rows have channels of their own.
std::optional<Folded> fold_conv_transpose(const Node& node, const at::Tensor& weight, const at::Tensor& bias, const ChannelAffine& affine) {
  const int64_t channels = affine.factor.size(0), groups = node.attributes.get_int("group", 1);
  if (weight.dim() < 3 || groups < 1 || weight.size(0) % groups || weight.size(1) * groups != channels) return std::nullopt;
  if (bias.defined() && (bias.dim() != 1 || bias.size(0) != channels)) return std::nullopt;
  std::vector<int64_t> grouped = weight.sizes().vec();
  grouped[0] /= groups;
  grouped.insert(grouped.begin(), groups);
  std::vector<int64_t> factor_sizes(grouped.size(), 1);
  factor_sizes[0] = groups;
  factor_sizes[2] = weight.size(1);
  const at::Tensor scaled = weight.to(at::kDouble).reshape(grouped) * affine.factor.reshape(factor_sizes);
  return Folded{scaled.reshape(weight.sizes()), fold_bias(bias.defined() ? bias.to(at::kDouble) : bias, 1, affine)};
}

/// Gemm: alpha · A · B + beta · C with beta folded into the bias. MatMul is the same with the defaults.
std::optional<Folded> fold_gemm(const Node& node, const at::Tensor& weight, const at::Tensor& bias, const ChannelAffine& affine) {
  const int64_t channels = affine.factor.size(0);
  const int64_t axis = node.attributes.get_int("transB", 0) ? 0 : 1;
  if (weight.dim() != 2 || weight.size(axis) != channels) return std::nullopt;
  if (bias.defined() && !is_per_channel(bias, 2, 1, channels)) return std::nullopt;
  const double beta = node.attributes.get_float("beta", 1);
  return Folded{weight.to(at::kDouble) * along(affine.factor, 2, axis),
                fold_bias(bias.defined() ? per_channel(bias, channels) : bias, beta, affine)};
}

std::optional<Folded> fold(const Node& node, const Value& result, const ChannelAffine& affine) {
  const at::Tensor weight = float_constant(node, 1), bias = float_constant(node, 2);
  if (!weight.defined() || (node.input(2) && !bias.defined())) return std::nullopt;
  if (node.is("Conv")) return fold_conv(weight, bias, affine);
  if (node.is("ConvTranspose")) return fold_conv_transpose(node, weight, bias, affine);
  if (node.is("Gemm")) return fold_gemm(node, weight, bias, affine);
  if (node.is("MatMul") && rank_of(&result) == 2) return fold_gemm(node, weight, bias, affine);
  return std::nullopt;
}

class FuseBatchNorm : public Pass {
 public:
  const char* name() const override { return "fuse-batch-norm"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    for (Node* norm : graph.nodes()) {
      const auto affine = batch_norm_affine(*norm, pinned);
      if (!affine) continue;
      Node* computing = norm->input(0) ? norm->input(0)->producer() : nullptr;
      if (!computing || computing->outputs().size() != 1 || only_reader(norm->input(0), pinned) != norm) continue;
      const auto folded = fold(*computing, *norm->output(), *affine);
      if (!folded) continue;
      const at::ScalarType type = computing->constant_input(1).scalar_type();
      if (!fits(folded->weight, type) || !fits(folded->bias, type)) continue;
      if (computing->is("MatMul")) computing->op_type = "Gemm";
      if (computing->is("Gemm")) computing->attributes.erase("beta");
      put_constant(graph, computing, 1, folded->weight.to(type), computing->name + "_weight", pinned);
      put_constant(graph, computing, 2, folded->bias.to(type), computing->name + "_bias", pinned);
      if (norm->outputs().size() > 1) graph.set_outputs(norm, {norm->output()});
      absorb_reader(graph, computing, norm);
      ++changes;
    }
    return changes;
  }
};

}  // namespace

std::unique_ptr<Pass> make_fuse_batch_norm() { return std::make_unique<FuseBatchNorm>(); }

}  // namespace ppq::passes
