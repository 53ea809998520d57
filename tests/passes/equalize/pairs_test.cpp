#include "passes/equalize/pairs.h"

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

using passes::EqualizationPair;
using passes::EqualizationSearch;

/// Scales the pair's channels by powers of two, which must not change the float result at all.
void expect_scale_free(Graph& graph, const std::vector<EqualizationPair>& pairs, const Tensors& inputs) {
  const Tensors before = run_float(graph, inputs);
  for (const EqualizationPair& pair : pairs) {
    const at::Tensor scale = at::exp2(at::arange(pair.channels).remainder(5) - 2.0).to(at::kFloat);
    for (Node* node : pair.upstream) passes::own_parameters(graph, *node, Pinned(graph)), passes::scale_outputs(*node, scale);
    for (Node* node : pair.downstream) passes::own_parameters(graph, *node, Pinned(graph)), passes::scale_inputs(*node, scale);
  }
  graph.verify();
  EXPECT_LE(relative_difference(run_float(graph, inputs), before), 1e-5);
}

struct Found {
  const char *what, *inputs, *outputs, *body;
  std::vector<std::string> constants;
  EqualizationSearch search;
};

class FindsPairs : public testing::TestWithParam<Found> {};

TEST_P(FindsPairs, AndScalingThemChangesNothing) {
  const Found& c = GetParam();
  auto graph = parse_model(model_text(c.inputs, c.outputs, c.body), c.constants);
  PassContext context;
  make_pass("constants-to-values")->run(*graph, context);
  const auto pairs = find_equalization_pairs(*graph, c.search);
  ASSERT_EQ(pairs.size(), 1u);
  expect_scale_free(*graph, pairs, random_inputs(*graph));
}

constexpr const char* kTwo = "float[2,3,6,6] x, float[8,3,3,3] w, float[8] b, float[4,8,1,1] v";
const EqualizationSearch kPlain{}, kClip{false, true, true}, kAdd{true, false, false};

INSTANTIATE_TEST_SUITE_P(
    Through, FindsPairs,
    testing::Values(Found{"nothing", kTwo, "float[2,4,4,4] y", "c = Conv(x, w, b) y = Conv(c, v)", {"w", "b", "v"}, kPlain},
                    Found{"Relu and pooling",
                          kTwo,
                          "float[2,4,1,1] y",
                          "c = Conv(x, w, b) r = Relu(c) p = MaxPool<kernel_shape = [2, 2]>(r) a = GlobalAveragePool(p) y = Conv(a, v)",
                          {"w", "b", "v"},
                          kPlain},
                    Found{"LeakyRelu and AveragePool",
                          kTwo,
                          "float[2,4,3,3] y",
                          "c = Conv(x, w, b) r = LeakyRelu<alpha = 0.2>(c) p = AveragePool<kernel_shape = [2, 2]>(r) y = Conv(p, v)",
                          {"w", "b", "v"},
                          kPlain},
                    Found{"PRelu",
                          "float[2,3,6,6] x, float[8,3,3,3] w, float[8,1,1] s, float[4,8,1,1] v",
                          "float[2,4,4,4] y",
                          "c = Conv(x, w) r = PRelu(c, s) y = Conv(r, v)",
                          {"w", "s", "v"},
                          kPlain},
                    Found{"a depthwise layer",
                          "float[2,3,6,6] x, float[8,3,1,1] w, float[8,1,3,3] v",
                          "float[2,8,4,4] y",
                          "c = Conv(x, w) r = Relu(c) y = Conv<group = 8>(r, v)",
                          {"w", "v"},
                          kPlain},
                    Found{"a grouped layer",
                          "float[2,3,6,6] x, float[8,3,1,1] w, float[6,4,3,3] v",
                          "float[2,6,4,4] y",
                          "c = Conv(x, w) r = Relu(c) y = Conv<group = 2>(r, v)",
                          {"w", "v"},
                          kPlain},
                    Found{"grouped ConvTranspose",
                          "float[2,4,3,3] x, float[4,3,2,2] w, float[6] b, float[6,5,1,1] v",
                          "float[2,5,4,4] y",
                          "c = ConvTranspose<group = 2>(x, w, b) r = Relu(c) y = ConvTranspose(r, v)",
                          {"w", "b", "v"},
                          kPlain},
                    Found{"Pad",
                          kTwo,
                          "float[2,4,6,6] y",
                          "p = Constant<value = int64[8] {0, 0, 1, 1, 0, 0, 1, 1}>() c = Conv(x, w, b) r = Pad(c, p) y = Conv(r, v)",
                          {"w", "b", "v"},
                          kClip},
                    Found{"Flatten, several columns a channel",
                          "float[2,3,4,4] x, float[8,3,3,3] w, float[5,32] v",
                          "float[2,5] y",
                          "c = Conv(x, w) r = Relu(c) f = Flatten(r) y = Gemm<transB = 1>(f, v)",
                          {"w", "v"},
                          kClip},
                    Found{"ReduceMean over space",
                          "float[2,3,4,4] x, float[8,3,3,3] w, float[8,5] v",
                          "float[2,5] y",
                          "c = Conv(x, w) m = ReduceMean<axes = [2, 3], keepdims = 0>(c) y = Gemm(m, v)",
                          {"w", "v"},
                          kClip},
                    Found{"Clip without upper bound",
                          kTwo,
                          "float[2,4,4,4] y",
                          "lo = Constant<value = float {0}>() c = Conv(x, w, b) r = Clip(c, lo) y = Conv(r, v)",
                          {"w", "b", "v"},
                          kClip},
                    Found{"Add of two layers",
                          "float[2,3,6,6] x, float[8,3,3,3] w, float[8,3,3,3] u, float[4,8,1,1] v",
                          "float[2,4,4,4] y",
                          "c = Conv(x, w) d = Conv(x, u) s = Add(c, d) y = Conv(s, v)",
                          {"w", "u", "v"},
                          kAdd},
                    Found{"one weight for two layers",
                          "float[2,8,3,3] x, float[8,8,1,1] w, float[4,8,1,1] v",
                          "float[2,8,3,3] y, float[2,4,3,3] z",
                          "y = Conv(x, w) c = Conv(x, w) z = Conv(c, v)",
                          {"w", "v"},
                          kPlain}),
    [](const auto& info) {
      std::string name = info.param.what;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
      return name;
    });

TEST(FindEqualizationPairs, DoesNotFire) {
  const std::vector<Found> cases = {
      {"the tensor between is a graph output",
       kTwo,
       "float[2,4,4,4] y, float[2,8,4,4] c",
       "c = Conv(x, w, b) y = Conv(c, v)",
       {"w", "b", "v"},
       kClip},
      {"something else reads it",
       kTwo,
       "float[2,4,4,4] y, float[2,8,4,4] z",
       "c = Conv(x, w, b) z = Tanh(c) y = Conv(c, v)",
       {"w", "b", "v"},
       kClip},
      {"Sigmoid is not scale-free", kTwo, "float[2,4,4,4] y", "c = Conv(x, w, b) s = Sigmoid(c) y = Conv(s, v)", {"w", "b", "v"}, kClip},
      {"Clip is asked for",
       kTwo,
       "float[2,4,4,4] y",
       "lo = Constant<value = float {0}>() hi = Constant<value = float {6}>() c = Conv(x, w, b) r = Clip(c, lo, hi) y = Conv(r, v)",
       {"w", "b", "v"},
       kPlain},
      {"Clip from below zero",
       kTwo,
       "float[2,4,4,4] y",
       "lo = Constant<value = float {-1}>() hi = Constant<value = float {6}>() c = Conv(x, w, b) r = Clip(c, lo, hi) y = Conv(r, v)",
       {"w", "b", "v"},
       kClip},
      {"the weight is computed", kTwo, "float[2,4,4,4] y", "c = Conv(x, w, b) y = Conv(c, v)", {"w", "b"}, kClip},
      {"it is read as a weight",
       "float[1,3,6,6] x, float[4,3,1,1] w, float[2,4,8,8] z",
       "float[2,1,3,3] y",
       "c = Conv(x, w) y = Conv(z, c)",
       {"w"},
       kClip},
      {"Add of a constant",
       "float[2,3,6,6] x, float[8,3,3,3] w, float[8,4,4] k, float[4,8,1,1] v",
       "float[2,4,4,4] y",
       "c = Conv(x, w) s = Add(c, k) y = Conv(s, v)",
       {"w", "k", "v"},
       kAdd},
      {"Pad of channels",
       "float[2,3,6,6] x, float[8,3,3,3] w, float[4,10,1,1] v",
       "float[2,4,4,4] y",
       "p = Constant<value = int64[8] {0, 1, 0, 0, 0, 1, 0, 0}>() c = Conv(x, w) r = Pad(c, p) y = Conv(r, v)",
       {"w", "v"},
       kClip},
      {"ReduceMean over channels",
       "float[2,3,4,4] x, float[8,3,3,3] w, float[2,5] v",
       "float[2,2,5] y",
       "c = Conv(x, w) m = ReduceMean<axes = [1], keepdims = 0>(c) y = Gemm(m, v)",
       {"w", "v"},
       kClip}};
  for (const Found& c : cases) {
    SCOPED_TRACE(c.what);
    auto graph = parse_model(model_text(c.inputs, c.outputs, c.body), c.constants);
    PassContext context;
    make_pass("constants-to-values")->run(*graph, context);
    EXPECT_TRUE(find_equalization_pairs(*graph, c.search).empty());
  }
}

TEST(FindEqualizationPairs, WhatTheUserFixedStays) {
  for (int where = 0; where < 4; ++where) {
    auto graph =
        parse_model(model_text(kTwo, "float[2,4,4,4] y", "[a] c = Conv(x, w, b) [r] d = Relu(c) [z] y = Conv(d, v)"), {"w", "b", "v"});
    ASSERT_EQ(find_equalization_pairs(*graph, kClip).size(), 1u);
    const auto fixed = active(0.1, 0);
    fixed->fixed = true;
    Node* node = graph->find_node(where < 2 ? "a" : where == 2 ? "r" : "z");
    if (where == 0)
      node->input_quant = {nullptr, fixed, nullptr};
    else if (where == 3)
      node->input_quant = {nullptr, fixed};
    else
      node->output_quant = {fixed};
    EXPECT_TRUE(find_equalization_pairs(*graph, kClip).empty()) << where;
  }
}

TEST(ClipBound, FromInputsAndAttributes) {
  auto graph =
      parse_model(model_text("float[2] x", "float[2] y, float[2] z", "y = Clip<min = 0.0, max = 6.0>(x) z = Clip<max = 6.0>(x)", 10));
  EXPECT_EQ(passes::clip_bound(*graph->nodes()[0]), 6.0);
  EXPECT_FALSE(passes::clip_bound(*graph->nodes()[1]));
}

}  // namespace
}  // namespace ppq::test
