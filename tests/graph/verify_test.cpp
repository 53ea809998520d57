#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/graph.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using testing::HasSubstr;

struct Pair {
  Graph graph;
  Value *x, *a, *b;
  Node *first, *second;
  Pair() {
    x = graph.add_value("x"), a = graph.add_value("a"), b = graph.add_value("b");
    graph.add_input(x);
    first = graph.add_node("Relu", "first", {x}, {a});
    second = graph.add_node("Relu", "second", {a}, {b});
    graph.add_output(b);
  }
  void expect_fault(const std::string& where, const std::string& what) {
    const Error error = test::thrown([&] { graph.verify(); });
    EXPECT_EQ(error.kind(), ErrorKind::Internal);
    EXPECT_EQ(error.where(), where);
    EXPECT_THAT(error.problem(), HasSubstr(what));
  }
};

TEST(Verify, AcceptsAGoodGraph) { EXPECT_NO_THROW(Pair().graph.verify()); }

TEST(Verify, NodeNamesAreUnique) {
  Pair pair;
  pair.graph.add_node("Relu", "first", {pair.b}, {pair.graph.add_value("c")});
  pair.expect_fault("node first", "used twice");
}

TEST(Verify, ValuesAreComputedBeforeTheyAreRead) {
  Pair pair;
  Value* c = pair.graph.add_value("c");
  pair.graph.set_input(pair.first, 0, c);
  pair.expect_fault("node first", "c is not computed before");
  pair.graph.add_node("Relu", "third", {pair.x}, {c});
  pair.expect_fault("node first", "c is not computed before");
  pair.graph.sort();
  EXPECT_NO_THROW(pair.graph.verify());
}

TEST(Verify, OutputsAreComputed) {
  Pair pair;
  pair.graph.remove_node(pair.second);
  pair.expect_fault("value b", "never computed");
}

TEST(Verify, LinksStayInsideTheGraph) {
  Pair pair, other;
  pair.graph.set_input(pair.second, 0, other.x);
  pair.expect_fault("node second", "another graph");
}

TEST(Verify, QuantizationSlotsBelongToInputsAndOutputs) {
  Pair pair;
  pair.first->input_quant.resize(2);
  pair.expect_fault("node first", "more quantization slots");
  pair.first->input_quant.clear();
  pair.first->output_quant.resize(2);
  pair.expect_fault("node first", "more quantization slots");
}

TEST(Verify, SubgraphsReadWhatIsThere) {
  Pair pair;
  auto body = std::make_shared<Graph>();
  Value* out = body->add_value("out");
  body->add_node("Relu", "inner", {body->add_outer_value("b")}, {out});
  body->add_output(out);
  pair.first->attributes.set("body", body);
  pair.expect_fault("node first", "b is not computed before");
}

}  // namespace
}  // namespace ppq
