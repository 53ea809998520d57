#include "graph/patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/error.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

/// x -> Relu -> a -> Neg -> b -> Abs -> y, the last one named as the operator before it.
struct Model {
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  Model() {
    Value *x = graph->add_value("x"), *a = graph->add_value("a"), *b = graph->add_value("b"), *y = graph->add_value("y");
    graph->add_input(x);
    graph->add_node("Relu", "head/conv.1", {x}, {a});
    graph->add_node("Neg", "head/conv.2", {a}, {b});
    graph->add_node("Abs", "Neg", {b}, {y});
    graph->add_output(y);
  }
  std::vector<std::string> matched(const std::string& pattern) const {
    std::vector<std::string> names;
    for (const Node* found : match_nodes(*graph, pattern, "--keep-float")) names.push_back(found->name);
    return names;
  }
};

TEST(Patterns, NamesAndTypesAreTakenAsTheyAre) {
  Model m;
  EXPECT_THAT(m.matched("head/conv.1"), ElementsAre("head/conv.1"));
  EXPECT_THAT(m.matched("Relu"), ElementsAre("head/conv.1"));
  EXPECT_THAT(m.matched("Neg"), ElementsAre("head/conv.2", "Neg")) << "a type and a name";
}

TEST(Patterns, ExpressionsMatchTheWholeNameOrType) {
  Model m;
  EXPECT_THAT(m.matched("head/.*"), ElementsAre("head/conv.1", "head/conv.2"));
  EXPECT_THAT(m.matched("A.s"), ElementsAre("Neg"));
  EXPECT_EQ(thrown([&] { m.matched("hea"); }).kind(), ErrorKind::Usage) << "not a part of it";
}

TEST(Patterns, EveryNodeHasOneOfItsOwn) {
  Model m;
  m.graph->add_node("Abs", "a,b(c)", {m.graph->find_value("y")}, {m.graph->add_value("z")});
  for (const Node* node : m.graph->nodes()) EXPECT_THAT(m.matched(pattern_of(*m.graph, *node)), ElementsAre(node->name));
  EXPECT_EQ(pattern_of(*m.graph, *m.graph->find_node("Neg")), "node:Neg");
  EXPECT_EQ(pattern_of(*m.graph, *m.graph->find_node("a,b(c)")).find(','), std::string::npos);
  EXPECT_EQ(thrown([&] { m.matched("node:Relu"); }).kind(), ErrorKind::Usage) << "no name";
}

TEST(Patterns, WhatMatchesNothingIsAnErrorWithCandidates) {
  Model m;
  const Error error = thrown([&] { m.matched("head/conv3"); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_EQ(error.where(), "--keep-float");
  EXPECT_THAT(error.problem(), HasSubstr("'head/conv3' matches no node name"));
  EXPECT_THAT(error.hint(), HasSubstr("head/conv.1"));
  EXPECT_THAT(thrown([&] { m.matched("(head"); }).problem(), HasSubstr("no regular expression"));
}

}  // namespace
}  // namespace ppq
