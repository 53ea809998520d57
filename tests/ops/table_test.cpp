#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "ops/op.h"

namespace ppq::ops {
namespace {

TEST(OpTable, EveryRowIsThereOnceAndCanBeFound) {
  std::set<std::tuple<std::string, std::string, int>> seen;
  for (const OpRow& row : all_ops()) {
    EXPECT_TRUE(seen.emplace(row.domain, row.type, row.since).second) << row.domain << "." << row.type << " " << row.since << " twice";
    EXPECT_GE(row.since, 1) << row.type;
    ASSERT_NE(row.make, nullptr) << row.type;
    const OpRow* found = find_op(row.domain, row.type, row.since);
    ASSERT_NE(found, nullptr) << row.type;
    EXPECT_EQ(found->since, row.since) << row.type;
  }
  EXPECT_GT(seen.size(), 200u);
}

TEST(OpTable, TheNewestVersionThatIsOldEnough) {
  // ReduceMean takes its axes from an input since opset 18.
  EXPECT_EQ(find_op("", "ReduceMean", 17)->since, 1);
  EXPECT_EQ(find_op("", "ReduceMean", 18)->since, 18);
  EXPECT_EQ(find_op("", "ReduceMean", 99)->since, 18);
  EXPECT_EQ(find_op("", "GridSample", 15), nullptr) << "not there yet";
  EXPECT_NE(find_op("", "GridSample", 16), nullptr);
}

TEST(OpTable, DomainsAreApartAndOneHasTwoNames) {
  EXPECT_EQ(find_op("ai.onnx", "Conv", 13), find_op("", "Conv", 13));
  EXPECT_EQ(find_op("made.up", "Conv", 13), nullptr);
  EXPECT_EQ(find_op("", "Wobble", 13), nullptr);
  EXPECT_NE(find_op("com.microsoft", "FusedConv", 1), nullptr);
  EXPECT_EQ(find_op("", "FusedConv", 17), nullptr);
}

TEST(OpTable, ShapesStayOnTheHost) {
  EXPECT_TRUE(find_op("", "Shape", 15)->host_outputs);
  EXPECT_EQ(find_op("", "Reshape", 14)->host_inputs, 2u);
  EXPECT_EQ(find_op("", "Slice", 13)->host_inputs & 0b11110u, 0b11110u);
  EXPECT_EQ(find_op("", "Conv", 11)->host_inputs, 0u);
}

}  // namespace
}  // namespace ppq::ops
