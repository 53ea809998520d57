#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;

TEST(SnpeJson, RangesOfTheTwelveOps) {
  const QuantizedGraph q(find_platform("snpe_int8"));
  const Exported out("snpe-json", q);
  Json json = out.json("quantized_snpe.json");
  EXPECT_THAT(keys(json), ElementsAre("x", "w1", "c1", "r1", "p1", "w2", "c2", "k2", "a1", "s1", "cat", "gap", "fl", "w3", "g", "y"));
  for (const auto& [name, quant] : {std::pair("x", q.in("conv1")), {"w1", q.in("conv1", 1)}, {"g", q.out("fc1")}, {"y", q.out("sm1")}}) {
    EXPECT_THAT(keys(json[name]), ElementsAre("tensor_min", "tensor_max"));
    EXPECT_EQ(json[name]["tensor_min"].get<double>(), scales(quant)[0] * (0 - offset_of(quant))) << name;
    EXPECT_EQ(json[name]["tensor_max"].get<double>(), scales(quant)[0] * (255 - offset_of(quant))) << name;
  }
}

TEST(SnpeJson, ChannelsAreLists) {
  const QuantizedGraph q(find_platform("qnn_htp_int8"));
  Json weight = Exported("snpe-json", q).json("quantized_snpe.json")["w1"];
  ASSERT_EQ(weight["tensor_min"].size(), 8u);
  EXPECT_EQ(weight["tensor_max"][5].get<double>(), 127 * scales(q.in("conv1", 1))[5]);
}

TEST(SnpeJson, MoreThanEightBitsAreRefused) {
  const QuantizedGraph q(find_platform("qnn_htp_a16w8"));
  const Error error = thrown([&] { Exported("snpe-json", q); });
  EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("tensor x"), HasSubstr("0..65535")));
}

}  // namespace
}  // namespace ppq::test
