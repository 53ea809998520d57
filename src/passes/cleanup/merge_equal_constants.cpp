// Pattern:  two constants with the same element type, shape and bytes.
// Rewrite:  readers of the second read the first.
// Does not fire for weights and biases of computing operations: quantization changes them one operation at a time, and
// equal zeros in two biases are no reason to tie them. Nor for graph inputs and outputs and what sub-graphs read by name.

#include <ATen/ATen.h>

#include <cstring>
#include <map>
#include <string_view>
#include <tuple>

#include "ops/op_facts.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

bool is_parameter_of_computing_node(const Value& value) {
  for (const Use& use : value.uses()) {
    if (is_computing(*use.node) && value.constant().is_floating_point()) return true;
  }
  return false;
}

std::string_view bytes_of(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())};
}

class MergeEqualConstants : public Pass {
 public:
  const char* name() const override { return "merge-equal-constants"; }

  size_t run(Graph& graph, PassContext&) override {
    const Pinned pinned(graph);
    using Key = std::tuple<at::ScalarType, std::vector<int64_t>, std::string_view>;
    std::map<Key, Value*> first;
    // The keys point into tensors of values that may be removed; this keeps their storage.
    std::vector<at::Tensor> keep;
    size_t changes = 0;
    for (Value* value : std::vector<Value*>(graph.constants())) {
      const at::Tensor& tensor = value->constant();
      if (!tensor.defined() || value->is_graph_input() || pinned(value) || is_parameter_of_computing_node(*value)) continue;
      keep.push_back(tensor);
      const auto [place, fresh] = first.emplace(Key{tensor.scalar_type(), tensor.sizes().vec(), bytes_of(tensor)}, value);
      if (fresh) continue;
      graph.replace_uses(value, place->second);
      graph.remove_value(value);
      ++changes;
    }
    return changes;
  }
};

}  // namespace

std::unique_ptr<Pass> make_merge_equal_constants() { return std::make_unique<MergeEqualConstants>(); }

}  // namespace ppq::passes
