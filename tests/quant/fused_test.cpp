#include "quant/fused.h"

#include <gtest/gtest.h>

#include "ppq/onnx.h"

namespace ppq {
namespace {

/// Conv -> a -> Relu -> y, all referring to one quantization.
struct Fused {
  std::unique_ptr<Graph> graph =
      read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { a = Neg(x) y = Relu(a) })");
  Node *first = graph->nodes()[0], *second = graph->nodes()[1];
  Value* a = graph->find_value("a");
  TensorQuantPtr quant = std::make_shared<TensorQuant>();
  Fused() {
    first->output_quant = {quant};
    second->input_quant = {quant};
    second->output_quant = {quant};
  }
};

TEST(FusedInterior, IsTheTensorBeforeAFusedActivation) {
  Fused f;
  EXPECT_TRUE(is_fused_interior(*f.a));
  EXPECT_FALSE(is_fused_interior(*f.graph->find_value("y")));
  EXPECT_FALSE(is_fused_interior(*f.graph->find_value("x")));
}

TEST(FusedInterior, NeedsOneQuantizationThroughout) {
  Fused f;
  f.second->output_quant = {std::make_shared<TensorQuant>()};
  EXPECT_FALSE(is_fused_interior(*f.a)) << "the activation has a range of its own";
  f.second->output_quant = {f.quant};
  f.second->input_quant = {nullptr};
  EXPECT_FALSE(is_fused_interior(*f.a));
  f.second->input_quant = {f.quant};
  f.first->output_quant.clear();
  EXPECT_FALSE(is_fused_interior(*f.a));
}

TEST(FusedInterior, OthersMustNotSeeTheTensor) {
  Fused f;
  Value* z = f.graph->add_value("z");
  f.graph->add_node("Abs", "abs", {f.a}, {z});
  EXPECT_FALSE(is_fused_interior(*f.a)) << "a second reader";
  Fused out;
  out.graph->add_output(out.a);
  EXPECT_FALSE(is_fused_interior(*out.a)) << "a graph output";
}

TEST(FusedInterior, OnlyActivationsFuse) {
  Fused f;
  f.second->op_type = "Reshape";
  EXPECT_FALSE(is_fused_interior(*f.a));
}

}  // namespace
}  // namespace ppq
