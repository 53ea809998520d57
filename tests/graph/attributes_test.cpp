#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/graph.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Attributes, AbsentOnesGiveTheFallback) {
  const Attributes none;
  EXPECT_EQ(none.get_int("a", 7), 7);
  EXPECT_EQ(none.get_float("a", 0.5f), 0.5f);
  EXPECT_EQ(none.get_string("a", "x"), "x");
  EXPECT_THAT(none.get_ints("a", {1, 2}), ElementsAre(1, 2));
  EXPECT_THAT(none.get_floats("a"), ElementsAre());
  EXPECT_FALSE(none.get_tensor("a").defined());
  EXPECT_EQ(none.get_graph("a"), nullptr);
  EXPECT_FALSE(none.has("a"));
}

TEST(Attributes, SetReplacesAndKeepsTheFilesOrder) {
  Attributes attributes;
  attributes.set("b", int64_t{1});
  attributes.set("a", 2.5f);
  attributes.set("b", int64_t{3});
  EXPECT_EQ(attributes.size(), 2u);
  EXPECT_EQ(attributes.get_int("b", 0), 3);
  EXPECT_EQ(attributes.get_float("a", 0), 2.5f);
  EXPECT_EQ(attributes.begin()->first, "b");
  attributes.erase("b");
  EXPECT_FALSE(attributes.has("b"));
  EXPECT_EQ(attributes.size(), 1u);
}

TEST(Attributes, WrongTypesNameBoth) {
  Attributes attributes;
  attributes.set("axis", 1.0f);
  attributes.set("pads", std::vector<int64_t>{1});
  const Error error = thrown([&] { attributes.get_int("axis", 0); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_EQ(error.where(), "attribute axis");
  EXPECT_EQ(error.problem(), "wrong type: got float, expected int");
  EXPECT_THAT(thrown([&] { attributes.get_string("pads", ""); }).problem(), HasSubstr("got ints, expected string"));
  EXPECT_THAT(thrown([&] { attributes.get_graph("pads"); }).problem(), HasSubstr("expected graph"));
  EXPECT_THAT(thrown([&] { attributes.get_tensor("pads"); }).problem(), HasSubstr("expected tensor"));
}

}  // namespace
}  // namespace ppq
