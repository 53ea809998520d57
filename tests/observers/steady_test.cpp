#include <set>

#include "observers/histogram_observer.h"
#include "observers/observers_test.h"

// What Observer::steady() promises: a captured graph repeats the launches of one observe(), on the same memory.
namespace ppq::test {
namespace {

struct Claim {
  std::string name;
  QuantScheme scheme;
  std::string what = "";
};

QuantScheme minifloat(bool power_of_two) {
  QuantScheme scheme = symmetric(8);
  scheme.format = NumberFormat::Floating;
  scheme.exponent_bits = 4;
  scheme.quant_min = -448, scheme.quant_max = 448;
  scheme.power_of_two = power_of_two;
  return scheme;
}
QuantScheme per_block(QuantScheme scheme, int axis, int64_t block) {
  scheme.granularity = Granularity::PerBlock;
  scheme.axis = axis, scheme.block_size = block;
  return scheme;
}

std::vector<Claim> claims() {
  std::vector<Claim> all = {{"isotone", asymmetric(8)},
                            {"isotone", symmetric(8), "symmetric"},
                            {"constant", minifloat(true)},
                            {"floating", minifloat(true)},
                            {"floating", minifloat(false), "any scale"},
                            {"floating", per_channel(minifloat(true), 1), "per channel"},
                            {"ppq-mse", asymmetric(8)},
                            {"ppq-kl", symmetric(8)},
                            {"mse", asymmetric(16), "16 bits"}};
  for (const Claim& claim : {Claim{"minmax-extended", asymmetric(8)}, {"minmax-extended", per_channel(symmetric(8), 1), "per channel"}})
    all.push_back(claim);
  for (const char* name : {"minmax", "percentile", "percentile-global", "mse", "kl"})
    for (const Claim& claim : {Claim{name, asymmetric(8), "per tensor"},
                               {name, per_channel(symmetric(8), 1), "per channel"},
                               {name, per_block(asymmetric(4), 2, 7), "per block"}})
      all.push_back(claim);
  return all;
}

/// Where an observer's state lies, as far as it shows.
std::vector<const void*> places(const Observer& observer) {
  std::vector<at::Tensor> state;
  if (const auto search = observer.search()) {
    const kernels::Histogram& h = search->histogram;
    state = {h.counts, h.first, h.exponent, h.minimum, h.maximum, h.nonfinite, search->zeros, search->sums};
  } else if (const auto* histogram = dynamic_cast<const observers::HistogramObserver*>(&observer)) {
    const kernels::Histogram& h = *histogram->histogram();
    state = {h.counts, h.first, h.exponent, h.minimum, h.maximum, h.nonfinite};
  }
  std::vector<const void*> result;
  for (const at::Tensor& tensor : state)
    if (tensor.defined()) result.push_back(tensor.const_data_ptr());
  return result;
}

TEST(Steady, EveryObserverOfTheTableIsInSomeScheme) {
  std::set<std::string> steady;
  for (const Claim& claim : claims())
    if (make_observer(claim.name, claim.scheme, "t")->steady()) steady.insert(claim.name);
  for (const ObserverRow& row : observer_table()) EXPECT_TRUE(steady.count(row.name)) << row.name;
}

TEST(Steady, AnotherTensorInTheSameMemoryCountsInTheSameState) {
  at::manual_seed(1);
  const at::Tensor first = at::randn({2, 6, 40}), second = at::randn({2, 6, 40}) * 3 + 1;
  for (const Claim& claim : claims()) {
    const std::string what = claim.name + " " + claim.what;
    auto observer = make_observer(claim.name, claim.scheme, "t");
    ASSERT_TRUE(observer->steady()) << what;
    at::Tensor memory = first.clone();
    observer->observe(memory, 1);
    const std::vector<const void*> before = places(*observer);
    const QuantParams one = observer->finish();
    memory.copy_(second);
    observer->observe(memory, 1);
    EXPECT_EQ(places(*observer), before) << what;
    const QuantParams both = observer->finish(), wanted = observe_all(claim.name, claim.scheme, {first.clone(), second.clone()});
    EXPECT_TRUE(at::equal(both.scale, wanted.scale)) << what;
    EXPECT_TRUE(at::equal(both.offset, wanted.offset)) << what;
    const bool may_stay = claim.name == "constant" || (claim.name == "floating" && claim.scheme.power_of_two);
    EXPECT_TRUE(may_stay || !at::equal(both.scale, one.scale) || !at::equal(both.offset, one.offset))
        << what << ": the data must show the difference";
  }
}

TEST(Steady, StateThatShowsIsLookedAt) {
  for (const Claim& claim : claims()) {
    if (claim.name == "isotone" || claim.name == "constant" || claim.name == "floating" || claim.name == "minmax-extended") continue;
    auto observer = make_observer(claim.name, claim.scheme, "t");
    observer->observe(at::randn({2, 6, 40}), 1);
    EXPECT_FALSE(places(*observer).empty()) << claim.name << " " << claim.what;
  }
}

}  // namespace
}  // namespace ppq::test
