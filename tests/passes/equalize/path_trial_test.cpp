#include "passes/equalize/path_trial.h"

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

struct Chain : Quantizing {
  Chain()
      : Quantizing("(float[N,2,4,4] x, float[4,2,1,1] w, float[3,4,1,1] v, float[4,3,1,1] u) => (float[N,4] y)",
                   "[first] a = Conv(x, w) b = Relu(a) [second] c = Conv(b, v) d = Relu(c) [third] e = Conv(d, u) p = GlobalAveragePool(e) "
                   "y = Flatten(p)",
                   {"w", "v", "u"}) {
    at::manual_seed(8);
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 6; ++i) samples.push_back(at::randn({1, 2, 4, 4}));
    calibrate_with(samples);
  }
};

TEST(PathTrial, SeesWhatFlowsThroughThePair) {
  Chain q;
  const auto pairs = passes::find_equalization_pairs(*q.graph, {});
  ASSERT_EQ(pairs.size(), 2u);
  std::vector<size_t> visited;
  passes::visit_paths(*q.graph, pairs, 3, q.context, [&](size_t i, const passes::PathTrial& trial) {
    visited.push_back(i);
    ASSERT_EQ(trial.inputs.size(), 3u);
    ASSERT_EQ(trial.inputs[0].size(), 1u);
    EXPECT_EQ(trial.sources()[0]->name(), i == 0 ? "x" : "b");
    // Behind the second layer a Relu belongs to it; behind the third comes something else.
    EXPECT_EQ(trial.results()[0]->name(), i == 0 ? "d" : "e");
    for (size_t batch = 0; batch < trial.inputs.size(); ++batch)
      EXPECT_LE(relative_difference(run_float(trial.graph(), on_cpu(trial.inputs[batch])), on_cpu(trial.outputs[batch])), 1e-6);
  });
  EXPECT_THAT(visited, testing::ElementsAre(0u, 1u));
}

/// A batch of any size is flattened by a shape that is computed: as PyTorch exports it. The shape, no floats, flows in as well.
TEST(PathTrial, ShapesFlowInToo) {
  Quantizing q(
      "(float[N,2,4,4] x, float[4,2,1,1] w, float[4,3] v) => (float[N,3] y) <int64[1] zero = {0}, int64[1] rest = {-1}>",
      "[first] a = Conv(x, w) b = Relu(a) p = GlobalAveragePool(b) s = Shape(x) n = Gather(s, zero) shape = Concat<axis = 0>(n, rest) "
      "f = Reshape(p, shape) [second] y = Gemm(f, v)",
      {"w", "v"});
  at::manual_seed(8);
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 4; ++i) samples.push_back(at::randn({1, 2, 4, 4}));
  q.calibrate_with(samples);
  q.context.batch_size = 2;
  passes::EqualizationPair pair;
  pair.upstream = {&q.node("first")}, pair.downstream = {&q.node("second")}, pair.channels = 4;
  for (const char* value : {"b", "p", "f"}) pair.relays.push_back(q.graph->find_value(value)->producer());
  const std::vector<passes::EqualizationPair> pairs = {pair};
  size_t visited = 0;
  passes::visit_paths(*q.graph, pairs, 4, q.context, [&](size_t, const passes::PathTrial& trial) {
    ++visited;
    std::vector<std::string> names;
    for (const Value* source : trial.sources()) names.push_back(source->name());
    EXPECT_THAT(names, testing::UnorderedElementsAre("x", "shape"));
    ASSERT_EQ(trial.inputs.size(), 2u);
    for (size_t batch = 0; batch < trial.inputs.size(); ++batch)
      EXPECT_LE(relative_difference(run_float(trial.graph(), on_cpu(trial.inputs[batch])), on_cpu(trial.outputs[batch])), 1e-6);
    EXPECT_GT(trial.error(trial.graph()), 0);
  });
  EXPECT_EQ(visited, 1u);
}

/// Against rounding by hand: weights with one step of their range, activations with one of what flows.
TEST(PathTrial, ErrorIsThatOfThePairAlone) {
  Chain q;
  const auto pairs = passes::find_equalization_pairs(*q.graph, {});
  passes::visit_paths(*q.graph, pairs, 6, q.context, [&](size_t i, const passes::PathTrial& trial) {
    if (i != 0) return;
    double low = 1e30, high = -1e30, most = 0;
    std::vector<Tensors> inputs, outputs;
    for (const Tensors& in : trial.inputs) inputs.push_back(on_cpu(in));
    for (const Tensors& out : trial.outputs) outputs.push_back(on_cpu(out));
    for (const Tensors& in : inputs) low = std::min(low, in[0].min().item<double>()), high = std::max(high, in[0].max().item<double>());
    auto each = [](const at::Tensor& x, double scale, double offset) {
      at::Tensor result = x.clone().contiguous();
      for (int64_t k = 0; k < result.numel(); ++k)
        result.data_ptr<float>()[k] = static_cast<float>(round_to(result.data_ptr<float>()[k], scale, offset));
      return result;
    };
    auto of_range = [&](const at::Tensor& x, double a, double b) {
      const PlainRange range(a, b);
      return each(x, range.scale, range.offset);
    };
    auto weight = [&](const char* node) {
      const at::Tensor w = q.node(node).constant_input(1);
      return of_range(w, w.min().item<double>(), w.max().item<double>());
    };
    // What the observer sees between the layers: weights rounded, activations not.
    for (const Tensors& in : inputs) most = std::max(most, at::relu(at::conv2d(in[0], weight("first"))).max().item<double>());
    double noise = 0, signal = 0;
    for (size_t batch = 0; batch < inputs.size(); ++batch) {
      const at::Tensor between = of_range(at::relu(at::conv2d(of_range(inputs[batch][0], low, high), weight("first"))), 0, most);
      const at::Tensor out = at::relu(at::conv2d(between, weight("second")));
      noise += (out - outputs[batch][0]).square().sum().item<double>(), signal += outputs[batch][0].square().sum().item<double>();
    }
    EXPECT_NEAR(trial.error(trial.graph()) / (noise / signal), 1, 0.02);
    q.setting.bias_correct = true;
    EXPECT_LT(trial.error(trial.graph()), 0.999 * noise / signal) << "an error's mean does not count";
  });
}

TEST(PathTrial, PairsAreFoundByNameInACopy) {
  Chain q;
  const auto pairs = passes::find_equalization_pairs(*q.graph, {});
  const auto copy = q.graph->clone();
  const auto twin = passes::pair_in(*copy, pairs[0]);
  EXPECT_EQ(twin.upstream[0], copy->find_node("first"));
  EXPECT_EQ(twin.downstream[0], copy->find_node("second"));
  copy->remove_node(copy->find_node("first"));
  EXPECT_THAT([&] { passes::pair_in(*copy, pairs[0]); }, testing::Throws<Error>());
}

}  // namespace
}  // namespace ppq::test
