#include "executor/fused.h"

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
  EXPECT_TRUE(is_fused_interior(*f.a, Pinned(*f.graph)));
  EXPECT_FALSE(is_fused_interior(*f.graph->find_value("y"), Pinned(*f.graph)));
  EXPECT_FALSE(is_fused_interior(*f.graph->find_value("x"), Pinned(*f.graph)));
}

TEST(FusedInterior, NeedsOneQuantizationThroughout) {
  Fused f;
  f.second->output_quant = {std::make_shared<TensorQuant>()};
  EXPECT_FALSE(is_fused_interior(*f.a, Pinned(*f.graph))) << "the activation has a range of its own";
  f.second->output_quant = {f.quant};
  f.second->input_quant = {nullptr};
  EXPECT_FALSE(is_fused_interior(*f.a, Pinned(*f.graph)));
  f.second->input_quant = {f.quant};
  f.first->output_quant.clear();
  EXPECT_FALSE(is_fused_interior(*f.a, Pinned(*f.graph)));
}

TEST(FusedInterior, OthersMustNotSeeTheTensor) {
  Fused f;
  Value* z = f.graph->add_value("z");
  f.graph->add_node("Abs", "abs", {f.a}, {z});
  EXPECT_FALSE(is_fused_interior(*f.a, Pinned(*f.graph))) << "a second reader";
  Fused out;
  out.graph->add_output(out.a);
  EXPECT_FALSE(is_fused_interior(*out.a, Pinned(*out.graph))) << "a graph output";
  Fused read;
  auto body = std::make_shared<Graph>();
  Value* result = body->add_value("result");
  body->add_node("Abs", "inside", {body->add_outer_value("a")}, {result});
  body->add_output(result);
  Node* choose = read.graph->add_node("If", "choose", {read.graph->find_value("x")}, {read.graph->add_value("chosen")});
  choose->attributes.set("then_branch", body);
  EXPECT_FALSE(is_fused_interior(*read.a, Pinned(*read.graph))) << "a sub-graph";
}

TEST(FusedInterior, OnlyActivationsFuse) {
  Fused f;
  f.second->op_type = "Reshape";
  EXPECT_FALSE(is_fused_interior(*f.a, Pinned(*f.graph)));
}

}  // namespace
}  // namespace ppq
