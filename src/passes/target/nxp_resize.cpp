// Rewrite: every Resize of data by scales or sizes takes the nearest place and counts places from the middle of pixels, which is what
// NXP's accelerators have. Changes what the network computes, so that a warning names the nodes.

#include "core/words.h"
#include "passes/passes.h"
#include "ppq/graph.h"

namespace ppq::passes {
namespace {

class NxpResize final : public Pass {
 public:
  const char* name() const override { return "nxp-resize"; }

  size_t run(Graph& graph, PassContext& context) override {
    constexpr int64_t kWithCoordinates = 11;  // of the first Resize that knows them
    std::vector<std::string> changed;
    if (graph.opset() < kWithCoordinates) return 0;
    for (Node* node : graph.nodes()) {
      Attributes& attributes = node->attributes;
      if (!node->is("Resize") || (attributes.get_string("mode", "nearest") == "nearest" &&
                                  attributes.get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel"))
        continue;
      attributes.set("mode", std::string("nearest"));
      attributes.set("coordinate_transformation_mode", std::string("half_pixel"));
      attributes.erase("antialias");  // of what interpolates
      changed.push_back(node->name);
    }
    if (!changed.empty())
      context.warn("nxp-resize lets " + listed(changed, 8, "'") + " take the nearest pixel: the float network computes something else now");
    return changed.size();
  }
};

}  // namespace

std::unique_ptr<Pass> make_nxp_resize() { return std::make_unique<NxpResize>(); }

}  // namespace ppq::passes
