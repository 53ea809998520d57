#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/graph.h"
#include "ppq/onnx.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names_of(const std::vector<Node*>& nodes) {
  std::vector<std::string> names;
  for (const Node* node : nodes) names.push_back(node->name);
  return names;
}

/// x -> A -> a -> B -> b -> C -> c, output c.
struct Chain {
  Graph graph;
  Value *x, *a, *b, *c;
  Node *na, *nb, *nc;
  Chain() {
    x = graph.add_value("x"), a = graph.add_value("a"), b = graph.add_value("b"), c = graph.add_value("c");
    graph.add_input(x);
    na = graph.add_node("Relu", "A", {x}, {a});
    nb = graph.add_node("Identity", "B", {a}, {b});
    nc = graph.add_node("Relu", "C", {b}, {c});
    graph.add_output(c);
  }
};

TEST(Graph, KnowsProducersAndEachUse) {
  Graph graph;
  Value *x = graph.add_value("x"), *y = graph.add_value("y");
  graph.add_input(x);
  Node* node = graph.add_node("Add", "add", {x, x}, {y});
  ASSERT_EQ(x->uses().size(), 2u);
  EXPECT_EQ(x->uses()[0].index, 0u);
  EXPECT_EQ(x->uses()[1].index, 1u);
  EXPECT_EQ(y->producer(), node);
  EXPECT_EQ(node->input(5), nullptr);
  EXPECT_FALSE(node->constant_input(0).defined());
  graph.set_input(node, 1, nullptr);
  EXPECT_EQ(x->uses().size(), 1u);
  graph.set_inputs(node, {nullptr, x, x});
  EXPECT_EQ(x->uses().size(), 2u);
  graph.verify();
}

TEST(Graph, NamesAreUnique) {
  Chain chain;
  EXPECT_EQ(thrown([&] { chain.graph.add_value("a"); }).kind(), ErrorKind::Model);
  EXPECT_EQ(thrown([&] { chain.graph.add_value(""); }).kind(), ErrorKind::Internal);
  EXPECT_EQ(thrown([&] { chain.graph.rename(chain.a, "b"); }).kind(), ErrorKind::Internal);
  EXPECT_EQ(chain.graph.unique_name("a"), "a_1");
  EXPECT_EQ(chain.graph.unique_name("A"), "A_1") << "node names count too";
  EXPECT_EQ(chain.graph.unique_name("new"), "new");
  chain.graph.rename(chain.a, "q");
  EXPECT_EQ(chain.graph.find_value("q"), chain.a);
  EXPECT_EQ(chain.graph.find_value("a"), nullptr);
  chain.graph.verify();
}

TEST(Graph, AValueHasOneProducer) {
  Chain chain;
  const Error error = thrown([&] { chain.graph.add_node("Relu", "D", {chain.x}, {chain.a}); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("value a"), HasSubstr("A"), HasSubstr("D")));
  EXPECT_EQ(chain.x->uses().size(), 1u) << "the refused node left no trace";
  chain.graph.verify();
  Value* constant = chain.graph.add_constant("k", at::zeros({1}));
  EXPECT_EQ(thrown([&] { chain.graph.add_node("Relu", "D", {chain.x}, {constant}); }).kind(), ErrorKind::Model);
}

TEST(Graph, ConstantsFollowTheirTensor) {
  Graph graph;
  Value* k = graph.add_constant("k", at::zeros({2, 3}).t());
  EXPECT_TRUE(k->is_constant());
  EXPECT_TRUE(k->constant().is_contiguous());
  EXPECT_EQ(to_string(*k->shape), "[3, 2]");
  k->set_constant(at::zeros({1}, at::kLong));
  EXPECT_EQ(k->dtype, DataType::Int64);
  EXPECT_EQ(graph.constants().size(), 1u);
  graph.remove_value(k);
  EXPECT_TRUE(graph.constants().empty());
}

TEST(Graph, MakeConstantCutsTheProducer) {
  Chain chain;
  chain.graph.make_constant(chain.a, at::ones({2}));
  EXPECT_EQ(chain.a->producer(), nullptr);
  EXPECT_EQ(chain.na->output(), nullptr);
  chain.graph.remove_node(chain.na);
  chain.graph.make_constant(chain.a, at::ones({2}));
  EXPECT_EQ(chain.graph.constants().size(), 1u) << "listed once";
  chain.graph.verify();
}

TEST(Graph, ValuesInUseCannotBeRemoved) {
  Chain chain;
  for (Value* value : {chain.x, chain.a, chain.c}) EXPECT_EQ(thrown([&] { chain.graph.remove_value(value); }).kind(), ErrorKind::Internal);
}

TEST(Graph, ReplaceUsesMovesReadersAndOutputs) {
  Chain chain;
  Value* d = chain.graph.add_value("d");
  chain.graph.add_node("Relu", "D", {chain.x}, {d}, chain.nb);
  EXPECT_THAT(names_of(chain.graph.nodes()), ElementsAre("A", "D", "B", "C"));
  chain.graph.replace_uses(chain.a, d);
  EXPECT_EQ(chain.nb->input(0), d);
  EXPECT_TRUE(chain.a->uses().empty());
  chain.graph.replace_uses(chain.c, d);
  EXPECT_THAT(chain.graph.outputs(), ElementsAre(d));
  EXPECT_TRUE(d->is_graph_output());
  EXPECT_FALSE(chain.c->is_graph_output());
  chain.graph.replace_uses(d, d);
  EXPECT_EQ(d->uses().size(), 1u);
  chain.graph.verify();
}

TEST(Bypass, JoinsNeighbours) {
  Chain chain;
  ASSERT_TRUE(chain.graph.bypass(chain.nb));
  EXPECT_EQ(chain.nc->input(0), chain.a);
  EXPECT_EQ(chain.graph.find_value("b"), nullptr);
  EXPECT_THAT(names_of(chain.graph.nodes()), ElementsAre("A", "C"));
  chain.graph.verify();
}

TEST(Bypass, AGraphOutputKeepsItsName) {
  Chain chain;
  Value* d = chain.graph.add_value("d");
  chain.graph.add_node("Relu", "D", {chain.c}, {d});
  ASSERT_TRUE(chain.graph.bypass(chain.nc));
  ASSERT_EQ(chain.graph.outputs().size(), 1u);
  EXPECT_EQ(chain.graph.outputs()[0]->name(), "c");
  EXPECT_EQ(chain.graph.outputs()[0]->producer(), chain.nb);
  EXPECT_EQ(d->producer()->input(0)->name(), "c") << "other readers follow";
  EXPECT_EQ(chain.graph.find_value("b"), nullptr);
  chain.graph.verify();
}

TEST(Bypass, RefusesWhereNamesCannotStay) {
  Graph graph;
  Value *x = graph.add_value("x"), *y = graph.add_value("y"), *k = graph.add_constant("k", at::ones({1})), *z = graph.add_value("z");
  graph.add_input(x);
  Node* through = graph.add_node("Identity", "through", {x}, {y});
  Node* fixed = graph.add_node("Identity", "fixed", {k}, {z});
  graph.add_output(y), graph.add_output(z);
  EXPECT_FALSE(graph.bypass(through)) << "a graph input straight to a graph output";
  EXPECT_FALSE(graph.bypass(fixed)) << "a constant as graph output";
  EXPECT_EQ(graph.node_count(), 2u);
  graph.verify();

  Chain chain;
  chain.graph.add_output(chain.b);
  EXPECT_FALSE(chain.graph.bypass(chain.nc)) << "both sides are graph outputs";
  chain.graph.verify();
}

TEST(Sort, KeepsTheOrderWhereItIsFree) {
  Graph graph;
  Value *x = graph.add_value("x"), *a = graph.add_value("a"), *b = graph.add_value("b"), *c = graph.add_value("c"),
        *d = graph.add_value("d");
  graph.add_input(x);
  graph.add_node("Add", "last", {a, b}, {d});
  graph.add_node("Relu", "second", {x}, {b});
  graph.add_node("Relu", "first", {x}, {a});
  graph.add_node("Relu", "free", {x}, {c});
  graph.add_output(d);
  EXPECT_EQ(thrown([&] { graph.verify(); }).kind(), ErrorKind::Internal);
  graph.sort();
  EXPECT_THAT(names_of(graph.nodes()), ElementsAre("second", "first", "last", "free"));
  graph.verify();
}

TEST(Sort, NamesTheNodesOfACycle) {
  Chain chain;
  chain.graph.set_input(chain.nb, 0, chain.c);
  const Error error = thrown([&] { chain.graph.sort(); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("cycle"), HasSubstr("B, C")));
  EXPECT_EQ(chain.graph.node_count(), 3u) << "nothing is lost";
}

TEST(Sort, SeesWhatSubgraphsRead) {
  Graph graph;
  Value *x = graph.add_value("x"), *go = graph.add_value("go"), *a = graph.add_value("a"), *y = graph.add_value("y");
  graph.add_input(x), graph.add_input(go);
  auto branch = [] {
    auto body = std::make_shared<Graph>();
    Value* out = body->add_value("out");
    body->add_node("Relu", "inner", {body->add_outer_value("a")}, {out});
    body->add_output(out);
    return body;
  };
  Node* choose = graph.add_node("If", "choose", {go}, {y});
  choose->attributes.set("then_branch", branch());
  choose->attributes.set("else_branch", branch());
  graph.add_node("Relu", "before", {x}, {a});
  graph.add_output(y);
  graph.sort();
  EXPECT_THAT(names_of(graph.nodes()), ElementsAre("before", "choose"));
  EXPECT_THAT(graph.implicit_and_explicit_inputs(*choose), ElementsAre(go, a, a));
  graph.verify();
}

TEST(Opsets, DefaultDomainHasTwoNames) {
  Graph graph;
  graph.opsets = {{"", 17}, {"com.microsoft", 1}};
  EXPECT_EQ(graph.opset(), 17);
  EXPECT_EQ(graph.opset("ai.onnx"), 17);
  EXPECT_EQ(graph.opset("com.microsoft"), 1);
  EXPECT_EQ(graph.opset("other"), 0);
  graph.opsets = {{"ai.onnx", 13}};
  EXPECT_EQ(graph.opset(""), 13);
}

}  // namespace
}  // namespace ppq
