// Pattern:  a Gemm, or a Conv of one tap and one group, named by matrix_factorization_setting.interested_layers
// Rewrite:  two of them, W = A·B with A = U·√S and B = √S·Vᵀ of W's singular values: factors of like magnitudes, of full rank, so that the
//           float network stays. The first keeps the name and what it does with space; the second, NAME_splited as in PPQ, has the bias.
// PPQ's `training` finds A and B step by step; the closed form is what it heads for, and is taken for it.
// Does not fire where the weight is computed at run time, or where the user fixed an encoding of the layer.

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "graph/patterns.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"
#include "ppq/error.h"

namespace ppq::passes {
namespace {

bool fixed(const TensorQuantPtr& quant) { return quant && quant->fixed; }

class MatrixFactorization final : public Pass {
 public:
  const char* name() const override { return "matrix-factorization"; }

  size_t run(Graph& graph, PassContext& context) override {
    const MatrixFactorizationSetting& setting = context.setting->matrix_factorization_setting;
    const std::string option = "setting matrix_factorization_setting.interested_layers";
    if (setting.interested_layers.empty())
      throw Error(ErrorKind::Usage, option, "got no layers, expected some: each becomes two", "name the layers to factorize");
    if (setting.method == "training")
      context.warn("matrix_factorization_setting.method 'training' is computed as 'svd', whose product is the weight itself");
    std::set<const Node*> wanted;
    for (const std::string& pattern : setting.interested_layers)
      for (const Node* node : match_nodes(graph, pattern, option)) wanted.insert(node);
    const Pinned pinned(graph);
    size_t changes = 0;
    std::string left;
    for (Node* node : graph.nodes()) {
      if (!wanted.count(node)) continue;
      if (!can_factorize(*node)) {
        left += (left.empty() ? "'" : ", '") + node->name + "'";
        continue;
      }
      factorize(graph, *node, pinned);
      ++changes;
    }
    if (!left.empty())
      context.warn("matrix-factorization leaves " + left +
                   ": no Gemm or Conv of one tap and one group with a constant weight of its own scale");
    return changes;
  }

 private:
  static bool can_factorize(const Node& node) {
    const at::Tensor weight = float_constant(node, 1);
    if (!weight.defined() || weight.numel() == 0 || fixed(node.quant_of_input(1)) || fixed(node.quant_of_input(2))) return false;
    if (node.is("Gemm")) return weight.dim() == 2;
    return node.is("Conv") && weight.dim() >= 3 && weight[0][0].numel() == 1 && node.attributes.get_int("group", 1) == 1;
  }

  static void factorize(Graph& graph, Node& node, const Pinned& pinned) {
    const bool conv = node.is("Conv"), rows_are_outputs = conv || node.attributes.get_int("transB", 0) != 0;
    const at::Tensor weight = node.constant_input(1);
    // x·A·B, whatever way the weight is stored.
    const at::Tensor stored = weight.flatten(1).to(at::kDouble), matrix = rows_are_outputs ? stored.t() : stored;
    const auto [u, s, vh] = at::linalg_svd(matrix, /*full_matrices=*/false);
    const at::Tensor root = s.sqrt();
    const auto shaped = [&](const at::Tensor& factor) {
      std::vector<int64_t> sizes = weight.sizes().vec();
      const at::Tensor rows = rows_are_outputs ? factor.t() : factor;
      sizes[0] = rows.size(0), sizes[1] = rows.size(1);
      return rows.to(weight.scalar_type()).reshape(sizes).contiguous();
    };
    const at::Tensor first = shaped(u * root), second = shaped(root.unsqueeze(1) * vh);

    Value *output = node.output(), *inner = graph.add_value(graph.unique_name(output->name() + "_factor"));
    inner->dtype = output->dtype, inner->shape = output->shape;
    if (inner->shape && inner->shape->size() >= 2) (*inner->shape)[1] = Dim{s.numel(), ""};
    Value* bias = node.input(2);
    const std::string other = graph.unique_name(node.name + "_splited");
    std::vector<Value*> inputs = {inner, graph.add_constant(graph.unique_name(other + "_weight"), second)};
    if (bias) inputs.push_back(bias);
    put_constant(graph, &node, 1, first, node.name + "_weight", pinned);
    graph.set_inputs(&node, {node.input(0), node.input(1)});
    graph.set_outputs(&node, {inner});
    const std::vector<Node*> order = graph.nodes();
    const auto place = std::find(order.begin(), order.end(), &node);
    Node* twin = graph.add_node(node.op_type, other, inputs, {output}, place + 1 == order.end() ? nullptr : place[1]);
    twin->dispatch = node.dispatch;
    if (conv) {
      if (node.attributes.has("kernel_shape")) twin->attributes.set("kernel_shape", node.attributes.get_ints("kernel_shape"));
    } else {
      if (rows_are_outputs) twin->attributes.set("transB", int64_t{1});
      if (node.attributes.has("beta")) twin->attributes.set("beta", node.attributes.get_float("beta", 1));
      node.attributes.erase("beta");
    }
    // What the user fixed of the output holds for the second.
    twin->output_quant = node.output_quant, node.output_quant.clear();
  }
};

}  // namespace

std::unique_ptr<Pass> make_matrix_factorization() { return std::make_unique<MatrixFactorization>(); }

}  // namespace ppq::passes
