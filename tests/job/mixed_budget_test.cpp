#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "job/mixed_precision.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

using testing::HasSubstr;

TEST(MixedBudget, ReadsItsWords) {
  const MixedBudget all = parse_mixed_budget("noise=1e-3,agreement=0.99,macs=0.2,to=float");
  EXPECT_EQ(all.noise, 1e-3);
  EXPECT_EQ(all.agreement, 0.99);
  EXPECT_EQ(all.macs, 0.2);
  EXPECT_TRUE(all.to_float);
  const MixedBudget one = parse_mixed_budget("to=16,macs=1");
  EXPECT_FALSE(one.noise || one.agreement || one.to_float);
  EXPECT_EQ(one.macs, 1);
}

TEST(MixedBudget, BadWordsAreUsageErrors) {
  const auto refused = [](const std::string& text) {
    const Error error = thrown([&] { parse_mixed_budget(text); });
    EXPECT_EQ(error.kind(), ErrorKind::Usage) << text;
    return "[" + text + "] " + error.what() + " " + error.hint();
  };
  EXPECT_THAT(refused("nois=0.1"), testing::AllOf(HasSubstr("--auto-mixed"), HasSubstr("'nois'"), HasSubstr("did you mean noise")));
  EXPECT_THAT(refused("noise=0.1,noise=0.2"), HasSubstr("twice"));
  EXPECT_THAT(refused("macs=20"), HasSubstr("at most 1"));
  EXPECT_THAT(refused("agreement=99%"), HasSubstr("'99%'"));
  EXPECT_THAT(refused("noise=nan"), HasSubstr("above 0"));
  EXPECT_THAT(refused("noise"), HasSubstr("got ''"));
  EXPECT_THAT(refused("to=8,noise=1"), HasSubstr("16 or float"));
  EXPECT_THAT(refused("to=float"), HasSubstr("noise=0.001"));
  EXPECT_THAT(refused("noise=0.1,"), HasSubstr("got ''"));
}

}  // namespace
}  // namespace ppq::test
