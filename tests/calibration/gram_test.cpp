#include "calibration/gram.h"

#include <ATen/ATen.h>

#include "passes/rewritten.h"
#include "ppq/ppq.h"
#include "support/op_run.h"

namespace ppq::test {
namespace {

/// A graph of one layer "layer" whose weight W is random.
std::unique_ptr<Graph> layer(const std::string& signature, const std::string& body) {
  return parse_model("<ir_version: 8, opset_import: [\"\" : 15]> g " + signature + " {" + body + "}", {"W"});
}

/// Σ y² of each output channel (of axis `axis`), which is w H wᵀ where H sees every place.
void expect_energy(const std::string& signature, const std::string& body, const at::Tensor& x, int64_t axis) {
  SCOPED_TRACE(body);
  const auto graph = layer(signature, body);
  const Node* node = graph->find_node("layer");
  GramStatistic gram(node);
  gram.observe(x, x.size(0));
  const at::Tensor y = run(*lower(*graph, {}), {x})[0].to(at::kDouble);
  const at::Tensor expected = y.transpose(0, axis).reshape({y.size(axis), -1}).square().sum(1);
  ASSERT_EQ(gram.squares().size(), 1u);
  EXPECT_EQ(gram.count(), y.numel() / y.size(axis));
  const at::Tensor rows = weight_rows(*node, node->constant_input(1)).to(at::kDouble), squares = gram.squares()[0].to(at::kDouble);
  const at::Tensor got = (at::bmm(rows, squares) * rows).sum(2).reshape({-1});
  EXPECT_TRUE(at::allclose(got, expected, 1e-4, 1e-6)) << got << expected;
  const at::Tensor sums = y.transpose(0, axis).reshape({y.size(axis), -1}).sum(1);
  EXPECT_TRUE(at::allclose((rows * gram.sums().unsqueeze(1)).sum(2).reshape({-1}), sums, 1e-4, 1e-5));
  EXPECT_TRUE(
      weight_from_rows(*node, weight_rows(*node, node->constant_input(1)), node->constant_input(1).sizes()).equal(node->constant_input(1)));
}

TEST(Gram, GivesTheEnergyOfEveryOutput) {
  at::manual_seed(1);
  const at::Tensor image = at::randn({2, 4, 7, 6});
  expect_energy("(float[N,4,7,6] x, float[3,4,3,2] W) => (float y)", "[layer] y = Conv <pads = [1, 0, 0, 1]> (x, W)", image, 1);
  expect_energy("(float[N,4,7,6] x, float[6,2,3,3] W) => (float y)", "[layer] y = Conv <group = 2, strides = [2, 1]> (x, W)", image, 1);
  expect_energy("(float[N,4,7,6] x, float[8,1,2,2] W) => (float y)", "[layer] y = Conv <group = 4, dilations = [2, 3]> (x, W)", image, 1);
  expect_energy("(float[N,4,7,6] x, float[3,4,3,3] W) => (float y)",
                "[layer] y = Conv <auto_pad = \"SAME_LOWER\", strides = [2, 2]> (x, W)", image, 1);
  expect_energy("(float[N,4,9] x, float[3,4,3] W) => (float y)", "[layer] y = Conv <pads = [-1, 2]> (x, W)", at::randn({3, 4, 9}), 1);
  expect_energy("(float[N,5] x, float[5,3] W) => (float[N,3] y)", "[layer] y = Gemm (x, W)", at::randn({4, 5}), 1);
  expect_energy("(float[N,5] x, float[3,5] W) => (float[N,3] y)", "[layer] y = Gemm <transB = 1> (x, W)", at::randn({4, 5}), 1);
  expect_energy("(float[N,2,6,5] x, float[5,3] W) => (float[N,2,6,3] y)", "[layer] y = MatMul (x, W)", at::randn({3, 2, 6, 5}), 3);
}

TEST(Gram, LooksAtSomePlacesOfLargeTensorsAlikeInEverySample) {
  const auto graph = layer("(float[N,3,40,40] x, float[2,3,1,1] W) => (float y)", "[layer] y = Conv (x, W)");
  at::manual_seed(2);
  const at::Tensor x = at::randn({4, 3, 40, 40});
  GramStatistic together(graph->find_node("layer")), first(graph->find_node("layer")), rest(graph->find_node("layer"));
  together.observe(x, 4);
  EXPECT_EQ(together.count(), 4 * 64);  // every fifth of 40 × 40
  // By the definition.
  at::Tensor expected = at::zeros({3, 3}, at::kDouble);
  for (int n = 0; n < 4; ++n)
    for (int i = 0; i < 40; i += 5)
      for (int j = 0; j < 40; j += 5) {
        const at::Tensor place = x[n].select(1, i).select(1, j).to(at::kDouble);
        expected += at::outer(place, place);
      }
  EXPECT_TRUE(at::allclose(together.squares()[0][0].to(at::kDouble), expected, 1e-5, 1e-3));
  first.observe(x.slice(0, 0, 1), 1), rest.observe(x.slice(0, 1), 3);
  first.merge(rest);
  EXPECT_EQ(first.count(), together.count());
  EXPECT_TRUE(at::allclose(first.squares()[0], together.squares()[0], 1e-5, 1e-3));
  EXPECT_TRUE(at::allclose(first.sums(), together.sums(), 1e-12));
}

TEST(Gram, WideLayersAreDividedIntoBlocksOfColumns) {
  const auto graph = layer("(float[N,2500] x, float[2,2500] W) => (float[N,2] y)", "[layer] y = Gemm <transB = 1> (x, W)");
  const Node* node = graph->find_node("layer");
  EXPECT_EQ(GramStatistic::bytes_for(*node), size_t{2500} * 2304 * 4);
  GramStatistic gram(node);
  EXPECT_FALSE(gram.seen());
  at::manual_seed(3);
  const at::Tensor x = at::randn({2, 2500}, at::kDouble).to(at::kFloat), exact = x.to(at::kDouble);
  gram.observe(x, 2);
  ASSERT_EQ(gram.squares().size(), 2u);
  EXPECT_TRUE(at::allclose(gram.squares()[1][0].to(at::kDouble), at::mm(exact.slice(1, 2304).t(), exact.slice(1, 2304)), 1e-5, 1e-5));
  EXPECT_EQ(gram.sums().size(1), 2500);
}

}  // namespace
}  // namespace ppq::test
