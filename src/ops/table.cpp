#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "ops/families.h"
#include "ops/op.h"

namespace ppq::ops {
namespace {

std::vector<OpRow> sorted_rows() {
  std::vector<OpRow> rows;
  for (auto family : kFamilies) {
    auto part = family();
    rows.insert(rows.end(), part.begin(), part.end());
  }
  auto key = [](const OpRow& r) { return std::make_tuple(std::string_view(r.domain), std::string_view(r.type), r.since); };
  std::sort(rows.begin(), rows.end(), [&](const OpRow& a, const OpRow& b) { return key(a) < key(b); });
  return rows;
}

const std::vector<OpRow>& table() {
  static const std::vector<OpRow> rows = sorted_rows();
  return rows;
}

}  // namespace

const OpRow* find_op(std::string_view domain, std::string_view type, int64_t opset) {
  if (domain == "ai.onnx") domain = "";
  const OpRow* found = nullptr;
  for (const OpRow& row : table())
    if (row.type == type && row.domain == domain && row.since <= opset) found = &row;
  return found;
}

size_t least_inputs(const Node& node) {
  using Counts = std::unordered_map<std::string_view, size_t>;
  // Those that their kernels read unasked, as the operators' descriptions have them.
  static const Counts microsoft = {{"Attention", 2},
                                   {"MultiHeadAttention", 1},
                                   {"RotaryEmbedding", 4},
                                   {"SkipLayerNormalization", 3},
                                   {"SkipSimplifiedLayerNormalization", 3},
                                   {"EmbedLayerNormalization", 7},
                                   {"Gelu", 1},
                                   {"BiasGelu", 2},
                                   {"FastGelu", 1},
                                   {"QuickGelu", 1},
                                   {"QLinearAdd", 7},
                                   {"QLinearMul", 7},
                                   {"QLinearAveragePool", 4},
                                   {"QLinearGlobalAveragePool", 4},
                                   {"QLinearConcat", 5},
                                   {"QLinearSigmoid", 4},
                                   {"QLinearLeakyRelu", 4},
                                   {"QLinearSoftmax", 4},
                                   {"FusedConv", 2},
                                   {"FusedMatMul", 2},
                                   {"FusedGemm", 2},
                                   {"MatMulIntegerToFloat", 4},
                                   {"DynamicQuantizeMatMul", 3},
                                   {"QGemm", 6},
                                   {"LayerNormalization", 2},
                                   {"SimplifiedLayerNormalization", 2},
                                   {"QuantizeLinear", 2},
                                   {"DequantizeLinear", 2},
                                   {"GridSample", 2}};
  static const Counts open_mmlab = {{"grid_sampler", 2}, {"MMCVRoiAlign", 2}};
  // Of later opsets, or of none.
  static const Counts early = {{"LayerNormalization", 2}, {"SimplifiedLayerNormalization", 2}};
  const Counts& counts = node.domain == "com.microsoft"                       ? microsoft
                         : node.domain == "mmcv" || node.domain == "mmdeploy" ? open_mmlab
                                                                              : early;
  const auto found = counts.find(node.op_type);
  return found == counts.end() ? 0 : found->second;
}

std::vector<OpRow> all_ops() { return table(); }

}  // namespace ppq::ops
