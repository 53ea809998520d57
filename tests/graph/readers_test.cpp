#include "graph/readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/onnx.h"

namespace ppq {
namespace {

using testing::SizeIs;

std::unique_ptr<Graph> model(const std::string& text) { return read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g " + text); }

TEST(OnlyReader, IsTheOneNodeThatReadsAValueOnce) {
  const auto graph = model("(float[2] x) => (float[2] y, float[2] b) { a = Relu(x) b = Neg(a) c = Abs(b) y = Add(c, x) }");
  const Pinned pinned(*graph);
  const auto reader = [&](const char* name) { return only_reader(graph->find_value(name), pinned); };
  ASSERT_NE(reader("a"), nullptr);
  EXPECT_EQ(reader("a")->op_type, "Neg");
  EXPECT_EQ(reader("b"), nullptr) << "a graph output";
  EXPECT_EQ(reader("x"), nullptr) << "two readers";
  EXPECT_EQ(reader("y"), nullptr) << "none";
  EXPECT_EQ(only_reader(nullptr, pinned), nullptr);
}

TEST(Pinned, HoldsWhatBranchesReadAtAnyDepth) {
  const auto graph = model(R"((bool go, float[2] x) => (float[2] y) <float[2] k = {1, 2}> {
    a = Relu(x) b = Neg(a) c = Abs(b) d = Neg(c)
    y = If (go) <
      then_branch = t () => (float[2] p) {
        a2 = Add(b, k)
        p = If (go) <then_branch = tt () => (float[2] u) { u = Add(c, a2) }, else_branch = te () => (float[2] v) { v = Neg(a2) }>
      },
      else_branch = e () => (float[2] q) { q = Abs(d) }>
  })");
  const Pinned pinned(*graph);
  for (const char* name : {"b", "c", "d", "k", "go"}) EXPECT_TRUE(pinned.captured(graph->find_value(name))) << name;
  for (const char* name : {"a", "x", "y"}) EXPECT_FALSE(pinned.captured(graph->find_value(name))) << name;
  EXPECT_TRUE(pinned(graph->find_value("y"))) << "a graph output";
  EXPECT_FALSE(pinned(graph->find_value("a")));
  EXPECT_EQ(only_reader(graph->find_value("b"), pinned), nullptr) << "Abs reads it, and a branch does";
  EXPECT_NE(only_reader(graph->find_value("a"), pinned), nullptr);
}

TEST(Pinned, HoldsWhatLoopsRead) {
  const auto graph = model(R"((int64 M, bool go, float[2] x) => (float[2] y) {
    a = Relu(x) b = Neg(x)
    y = Loop (M, go, b) <body = l (int64 i, bool c, float[2] sum) => (bool more, float[2] next) { more = Identity(c) next = Add(sum, a) }>
  })");
  const Pinned pinned(*graph);
  EXPECT_TRUE(pinned.captured(graph->find_value("a")));
  EXPECT_FALSE(pinned.captured(graph->find_value("b"))) << "an input of the Loop itself";
}

TEST(SubGraphs, AreAllBodiesOfANode) {
  Graph graph;
  Node* node = graph.add_node("Custom", "node", {}, {});
  EXPECT_THAT(sub_graphs(*node), SizeIs(0));
  node->attributes.set("one", std::make_shared<Graph>());
  node->attributes.set("many", std::vector<std::shared_ptr<Graph>>{std::make_shared<Graph>(), std::make_shared<Graph>()});
  EXPECT_THAT(sub_graphs(*node), SizeIs(3));
}

}  // namespace
}  // namespace ppq
