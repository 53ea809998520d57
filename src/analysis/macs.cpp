#include "analysis/macs.h"

#include <algorithm>

#include "ops/op_facts.h"

namespace ppq {
namespace {

/// Of at most `bits` bits, every operand that is computed at run time.
bool is_narrow(const Node& node, int bits) {
  if (!node.quantized) return false;
  for (size_t i = 0; i < std::min<size_t>(2, node.inputs().size()); ++i) {
    if (!node.input(i) || node.input(i)->is_constant()) continue;
    const TensorQuantPtr quant = node.quant_of_input(i);
    if (!quant || quant->scheme.bits > bits) return false;
  }
  return true;
}

}  // namespace

int64_t elements_of(const Value* value) {
  if (!value || !value->shape) return -1;
  int64_t count = 1;
  for (size_t i = 0; i < value->shape->size(); ++i) {
    const Dim& dim = (*value->shape)[i];
    if (!dim.known() && i > 0) return -1;
    count *= dim.known() ? dim.value : 1;
  }
  return count;
}

int64_t macs_of(const Node& node) {
  if (!is_computing(node)) return 0;
  const Value* weight = node.input(1);
  const int64_t outputs = elements_of(node.output(0));
  if (outputs < 0 || !weight || !weight->shape) return -1;
  auto dim = [&](size_t i) { return i < weight->shape->size() ? (*weight->shape)[i].value : -1; };
  const int64_t weights = elements_of(weight);
  if (node.is("Conv")) return weights < 0 || dim(0) <= 0 ? -1 : outputs * (weights / dim(0));
  if (node.is("ConvTranspose")) {
    const int64_t inputs = elements_of(node.input(0));
    return weights < 0 || dim(0) <= 0 || inputs < 0 ? -1 : inputs * (weights / dim(0));
  }
  const int64_t depth = node.is("Gemm")              ? dim(1 - static_cast<size_t>(weight_channel_axis(node)))
                        : weight->shape->size() >= 2 ? dim(weight->shape->size() - 2)
                                                     : -1;
  return depth < 0 ? -1 : outputs * depth;
}

MacCount count_macs(const Graph& graph, int bits) {
  MacCount count;
  for (const Node* node : graph.nodes()) {
    const int64_t macs = std::max<int64_t>(0, macs_of(*node));
    count.all += macs;
    if (macs > 0 && !is_narrow(*node, bits)) count.wide += macs;
  }
  return count;
}

}  // namespace ppq
