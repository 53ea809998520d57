#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

#include "executor/host_waits.h"
#include "ops/op.h"
#include "ppq/error.h"

namespace ppq::test {
namespace {

using Ints = std::vector<int64_t>;

TEST(Common, IntsOfAnyIntegerType) {
  const at::Tensor x = at::tensor({3, -1, 7}, at::kLong);
  EXPECT_EQ(ops::to_ints(x), (Ints{3, -1, 7}));
  EXPECT_EQ(ops::to_ints(x.to(at::kInt)), (Ints{3, -1, 7}));
  EXPECT_EQ(ops::to_ints(x.slice(0, 0, 3, 2)), (Ints{3, 7}));
  EXPECT_EQ(ops::to_ints(at::scalar_tensor(5, at::TensorOptions(at::kByte))), (Ints{5}));
  EXPECT_EQ(ops::to_ints(at::Tensor()), Ints{});
}

TEST(Common, ScalarsOfTheHostAreReadWithoutAWait) {
  const HostWaits waits(at::kCPU);
  for (const at::ScalarType type :
       {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
    const at::Tensor x = at::empty({1, 1}, type).fill_(7);
    EXPECT_EQ(ops::scalar_of(x).toDouble(), 7) << type;
    EXPECT_EQ(ops::scalar_of(x).isFloatingPoint(), at::isFloatingType(type)) << type;
  }
  EXPECT_TRUE(ops::scalar_of(at::ones({}, at::kBool)).toBool());
  EXPECT_EQ(ops::scalar_of(at::arange(4, at::kFloat)[2]).toFloat(), 2) << "a part of another tensor";
  EXPECT_EQ(waits.count(), 0u) << waits.first();
  EXPECT_THROW(ops::scalar_of(at::ones({2})), c10::Error);
  EXPECT_THROW(ops::scalar_of(at::ones({0})), c10::Error);
}

TEST(Common, AxesCountFromTheEnd) {
  EXPECT_EQ(ops::normalize_axis(-1, 4), 3);
  EXPECT_EQ(ops::normalize_axis(2, 4), 2);
  for (int64_t axis : {4, -5}) {
    try {
      ops::normalize_axis(axis, 4);
      FAIL() << axis;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Model);
      EXPECT_NE(std::string(error.what()).find("got " + std::to_string(axis)), std::string::npos) << error.what();
    }
  }
}

TEST(Common, EveryRowIsFoundFromItsVersionOn) {
  std::set<std::tuple<std::string, std::string, int>> seen;
  for (const ops::OpRow& row : ops::all_ops()) {
    EXPECT_TRUE(seen.insert({row.domain, row.type, row.since}).second) << row.type << " " << row.since << " is there twice";
    const ops::OpRow* found = ops::find_op(row.domain, row.type, row.since);
    ASSERT_NE(found, nullptr) << row.type;
    EXPECT_EQ(found->since, row.since) << row.type;
  }
  EXPECT_EQ(ops::find_op("", "Clip", 10)->since, 1);
  EXPECT_EQ(ops::find_op("ai.onnx", "Clip", 11)->since, 11);
  EXPECT_EQ(ops::find_op("", "Gelu", 19), nullptr);
  EXPECT_EQ(ops::find_op("", "NoSuchOperator", 23), nullptr);
}

}  // namespace
}  // namespace ppq::test
