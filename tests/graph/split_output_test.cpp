#include "graph/split_output.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/ppq.h"
#include "support/op_run.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Graph> network(const std::string& signature, const std::string& body) {
  return read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g " + signature + " {" + body + "}");
}

std::vector<std::string> outputs_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const Value* value : graph.outputs()) names.push_back(value->name());
  return names;
}

TEST(SplitOutput, PartsTakeItsPlace) {
  const auto graph = network("(float[1,2,4] x) => (float[1,2,4] first, float[1,4,4] y, float[1,2,4] last)",
                             "first = Neg(x) a = Abs(x) b = Exp(x) [join] y = Concat<axis = -2>(a, b) last = Sin(x)");
  auto split = graph->clone();
  const OutputSplit found = split_output(*split, "y", "--split-output");
  split->verify();
  EXPECT_THAT(outputs_of(*split), ElementsAre("first", "a", "b", "last"));
  EXPECT_THAT(found.parts, ElementsAre("a", "b"));
  ASSERT_EQ(found.steps.size(), 1u);
  EXPECT_EQ(found.steps[0].op, "Concat");
  EXPECT_THAT(found.steps[0].inputs, ElementsAre("a", "b"));
  EXPECT_THAT(found.steps[0].numbers, ElementsAre(-2));
  const at::Tensor x = at::linspace(-2, 2, 8).reshape({1, 2, 4});
  const Tensors whole = run(*lower(*graph, {}), {x}), parts = run(*lower(*split, {}), {x});
  EXPECT_TENSOR(at::cat({parts[1], parts[2]}, 1), whole[1]);
  EXPECT_TENSOR(parts[3], whole[2]);
}

/// Concats of Concats, with movement between: as far as something is computed. The last parts have only movement above them.
TEST(SplitOutput, LooksThroughMovementAndConcats) {
  const auto graph = network("(float[1,2,4] x, int64[2] to) => (float[8,3] y)",
                             "a = Abs(x) b = Exp(x) c = Neg(x) turned = Transpose<perm = [0,2,1]>(c) [inner] d = Concat<axis = 1>(a, b) "
                             "[turn] e = Transpose<perm = [0,2,1]>(d) [outer] f = Concat<axis = 2>(e, turned) [flat] y = Reshape(f, to)");
  Value* to = graph->find_value("to");
  graph->remove_input(to);
  graph->make_constant(to, at::tensor({8, 3}, at::kLong));
  auto split = graph->clone();
  const OutputSplit found = split_output(*split, "y", "--split-output");
  EXPECT_THAT(found.parts, ElementsAre("a", "b", "turned"));
  std::vector<std::string> steps;
  for (const auto& step : found.steps) steps.push_back(step.op + " " + step.output);
  EXPECT_THAT(steps, ElementsAre("Concat d", "Transpose e", "Concat f", "Reshape y"));
  EXPECT_THAT(found.steps[3].numbers, ElementsAre(8, 3));
  const at::Tensor x = at::linspace(-2, 2, 8).reshape({1, 2, 4});
  const Tensors parts = run(*lower(*split, {}), {x});
  EXPECT_TENSOR(at::cat({at::cat({parts[0], parts[1]}, 1).permute({0, 2, 1}), parts[2]}, 2).reshape({8, 3}),
                run(*lower(*graph, {}), {x})[0]);
}

TEST(SplitOutput, APartThatIsAnOutputStaysOne) {
  const auto graph = network("(float[2] x) => (float[4] y, float[2] a)", "a = Abs(x) [join] y = Concat<axis = 0>(a, a)");
  const OutputSplit found = split_output(*graph, "y", "--split-output");
  EXPECT_THAT(outputs_of(*graph), ElementsAre("a"));
  EXPECT_THAT(found.steps[0].inputs, ElementsAre("a", "a"));
}

TEST(SplitOutput, IsOfferedOnlyWhereItCanBeDone) {
  const auto joins = [](const std::string& body) {
    return joined_by(*network("(float[2] x) => (float[4] y)", body)->find_value("y")).size();
  };
  EXPECT_EQ(joins("a = Abs(x) y = Concat<axis = 0>(a, a)"), 1u);
  EXPECT_EQ(joins("a = Abs(x) y = Concat<axis = 0>(a, x)"), 0u);
  EXPECT_EQ(joins("a = Abs(x) b = Concat<axis = 0>(a, a) y = Neg(b)"), 0u);
}

TEST(SplitOutput, ErrorsSayWhatIsThere) {
  const auto refused = [](const std::string& name, const std::string& signature, const std::string& body) {
    const auto graph = network(signature, body);
    return thrown([&] { split_output(*graph, name, "--split-output"); });
  };
  const Error unknown = refused("boxs", "(float[2] x) => (float[4] boxes)", "a = Abs(x) boxes = Concat<axis = 0>(a, a)");
  EXPECT_EQ(unknown.kind(), ErrorKind::Usage);
  EXPECT_THAT(unknown.hint(), HasSubstr("boxes"));
  const Error none = refused("y", "(float[2] x) => (float[2] y)", "a = Abs(x) b = Concat<axis = 0>(a) [neg] y = Neg(b)");
  EXPECT_EQ(none.kind(), ErrorKind::Usage);
  EXPECT_THAT(none.what(), HasSubstr("no Concat makes output 'y': it comes from 'neg' (Neg)"));
  const Error input = refused("y", "(float[2] x) => (float[4] y)", "a = Abs(x) y = Concat<axis = 0>(a, x)");
  EXPECT_EQ(input.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(input.what(), HasSubstr("part 'x' of output 'y' is an input"));
  const Error open = refused("y", "(float[2] x, int64[1] s) => (float[N] y)", "a = Abs(x) b = Concat<axis = 0>(a, a) y = Reshape(b, s)");
  EXPECT_EQ(open.kind(), ErrorKind::Usage) << "where it puts the elements is not known before it runs";
}

}  // namespace
}  // namespace ppq::test
