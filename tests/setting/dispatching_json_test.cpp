#include "setting/dispatching_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ppq {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Table = std::map<std::string, int>;

Table read(const json& object, std::vector<std::string>* errors = nullptr) {
  std::vector<std::string> own;
  const Table table = dispatching_from_json(object, "dispatching_table", errors ? *errors : own);
  EXPECT_TRUE(errors || own.empty()) << own[0];
  return table;
}

/// PPQ reads back what it wrote: an object of names and numbers under "dispatchings", beside explanations.
TEST(DispatchingJson, HasPpqsFormAndComesBack) {
  const Table table = {{"conv_1", 0}, {"shape_2", -1}, {"gemm", 304}};
  const json written = dispatching_to_json(table);
  for (const char* key : {"intro_0", "intro_1", "intro_2", "attention"}) EXPECT_TRUE(written.at(key).is_string()) << key;
  const json& rows = written.at("dispatchings");
  EXPECT_EQ(rows.at("conv_1"), 0);
  EXPECT_EQ(rows.at("FP32 OPERATION NAME"), 0);
  EXPECT_EQ(rows.at("DSP INT8 OPERATION NAME"), 301);
  EXPECT_EQ(rows.at("YOUR OEPRATION NAME"), "TARGET PLATFORM(INT)");
  EXPECT_EQ(rows.size(), 10u);
  EXPECT_EQ(read(written), table) << "examples are no rows";
}

TEST(DispatchingJson, NamesOfPlatformsAreTakenToo) {
  EXPECT_THAT(read({{"dispatchings", {{"a", "FP32"}, {"b", "soi"}, {"c", "qnn-dsp-int8"}, {"d", 101}}}}),
              ElementsAre(Pair("a", 0), Pair("b", -1), Pair("c", 304), Pair("d", 101)));
}

TEST(DispatchingJson, NothingIsAnEmptyTable) {
  EXPECT_TRUE(read(json::object()).empty());
  EXPECT_TRUE(read({{"dispatchings", json::object()}}).empty());
}

TEST(DispatchingJson, EveryFaultIsListedWithItsPath) {
  std::vector<std::string> errors;
  EXPECT_THAT(read({{"dispatchings", {{"a", 12345}, {"b", "FP33"}, {"c", 1.5}, {"d", json::array()}, {"e", 0}}}}, &errors),
              ElementsAre(Pair("e", 0)));
  ASSERT_EQ(errors.size(), 4u);
  EXPECT_THAT(errors[0], testing::AllOf(HasSubstr("dispatching_table.dispatchings.a"), HasSubstr("12345")));
  EXPECT_THAT(errors[1], testing::AllOf(HasSubstr(".b"), HasSubstr("FP33"), HasSubstr("FP32")));
  EXPECT_THAT(errors[2], HasSubstr("expected a platform number or name"));
  EXPECT_THAT(errors[3], HasSubstr(".d"));
  errors.clear();
  read(json::array(), &errors);
  read({{"dispatchings", 3}}, &errors);
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_THAT(errors[0], HasSubstr("expected an object"));
  EXPECT_THAT(errors[1], HasSubstr("expected an object of operation names"));
}

}  // namespace
}  // namespace ppq
