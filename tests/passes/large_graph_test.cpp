// 20,000 nodes: a walk over all of them at each of them would take minutes.
#include <chrono>

#include "graph/quant_slots.h"
#include "passes/quantizing.h"

namespace ppq::test {
namespace {

constexpr size_t kNodes = 20000;
constexpr double kMostSeconds = 60;  ///< a few are enough, also on a busy machine

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Value* add_matrix(Graph& graph, const std::string& name) {
  Value* value = graph.add_value(name);
  value->dtype = DataType::Float;
  value->shape = Shape{{2, ""}, {2, ""}};
  return value;
}

/// Transpose, Add of the graph's input, Identity, in turn.
std::unique_ptr<Graph> long_chain() {
  auto graph = std::make_unique<Graph>();
  graph->opsets = {{"", 15}};
  Value *x = add_matrix(*graph, "x"), *last = x;
  graph->add_input(x);
  for (size_t i = 0; i < kNodes; ++i) {
    Value* next = add_matrix(*graph, graph->unique_name("value"));
    const std::string name = graph->unique_name("node");
    if (i % 3 == 0) graph->add_node("Transpose", name, {last}, {next})->attributes.set("perm", std::vector<int64_t>{1, 0});
    if (i % 3 == 1) graph->add_node("Add", name, {last, x}, {next});
    if (i % 3 == 2) graph->add_node("Identity", name, {last}, {next});
    last = next;
  }
  graph->add_output(last);
  return graph;
}

TEST(LargeGraph, NamesAreMadeAndFoundAtOnce) {
  const Stopwatch watch;
  const auto graph = long_chain();
  const auto nodes = graph->nodes();
  ASSERT_EQ(nodes.size(), kNodes);
  EXPECT_EQ(nodes[1]->name, "node_1");
  EXPECT_EQ(nodes.back()->name, "node_" + std::to_string(kNodes - 1)) << "one number after the other";
  for (Node* node : nodes) ASSERT_EQ(graph->find_node(node->name), node);
  graph->verify();
  EXPECT_LT(watch.seconds(), kMostSeconds);
}

TEST(LargeGraph, GoesThroughCleanUp) {
  const Stopwatch watch;
  Quantizing q(long_chain());
  run_passes(*q.graph, cleanup_pipeline(), q.context);
  EXPECT_EQ(q.graph->node_count(), kNodes - kNodes / 3) << "no Identity is left";
  EXPECT_LT(watch.seconds(), kMostSeconds);
}

TEST(LargeGraph, GoesThroughQuantization) {
  const Stopwatch watch;
  Quantizing q(long_chain());
  dispatch_graph(*q.graph, q.platform.id, "allin");
  q.passes({"configure-quantization", "fuse-quantization", "simplify-quantization"});
  for (const Slot& slot : quant_slots(*q.graph))
    if (slot.quant()->state == QuantState::Initial)
      slot.quant()->params = params_from_range(-1.0, 1.0, slot.quant()->scheme), slot.quant()->state = QuantState::Active;
  EXPECT_GT(q.pass("align-quantization"), 0u);
  EXPECT_LT(watch.seconds(), kMostSeconds);
}

}  // namespace
}  // namespace ppq::test
