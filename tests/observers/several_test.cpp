#include "observers/extremes.h"
#include "observers/observers_test.h"
#include "support/waits.h"

namespace ppq::test {
namespace {

std::vector<at::Tensor> batches() {
  at::manual_seed(3);
  return {at::rand({4, 3, 9, 7}), at::rand({4, 3, 9, 7}) * 3, at::rand({2, 3, 9, 7}) + 0.5};
}

/// Every observer whose results may depend on the device's state only at the end.
TEST(Observers, NeverWaitWhileTheyObserve) {
  for (const ObserverRow& row : observer_table())
    for (const QuantScheme& scheme : {asymmetric(8), asymmetric(16), per_channel(symmetric(8), 1)}) {
      std::unique_ptr<Observer> observer;
      try {
        observer = row.make(scheme, "t");
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
        continue;
      }
      const CountWaits waits;
      for (const at::Tensor& batch : batches()) observer->observe(batch, batch.size(0));
      EXPECT_EQ(waits.count(), 0) << row.name;
    }
}

TEST(Observers, WaitsAreCounted) {
  const CountWaits waits;
  const at::Tensor x = at::ones({1});
  EXPECT_EQ(x.item<float>(), 1);
  EXPECT_EQ(waits.count(), 1);
}

TEST(AddExtremes, EqualsSortingWithoutWaiting) {
  for (auto* add : {&observers::add_extremes, &observers::add_extremes_by_topk}) {
    at::manual_seed(4);
    at::Tensor sums = at::zeros({4, 3}, at::kDouble);
    const void* place = sums.const_data_ptr();
    std::vector<double> wanted_low(3, 0), wanted_high(3, 0);
    for (int round = 0; round < 4; ++round) {
      at::Tensor rows = at::randn({6, 50});
      const at::Tensor ordered = std::get<0>(rows.sort(1));
      for (int64_t r = 0; r < 6; ++r) {
        wanted_low[r % 3] += ordered[r][2].item<double>();
        wanted_high[r % 3] += ordered[r][49].item<double>();
      }
      const CountWaits waits;
      add(rows, 3, 1, sums);
      EXPECT_EQ(waits.count(), 0);
    }
    EXPECT_EQ(sums.const_data_ptr(), place);
    for (int c = 0; c < 3; ++c) {
      EXPECT_DOUBLE_EQ(sums[0][c].item<double>(), wanted_low[c]);
      EXPECT_DOUBLE_EQ(sums[1][c].item<double>(), wanted_high[c]);
      EXPECT_EQ(sums[2][c].item<double>(), 0);
      EXPECT_EQ(sums[3][c].item<double>(), 8);
    }
    add(at::full({3, 5}, NAN), 1, 1, sums);
    EXPECT_EQ(sums[2].sum().item<double>(), 15);
  }
}

/// Whatever the order of the observers, each gives what it gives alone.
TEST(ShareStatistics, NumbersAreThoseOfEachAlone) {
  const std::vector<std::vector<std::string>> lists = {{"mse", "minmax", "percentile-global"},
                                                       {"minmax", "percentile-global", "mse"},
                                                       {"percentile", "minmax"},
                                                       {"kl", "mse", "minmax", "ppq-mse"}};
  for (const auto& names : lists)
    for (const QuantScheme& scheme : {asymmetric(8), asymmetric(16)}) {
      std::vector<std::unique_ptr<Observer>> observers;
      std::vector<Observer*> all;
      std::vector<const Observer*> finished;
      for (const std::string& name : names) {
        observers.push_back(make_observer(name, scheme, "t"));
        all.push_back(observers.back().get());
        finished.push_back(all.back());
      }
      const auto gathering = share_statistics(all);
      for (const at::Tensor& batch : batches())
        for (Observer* observer : gathering) observer->observe(batch, batch.size(0));
      const auto params = finish_all(finished);
      for (size_t i = 0; i < names.size(); ++i) {
        const QuantParams alone = [&] {
          auto observer = make_observer(names[i], scheme, "t");
          for (const at::Tensor& batch : batches()) observer->observe(batch, batch.size(0));
          return observer->finish();
        }();
        EXPECT_TRUE(at::equal(params[i].scale, alone.scale) && at::equal(params[i].offset, alone.offset)) << names[i];
      }
      if (names[0] == "mse" && scheme.bits == 8) {
        EXPECT_EQ(gathering.size(), 1u) << "one histogram serves all";
      }
    }
}

TEST(ShareStatistics, OtherBinsOrChannelsAreNotShared) {
  auto a = make_observer("mse", asymmetric(8), "t"), b = make_observer("minmax", per_channel(symmetric(8), 1), "t"),
       c = make_observer("ppq-mse", asymmetric(8), "t");
  EXPECT_EQ(share_statistics({a.get(), b.get(), c.get()}).size(), 3u);
}

/// Tensors of different sizes and channels, observers of every kind: finished together each gets its own numbers.
TEST(FinishAll, ManyObserversGetWhatEachGetsAlone) {
  std::vector<std::unique_ptr<Observer>> observers;
  std::vector<const Observer*> all;
  for (int i = 0; i < 40; ++i) {
    at::manual_seed(i);
    const std::vector<std::string> names = {"mse", "minmax", "kl", "percentile-global", "percentile", "ppq-mse", "isotone"};
    const std::string name = names[i % names.size()];
    const bool channels = i % 3 == 0 && name != "ppq-mse" && name != "isotone";
    observers.push_back(make_observer(name, channels ? per_channel(symmetric(4 + i % 5), 1) : asymmetric(4 + i % 13), "t"));
    observers.back()->observe(at::randn({2, 1 + i % 5, 40}) * (1 + i), 2);
    all.push_back(observers.back().get());
  }
  const auto together = finish_all(all);
  for (size_t i = 0; i < all.size(); ++i) {
    const QuantParams alone = all[i]->finish();
    EXPECT_TRUE(at::equal(together[i].scale, alone.scale) && at::equal(together[i].offset, alone.offset)) << i;
    EXPECT_EQ(together[i].scale.sizes(), alone.scale.sizes()) << i;
  }
}

TEST(FinishAll, TheFirstErrorInOrderCounts) {
  auto good = make_observer("minmax", asymmetric(8), "good"), one = make_observer("mse", asymmetric(8), "one"),
       two = make_observer("minmax", asymmetric(8), "two");
  good->observe(at::ones({3}), 1);
  try {
    finish_all({good.get(), one.get(), two.get()});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("tensor one"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ppq::test
