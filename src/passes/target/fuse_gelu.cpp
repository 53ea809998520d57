// Pattern:  a Gelu that an exporter wrote out with Erf or Tanh (src/graph/composites.h)
// Rewrite:  Gelu; a model of an earlier opset becomes one of opset 20. The node and the result keep the last one's names.

#include "graph/composites.h"
#include "onnx/raise_opset.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

constexpr int64_t kOpset = 20;

class FuseGelu final : public Pass {
 public:
  const char* name() const override { return "fuse-gelu"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    for (const Composite& composite : find_composites(graph)) {
      if (composite.type != "Gelu") continue;
      if (changes++ == 0) raise_opset(graph, kOpset);
      Node* node = put_in_place(graph, composite.nodes, "Gelu", {composite.input}, pinned);
      if (composite.approximate) node->attributes.set("approximate", std::string("tanh"));
    }
    return changes;
  }
};

}  // namespace

std::unique_ptr<Pass> make_fuse_gelu() { return std::make_unique<FuseGelu>(); }

}  // namespace ppq::passes
