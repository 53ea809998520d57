#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// What the pass makes of a network, and that its float outputs stay as they are to the bit.
struct Raised : Quantizing {
  size_t changes = 0;
  Raised(const std::string& signature, const std::string& body, const std::vector<std::pair<std::string, double>>& random,
         const std::vector<int64_t>& sizes)
      : Quantizing(signature, body, names(random)) {
    for (const auto& [name, factor] : random) {
      Value* value = graph->find_value(name);
      value->set_constant(value->constant() * factor);
    }
    std::vector<at::Tensor> samples;
    at::manual_seed(5);
    for (int i = 0; i < 4; ++i) samples.push_back(at::randn(sizes));
    const auto before = graph->clone();
    calibrate_with(samples);
    changes = pass("raise-small-ranges");
    for (const at::Tensor& x : samples) {
      const Tensors now = run_float(*graph, {x}), then = run_float(*before, {x});
      for (size_t i = 0; i < now.size(); ++i) EXPECT_TRUE(now[i].equal(then[i])) << body;
    }
  }
  static std::vector<std::string> names(const std::vector<std::pair<std::string, double>>& random) {
    std::vector<std::string> list;
    for (const auto& one : random) list.push_back(one.first);
    return list;
  }
  /// Largest magnitude of a value of the network as it is now.
  double most(const std::string& name) const {
    const auto copy = graph->clone();
    if (!copy->find_value(name)->is_graph_output()) copy->add_output(copy->find_value(name));
    double found = 0;
    for (size_t i = 0; i < context.calibration->size(); ++i) {
      const Tensors all = run_float(*copy, context.calibration->sample(i));
      for (size_t k = 0; k < all.size(); ++k)
        if (copy->outputs()[k]->name() == name) found = std::max(found, all[k].abs().max().item<double>());
    }
    return found;
  }
};

TEST(RaiseSmallRanges, ScaleMovesFromTheConstantBehindToTheOneBefore) {
  const Raised q("(float[1,4,5,5] x, float[8,4,1,1] u, float[8] b, float[4,8,1,1] v, float k) => (float[1,4,5,5] y)",
                 "c = Conv(x, u, b) r = Relu(c) p = MaxPool<kernel_shape = [1,1]>(r) e = Conv(p, v) y = Mul(e, k)",
                 {{"u", 1e-7}, {"b", 1e-7}, {"v", 0.2}, {"k", 1e7}}, {1, 4, 5, 5});
  EXPECT_GT(q.changes, 0u);
  for (const char* name : {"c", "r", "p", "e"}) {
    EXPECT_GT(q.most(name), 0.1) << name;
    EXPECT_LT(q.most(name), 10) << name;
  }
  EXPECT_THAT(q.warnings, IsEmpty());
}

TEST(RaiseSmallRanges, ThroughSumsJoinsAndOneSideOfAProduct) {
  const Raised q(
      "(float[1,4,4,4] x, float[4,4,1,1] u, float[4,4,1,1] v, float[4,8,1,1] w, float[1,4,1,1] a) => (float[1,4,4,4] y)",
      "c = Conv(x, u) d = Conv(x, v) s = Add(c, d) t = Add(s, a) g = Sigmoid(x) m = Mul(t, g) j = Concat<axis = 1>(m, s) y = Conv(j, w)",
      {{"u", 1e-6}, {"v", 1e-6}, {"w", 1e5}, {"a", 1e-6}}, {1, 4, 4, 4});
  for (const char* name : {"c", "d", "s", "t", "m", "j"}) EXPECT_GT(q.most(name), 0.1) << name;
  EXPECT_THAT(q.warnings, IsEmpty());
}

TEST(RaiseSmallRanges, DividesByTheConstantAndLeavesSharedOnesAlone) {
  const Raised q("(float[1,6] x, float[6,6] u, float k) => (float[1,6] y, float[1,6] z)", "c = MatMul(x, u) y = Div(c, k) z = Add(x, k)",
                 {{"u", 1e-8}, {"k", 1e-8}}, {1, 6});
  EXPECT_GT(q.most("c"), 0.1);
  EXPECT_LT(q.graph->find_value("k")->constant().abs().item<double>(), 1e-6) << "another node reads it";
}

/// Between a layer of weights near 1 and an output there is nothing to give scale to.
TEST(RaiseSmallRanges, WhatCannotRiseIsNamed) {
  const Raised q("(float[1,4] x, float[4,4] u) => (float[1,4] y)", "[op] y = Gemm(x, u)", {{"u", 1e-7}}, {1, 4});
  EXPECT_EQ(q.changes, 0u);
  ASSERT_THAT(q.warnings, SizeIs(1));
  EXPECT_EQ(q.warnings[0].code, "least-range");
  EXPECT_THAT(q.warnings[0].tensors, testing::ElementsAre("y"));
  EXPECT_GT(q.warnings[0].figures.at("factor"), 50);
  EXPECT_EQ(q.warnings[0].remedy, "--keep-float 'op'");
}

/// Rising as far as the next layer's weights can follow, no further.
TEST(RaiseSmallRanges, ConstantsBehindStayAboveTheLeastRange) {
  const Raised q("(float[1,4] x, float[4,4] u, float[4,4] v) => (float[1,4] y)", "c = Gemm(x, u) y = Gemm(c, v)", {{"u", 1e-7}, {"v", 1}},
                 {1, 4});
  EXPECT_GT(q.most("c"), 1e-4);
  EXPECT_GT(q.graph->find_value("v")->constant().abs().max().item<double>(), 1e-4);
}

TEST(RaiseSmallRanges, DoesNotFire) {
  const Raised usual("(float[1,4] x, float[4,4] u, float[4,4] v) => (float[1,4] y)", "c = Gemm(x, u) r = Relu(c) y = Gemm(r, v)",
                     {{"u", 1}, {"v", 1}}, {1, 4});
  EXPECT_EQ(usual.changes, 0u);
  const Raised small("(float[1,4] x, float[4,4] u, float[4,4] v) => (float[1,4] y)", "c = Gemm(x, u) r = Relu(c) y = Gemm(r, v)",
                     {{"u", 1e-3}, {"v", 1}}, {1, 4});
  EXPECT_EQ(small.changes, 0u) << "1e-3 is no less than the least range";
  const Raised zero("(float[1,4] x, float[4,4] u, float[4,4] v) => (float[1,4] y)", "c = Gemm(x, u) r = Relu(c) y = Gemm(r, v)",
                    {{"u", 0}, {"v", 1e-3}}, {1, 4});
  EXPECT_EQ(zero.changes, 0u) << "nothing to raise";
  for (const Raised* q : {&usual, &small, &zero}) EXPECT_THAT(q->warnings, IsEmpty());
}

}  // namespace
}  // namespace ppq::test
