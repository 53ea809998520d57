// Pattern:  a layer named by weight_split_setting.interested_layers, with weights beyond value_threshold in magnitude
// Rewrite:  two layers on the same input and an Add. The first keeps name, bias, and what is left of the weight; the second takes half of
//           the weights beyond the threshold (`balance`), or a random share of each (`random`, the same in each run).
// The largest weight of either layer is half of what it was, so that all weights have steps of half the size; the sum is one rounding
// more. Does not fire where weights are computed at run time, or where the user fixed an encoding of the layer.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <set>

#include "graph/patterns.h"
#include "ops/op_facts.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"
#include "ppq/error.h"

namespace ppq::passes {
namespace {

constexpr uint64_t kSeed = 20;

bool fixed(const TensorQuantPtr& quant) { return quant && quant->fixed; }

class WeightSplit final : public Pass {
 public:
  const char* name() const override { return "weight-split"; }

  size_t run(Graph& graph, PassContext& context) override {
    const WeightSplitSetting& setting = context.setting->weight_split_setting;
    const std::string option = "setting weight_split_setting.interested_layers";
    if (setting.interested_layers.empty())
      throw Error(ErrorKind::Usage, option, "got no layers, expected some: each becomes two", "name the layers to split");
    std::set<const Node*> wanted;
    for (const std::string& pattern : setting.interested_layers)
      for (const Node* node : match_nodes(graph, pattern, option)) wanted.insert(node);
    at::Generator random = at::make_generator<at::CPUGeneratorImpl>(kSeed);
    const Pinned pinned(graph);
    size_t changes = 0;
    std::string left;
    for (Node* node : graph.nodes()) {
      if (!wanted.count(node)) continue;
      if (!can_split(*node))
        left += (left.empty() ? "'" : ", '") + node->name + "'";
      else
        changes += split(graph, *node, setting, random, pinned);
    }
    if (!left.empty())
      context.warn("weight-split leaves " + left + ": no Conv, ConvTranspose, Gemm or MatMul with a constant weight of its own scale");
    return changes;
  }

 private:
  static bool can_split(const Node& node) {
    return is_computing(node) && node.outputs().size() == 1 && float_constant(node, 1).defined() && !fixed(node.quant_of_input(1)) &&
           !fixed(node.quant_of_input(2));
  }

  static size_t split(Graph& graph, Node& node, const WeightSplitSetting& setting, at::Generator& random, const Pinned& pinned) {
    const at::Tensor weight = node.constant_input(1), beyond = weight.abs() > setting.value_threshold;
    if (!beyond.any().item<bool>()) return 0;
    const at::Tensor share = setting.method == "random"
                                 ? at::rand(weight.sizes(), random, at::TensorOptions().dtype(at::kFloat)).to(weight.scalar_type())
                                 : at::full({}, 0.5, weight.options());
    const at::Tensor part = at::where(beyond, weight * share, at::zeros_like(weight)).contiguous();
    const Value* data = node.output();
    const auto half = [&](const char* suffix) {
      Value* value = graph.add_value(graph.unique_name(data->name() + suffix));
      value->dtype = data->dtype, value->shape = data->shape;
      return value;
    };
    Value *output = node.output(), *first = half("_rest"), *second = half("_split");
    put_constant(graph, &node, 1, (weight - part).contiguous(), node.name + "_weight", pinned);
    Value* constant = graph.add_constant(graph.unique_name(node.name + "_split_weight"), part);
    graph.set_outputs(&node, {first});
    const std::vector<Node*> order = graph.nodes();
    const auto place = std::find(order.begin(), order.end(), &node);
    Node* next = place + 1 == order.end() ? nullptr : place[1];
    Node* twin = graph.add_node(node.op_type, graph.unique_name(node.name + "_split"), {node.input(0), constant}, {second}, next);
    twin->domain = node.domain, twin->attributes = node.attributes, twin->dispatch = node.dispatch;
    Node* sum = graph.add_node("Add", graph.unique_name(node.name + "_sum"), {first, second}, {output}, next);
    sum->dispatch = node.dispatch;
    // What the user fixed of the output holds for the sum.
    sum->output_quant = node.output_quant, node.output_quant.clear();
    return 1;
  }
};

}  // namespace

std::unique_ptr<Pass> make_weight_split() { return std::make_unique<WeightSplit>(); }

}  // namespace ppq::passes
