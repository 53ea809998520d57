#include "graph/patterns.h"

#include "passes/quantizing.h"

namespace ppq {
namespace {

using test::Quantizing;
using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

struct Model : Quantizing {
  Model() : Quantizing("(float[2] x) => (float[2] y)", "[one] a = Relu(x) [two] b = Neg(a) [Neg] y = Abs(b)") {
    node("one").name = "head/conv.1";
    node("two").name = "head/conv.2";
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
