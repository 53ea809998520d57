#include "graph/quant_slots.h"

#include "passes/quantizing.h"

namespace ppq {
namespace {

using test::active;
using test::Quantizing;

struct Model : Quantizing {
  TensorQuantPtr first = active(1, 0), shared = active(2, 0), last = active(3, 0);
  Model() : Quantizing("(float[2] x) => (float[2] y) <float[2] k = {1, 2}>", "[a] t = Relu(x) [b] y = Add(t, k)") {
    node("a").input_quant = {first}, node("a").output_quant = {shared};
    node("b").input_quant = {shared, nullptr}, node("b").output_quant = {last};
  }
};

TEST(QuantSlots, ListsEveryOneInOrder) {
  Model m;
  std::vector<std::string> seen;
  for (const Slot& slot : quant_slots(*m.graph)) {
    seen.push_back(slot.node->name + (slot.output ? ">" : "<") + slot.value()->name());
    EXPECT_FALSE(slot.is_constant());
  }
  EXPECT_THAT(seen, testing::ElementsAre("a<x", "a>t", "b<t", "b>y"));
  m.node("b").input_quant[1] = active(1, 0);
  EXPECT_TRUE(quant_slots(*m.graph)[3].is_constant());
}

TEST(QuantSlots, ReplacingReachesEverySlot) {
  Model m;
  const auto other = active(9, 0);
  QuantSlots slots(*m.graph);
  slots.replace(m.shared, other);
  EXPECT_EQ(m.out("a"), other);
  EXPECT_EQ(m.in("b"), other);
  EXPECT_EQ(m.in("a"), m.first);
  EXPECT_EQ(m.out("b"), m.last);
  // The argument may be one of the slots that are overwritten.
  slots.replace(m.node("a").output_quant[0], m.last);
  EXPECT_EQ(m.out("a"), m.last);
  EXPECT_EQ(m.in("b"), m.last);
}

TEST(QuantSlots, AReplacementReachesWhatWasReplacedBefore) {
  Model m;
  QuantSlots slots(*m.graph);
  slots.set({&m.node("b"), 0, false}, m.first);
  slots.replace(m.shared, m.last);
  EXPECT_EQ(m.in("b"), m.first) << "set apart before";
  EXPECT_EQ(m.out("a"), m.last);
  const auto other = active(9, 0);
  slots.replace(m.first, other);
  EXPECT_EQ(m.in("a"), other);
  EXPECT_EQ(m.in("b"), other);
  slots.replace(m.last, m.last);
  EXPECT_EQ(m.out("b"), m.last);
}

TEST(QuantSlots, TheProducersQuantization) {
  Model m;
  EXPECT_EQ(producer_quant(*m.graph->find_value("t")), m.shared);
  EXPECT_EQ(producer_quant(*m.graph->find_value("x")), nullptr);
  EXPECT_EQ(producer_quant(*m.graph->find_value("k")), nullptr);
}

}  // namespace
}  // namespace ppq
