#include "analysis/macs.h"

#include <gtest/gtest.h>

#include "ppq/onnx.h"

namespace ppq::test {
namespace {

TensorQuantPtr of_bits(int bits) {
  auto quant = std::make_shared<TensorQuant>();
  quant->scheme.bits = bits;
  return quant;
}

/// Two layers and what lies between: 4·3·9·64 and 5·4 MACs (tests/apps/inspect_test.cpp has every operator).
struct TwoLayers {
  std::unique_ptr<Graph> graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,3,8,8] x, float[4,3,3,3] w, float[5,4] v) => (float[N,5] y) {"
      " [conv] c = Conv<pads = [1,1,1,1]>(x, w) [pool] p = GlobalAveragePool(c) [flat] f = Flatten(p) [gemm] y = Gemm<transB = 1>(f, v) }");
  static constexpr int64_t kConv = 4 * 3 * 9 * 64, kGemm = 5 * 4;
};

TEST(Macs, OfLayersAlone) {
  const TwoLayers net;
  EXPECT_EQ(macs_of(*net.graph->find_node("conv")), TwoLayers::kConv);
  EXPECT_EQ(macs_of(*net.graph->find_node("gemm")), TwoLayers::kGemm);
  EXPECT_EQ(macs_of(*net.graph->find_node("pool")), 0);
  EXPECT_EQ(elements_of(net.graph->find_value("c")), 4 * 64) << "a symbolic batch counts once";
  EXPECT_EQ(elements_of(nullptr), -1);
}

TEST(Macs, AreWideWhereTheDataIsWiderOrFloat) {
  const TwoLayers net;
  Node *conv = net.graph->find_node("conv"), *gemm = net.graph->find_node("gemm");
  EXPECT_EQ(count_macs(*net.graph, 8).all, TwoLayers::kConv + TwoLayers::kGemm);
  EXPECT_EQ(count_macs(*net.graph, 8).wide, TwoLayers::kConv + TwoLayers::kGemm) << "nothing is quantized";
  for (Node* node : {conv, gemm}) {
    node->quantized = true;
    node->input_quant = {of_bits(8), of_bits(8)};
  }
  EXPECT_EQ(count_macs(*net.graph, 8).wide, 0);
  gemm->input_quant[0] = of_bits(16);
  EXPECT_EQ(count_macs(*net.graph, 8).wide, TwoLayers::kGemm);
  EXPECT_EQ(count_macs(*net.graph, 16).wide, 0);
  conv->input_quant[0] = nullptr;
  EXPECT_EQ(count_macs(*net.graph, 16).wide, TwoLayers::kConv);
}

}  // namespace
}  // namespace ppq::test
