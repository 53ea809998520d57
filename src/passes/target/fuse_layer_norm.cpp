// Pattern:  a LayerNormalization over the last axes that an exporter wrote out (src/graph/composites.h)
// Rewrite:  LayerNormalization; a model of an earlier opset becomes one of opset 17. The node and the result keep the last one's names.
// Does not fire where the normalized sizes are not known and nothing has them. A normalization without a mean stays: its operator
// (RMSNormalization) came with opset 23.

#include <ATen/ATen.h>

#include <algorithm>

#include "graph/composites.h"
#include "onnx/raise_opset.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

constexpr int64_t kOpset = 17;

/// Sizes of the normalized axes; none where they are not known.
std::vector<int64_t> normalized_sizes(const Composite& composite) {
  const size_t axes = static_cast<size_t>(-composite.axis);
  std::vector<int64_t> sizes;
  if (const auto& shape = composite.input->shape; shape && shape->size() >= axes)
    for (size_t i = shape->size() - axes; i < shape->size(); ++i) sizes.push_back((*shape)[i].value);
  sizes.resize(axes, -1);
  // What scales and shifts has them, unless it has ones.
  for (const Value* value : {composite.scale, composite.bias})
    for (size_t i = 0; value && i < axes; ++i) {
      const int64_t place = value->constant().dim() - static_cast<int64_t>(axes - i);
      if (place >= 0 && value->constant().size(place) > 1) sizes[i] = value->constant().size(place);
    }
  return std::any_of(sizes.begin(), sizes.end(), [](int64_t size) { return size < 0; }) ? std::vector<int64_t>() : sizes;
}

class FuseLayerNorm final : public Pass {
 public:
  const char* name() const override { return "fuse-layer-norm"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    for (const Composite& composite : find_composites(graph)) {
      if (composite.type != "LayerNormalization") continue;
      const std::vector<int64_t> sizes = normalized_sizes(composite);
      if (sizes.empty() || !has_scalar_type(composite.output->dtype)) continue;
      if (changes++ == 0) raise_opset(graph, kOpset);
      fuse(graph, composite, sizes, pinned);
    }
    return changes;
  }

 private:
  static void fuse(Graph& graph, const Composite& composite, const std::vector<int64_t>& sizes, const Pinned& pinned) {
    const std::string name = composite.nodes.back()->name;
    const auto parameter = [&](const Value* value, double otherwise, const char* suffix) {
      const at::Tensor data = value ? value->constant() : at::full({}, otherwise, to_scalar_type(composite.output->dtype));
      // Leading ones go; what was one number for all becomes one for each.
      const at::Tensor last = data.dim() > std::ssize(sizes) ? data.reshape(data.sizes().slice(data.dim() - sizes.size())) : data;
      return graph.add_constant(graph.unique_name(name + suffix), last.expand(sizes).contiguous());
    };
    std::vector<Value*> inputs = {composite.input, parameter(composite.scale, 1, "_scale")};
    if (composite.bias) inputs.push_back(parameter(composite.bias, 0, "_bias"));
    Node* node = put_in_place(graph, composite.nodes, "LayerNormalization", inputs, pinned);
    node->attributes.set("axis", composite.axis);
    node->attributes.set("epsilon", static_cast<float>(composite.epsilon));
  }
};

}  // namespace

std::unique_ptr<Pass> make_fuse_layer_norm() { return std::make_unique<FuseLayerNorm>(); }

}  // namespace ppq::passes
