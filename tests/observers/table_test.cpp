#include <gmock/gmock.h>

#include <set>

#include "observers/observers_test.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

using testing::HasSubstr;

QuantScheme minifloat() {
  QuantScheme scheme;
  scheme.format = NumberFormat::Floating;
  scheme.exponent_bits = 4;
  scheme.quant_min = -448, scheme.quant_max = 448;
  scheme.power_of_two = true;
  scheme.symmetric = true;
  return scheme;
}

QuantScheme per_block(QuantScheme scheme) {
  scheme.granularity = Granularity::PerBlock;
  scheme.axis = 1, scheme.block_size = 2;
  return scheme;
}

at::Tensor wave() { return at::sin(at::arange(3 * 40, at::kFloat)).reshape({3, 40}) * 3; }

/// Whatever an observer is asked for, it gives usable numbers, or says by name what it cannot.
TEST(ObserverTable, EveryObserverServesASchemeOrSaysWhyNot) {
  const std::vector<std::pair<const char*, QuantScheme>> schemes = {{"asymmetric", asymmetric(8)},
                                                                    {"symmetric", symmetric(8)},
                                                                    {"sixteen bits", asymmetric(16)},
                                                                    {"four bits", symmetric(4)},
                                                                    {"per channel", per_channel(symmetric(8), 0)},
                                                                    {"per block", per_block(symmetric(8))},
                                                                    {"minifloat", minifloat()}};
  std::set<std::string> served;
  for (const ObserverRow& row : observer_table())
    for (const auto& [name, scheme] : schemes) {
      SCOPED_TRACE(std::string(row.name) + ", " + name);
      try {
        auto observer = make_observer(row.name, scheme, "t");
        observer->observe(wave(), 1);
        const QuantParams params = observer->finish();
        const bool blocks = scheme.granularity == Granularity::PerBlock, channels = scheme.granularity == Granularity::PerChannel;
        const int64_t count = blocks ? 3 * 20 : channels ? 3 : 1;
        EXPECT_EQ(params.scale.numel(), count);
        EXPECT_EQ(params.offset.numel(), count);
        EXPECT_TRUE(params.scale.gt(0).all().item<bool>());
        EXPECT_EQ(params.scale.scalar_type(), at::kFloat);
        EXPECT_EQ(params.scale.dim(), blocks ? 2 : channels ? 1 : 0);
        served.insert(row.name);
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::Unsupported) << error.what();
        EXPECT_THAT(error.where(), HasSubstr("t"));
      }
    }
  EXPECT_EQ(served.size(), observer_table().size()) << "each serves some scheme";
}

TEST(ObserverTable, NamesAndSummariesAreThere) {
  std::set<std::string> names;
  for (const ObserverRow& row : observer_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_STRNE(row.summary, "");
  }
  for (const char* name : {"minmax", "percentile", "mse", "kl", "isotone", "floating", "constant"})
    EXPECT_EQ(names.count(name), 1u) << name;
}

TEST(ObserverTable, OnlyItsOwnKindMerges) {
  for (const ObserverRow& row : observer_table())
    for (const ObserverRow& other_row : observer_table()) {
      SCOPED_TRACE(std::string(row.name) + " and " + other_row.name);
      auto make = [](const ObserverRow& made) {
        const std::string name = made.name;
        return made.make(name == "constant" || name == "floating" ? minifloat()
                         : name == "ppq-kl"                       ? symmetric(8)
                                                                  : asymmetric(8),
                         "conv1_out");
      };
      auto one = make(row), other = make(other_row);
      one->observe(wave(), 1), other->observe(wave(), 1);
      if (row.make == other_row.make) {
        EXPECT_NO_THROW(one->merge(*other));
        continue;
      }
      const Error error = thrown([&] { one->merge(*other); });
      EXPECT_EQ(error.kind(), ErrorKind::Internal);
      EXPECT_THAT(error.what(), HasSubstr("conv1_out"));
      EXPECT_THAT(error.what(), HasSubstr("another kind"));
    }
}

TEST(ObserverTable, TheChannelAxisMustBeThere) {
  for (const char* name : {"minmax", "percentile", "mse", "kl"}) {
    auto observer = make_observer(name, per_channel(symmetric(8), 5), "t");
    EXPECT_EQ(thrown([&] { observer->observe(wave(), 1); }).kind(), ErrorKind::Internal) << name;
  }
}

}  // namespace
}  // namespace ppq::test
