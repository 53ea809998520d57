#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Graph> model(const std::string& body) {
  return read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17, \"made.up\" : 3]> g (bool go, float[2] x) => (float[2] y) {" + body + "}",
      {.infer_shapes = false, .check = false});
}

TEST(Supported, ListsEveryUnknownNodeWithItsOpset) {
  auto graph = model("[one] a = made.up.Wobble(x) [two] b = Relu(a) [three] y = NoSuchOp(b)");
  EXPECT_THAT(unsupported_nodes(*graph), ElementsAre("one (made.up.Wobble, opset 3)", "three (NoSuchOp, opset 17)"));
  const Error error = thrown([&] { check_supported(*graph); });
  EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("2 node(s)"), HasSubstr("one (made.up.Wobble"), HasSubstr("three (NoSuchOp")));
  EXPECT_EQ(thrown([&] { lower(*graph, {}); }).what(), std::string(error.what())) << "lowering says the same";
}

TEST(Supported, LooksIntoSubgraphs) {
  auto graph = model(
      "y = If (go) <then_branch = t () => (float[2] p) { [deep] p = NoSuchOp(x) }, else_branch = e () => (float[2] q) { q = Neg(x) }>");
  EXPECT_THAT(unsupported_nodes(*graph), ElementsAre("deep (NoSuchOp, opset 17)"));
}

TEST(Supported, AnOperatorOfAnotherDomainIsAnother) {
  auto graph = model("[r] y = made.up.Relu(x)");
  EXPECT_THAT(unsupported_nodes(*graph), ElementsAre("r (made.up.Relu, opset 3)"));
}

TEST(Supported, AGoodModelPasses) {
  auto graph = model("a = Relu(x) y = Neg(a)");
  EXPECT_THAT(unsupported_nodes(*graph), ElementsAre());
  EXPECT_NO_THROW(check_supported(*graph));
}

TEST(Supported, LongListsAreCut) {
  std::string body, last = "x";
  for (int i = 0; i < 30; ++i) {
    const std::string next = i == 29 ? "y" : "v" + std::to_string(i);
    body += next + " = NoSuchOp(" + last + ") ";
    last = next;
  }
  auto graph = model(body);
  EXPECT_EQ(unsupported_nodes(*graph).size(), 30u);
  EXPECT_THAT(thrown([&] { check_supported(*graph); }).what(), testing::AllOf(HasSubstr("30 node(s)"), HasSubstr("and 10 more")));
}

}  // namespace
}  // namespace ppq
