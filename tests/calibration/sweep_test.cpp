#include "calibration/sweep.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <new>
#include <set>
#include <thread>

#include "calibration/channel_moments.h"
#include "calibration/keep.h"
#include "calibration/visit.h"
#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// y = x × 3 over 11 samples of one row each: sample i holds i.
struct Tripled : Quantizing {
  Tripled() : Quantizing("(float[N,2] x) => (float[N,2] y) <float k = {3}>", "y = Mul(x, k)") {
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 11; ++i) samples.push_back(at::full({1, 2}, static_cast<double>(i)));
    calibrate_with(samples);
    context.batch_size = 4;
    context.work = std::make_shared<Work>();
  }
  const Value* y() const { return graph->find_value("y"); }
};

double mean_of(const Sweep& sweep, size_t wish) { return sweep.found<MomentStatistic>(wish).moments().mean[0].item<double>(); }

TEST(Sweep, OneVisitServesHalvesAndAll) {
  Tripled q;
  Sweep sweep(*q.graph, {}, q.context, "moments");
  const size_t fitting = sweep.want<MomentStatistic>(q.y(), Part::fitting()), all = sweep.want<MomentStatistic>(q.y(), Part::all()),
               held_back = sweep.want<MomentStatistic>(q.y(), Part::held_back());
  sweep.run(q.context.calibration);
  EXPECT_DOUBLE_EQ(mean_of(sweep, fitting), 3 * 4);
  EXPECT_DOUBLE_EQ(mean_of(sweep, held_back), 3 * 6.2);
  EXPECT_DOUBLE_EQ(mean_of(sweep, all), 3 * 5);
  EXPECT_DOUBLE_EQ(sweep.found<MomentStatistic>(fitting).moments().magnitude[1].item<double>(), 24);
  EXPECT_DOUBLE_EQ(sweep.found<MomentStatistic>(held_back).moments().magnitude[1].item<double>(), 30);
  EXPECT_EQ(q.context.work->float_forwards, 11u) << "each sample once";
}

TEST(Sweep, SamplesThatNobodyWantsAreLeftOut) {
  Tripled q;
  Sweep sweep(*q.graph, {}, q.context, "moments");
  sweep.want<MomentStatistic>(q.y(), Part::held_back());
  sweep.run(q.context.calibration);
  EXPECT_EQ(q.context.work->float_forwards, 5u);
}

TEST(Sweep, SeveralDevicesShareTheSamples) {
  Tripled q;
  q.context.devices = {at::kCPU, at::kCPU};
  Sweep sweep(*q.graph, {}, q.context, "moments");
  const size_t wish = sweep.want<MomentStatistic>(q.y(), Part::all());
  sweep.run(q.context.calibration);
  EXPECT_DOUBLE_EQ(mean_of(sweep, wish), 3 * 5);
  EXPECT_DOUBLE_EQ(sweep.found<MomentStatistic>(wish).moments().square[0].item<double>(), 9.0 * 385 / 11);
  EXPECT_EQ(q.context.work->float_forwards, 11u);
}

TEST(Sweep, SaysHowFarItIs) {
  Tripled q;
  std::vector<size_t> done;
  q.context.progress = [&](const std::string& what, size_t now, size_t total) {
    EXPECT_EQ(what, "moments");
    EXPECT_EQ(total, 11u);
    done.push_back(now);
  };
  q.context.sample_bytes = size_t{1} << 40;  // one batch at a time
  Sweep sweep(*q.graph, {}, q.context, "moments");
  sweep.want<MomentStatistic>(q.y(), Part::all());
  sweep.run(q.context.calibration);
  EXPECT_THAT(done, testing::ElementsAre(4, 8, 11));
}

TEST(Sweep, NeedsSamples) {
  Tripled q;
  Sweep sweep(*q.graph, {}, q.context, "moments");
  sweep.want<MomentStatistic>(q.y(), Part::all());
  EXPECT_EQ(thrown([&] { sweep.run(nullptr); }).kind(), ErrorKind::Data);
}

/// A statistic that fails on one device ends the others, and the error comes through.
TEST(Sweep, AnErrorOnOneDeviceIsTheSweeps) {
  struct Failing final : Statistic {
    void observe(const at::Tensor& value, int64_t) override {
      if (value.max().item<float>() >= 15) throw Error(ErrorKind::Data, "tensor y", "too large");
    }
    void merge(const Statistic&) override {}
  };
  for (const std::vector<at::Device>& devices : {std::vector<at::Device>(), {at::kCPU, at::kCPU}}) {  // threads of one, and two
    Tripled q;
    q.context.batch_size = 1;
    q.context.devices = devices;
    Sweep sweep(*q.graph, {}, q.context, "moments");
    sweep.want<Failing>(q.y(), Part::all());
    EXPECT_EQ(thrown([&] { sweep.run(q.context.calibration); }).problem(), "too large");
  }
}

TEST(Sweep, KeepsTensorsInOrder) {
  Tripled q;
  Sweep sweep(*q.graph, {}, q.context, "kept");
  sweep.keep_order();
  const size_t wish = sweep.want<KeepStatistic>(q.y(), Part::all());
  sweep.run(q.context.calibration);
  const auto& batches = sweep.found<KeepStatistic>(wish).batches();
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[2].size(0), 3);
  EXPECT_EQ(batches[2][2][0].item<float>(), 30);
}

/// The CPU's threads each take batches of their own, and each batch is computed by one of them.
TEST(Sweep, TheThreadsOfACpuShareTheBatches) {
  if (!test_device().is_cpu() || batches_at_once(RunContext()) < 2) GTEST_SKIP() << "needs a CPU's two threads";
  Tripled q;
  q.context.batch_size = 1;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  struct Witness final : Statistic {
    Witness(std::mutex& m, std::set<std::thread::id>& t) : mutex(m), threads(t) {}
    void observe(const at::Tensor& value, int64_t) override {
      EXPECT_TRUE(at::in_parallel_region());
      const std::lock_guard lock(mutex);
      sum += value.sum().item<double>();
      const bool first = threads.empty();
      threads.insert(std::this_thread::get_id());
      // On a busy machine one thread could be done before the other begins.
      if (first) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    void merge(const Statistic& other) override { sum += dynamic_cast<const Witness&>(other).sum; }
    std::mutex& mutex;
    std::set<std::thread::id>& threads;
    double sum = 0;
  };
  Sweep sweep(*q.graph, {}, q.context, "witness");
  const size_t wish = sweep.want(q.y(), [&] {
    Gathering one;
    one.statistics.push_back(std::make_unique<Witness>(mutex, threads));
    one.shown.push_back(one.statistics.back().get());
    return one;
  });
  sweep.run(q.context.calibration);
  EXPECT_GE(threads.size(), 2u);
  EXPECT_EQ(sweep.found<Witness>(wish).sum, 2 * 3 * 55);
  EXPECT_EQ(sweep.description(), "");
}

TEST(BatchesAtOnce, AreAsManyAsThreadsAndMemoryAllow) {
  RunContext context;
  const auto threads = static_cast<size_t>(at::get_num_threads());
  EXPECT_EQ(batches_at_once(context), threads) << "not measured";
  context.sample_bytes = 100, context.batch_size = 2;
  for (const size_t fitting : {size_t{1}, threads}) {
    context.max_memory = 200 * fitting + 199;
    EXPECT_EQ(batches_at_once(context), fitting);
  }
  context.max_memory = 1;
  EXPECT_EQ(batches_at_once(context), 1u);
  context.max_memory = 0;
  context.device = at::Device(at::kCUDA, 0);
  EXPECT_EQ(batches_at_once(context), 1u) << "kernels fill the device";
}

/// Batches may be worked on in any order; what is left of them comes in the order of the samples, and each sample once.
TEST(VisitSamplesAtOnce, TheRestComesInOrder) {
  for (const size_t batch : {1u, 4u, 32u}) {
    Tripled q;
    q.context.batch_size = batch;
    std::atomic<size_t> worked = 0;
    std::vector<float> seen;
    visit_samples_at_once(q.context.calibration, q.context, "", [&](const Tensors& inputs, size_t, size_t count) {
      worked += count;
      return [&seen, count, x = inputs[0]] {
        EXPECT_EQ(x.size(0), static_cast<int64_t>(count));
        for (size_t i = 0; i < count; ++i) seen.push_back(x[static_cast<int64_t>(i)][0].item<float>());
      };
    });
    EXPECT_EQ(worked, 11u);
    EXPECT_THAT(seen, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)) << batch;
  }
}

TEST(VisitSamplesAtOnce, HalvesABatchThatMemoryDoesNotSufficeFor) {
  Tripled q;
  std::vector<Warning> warnings;
  q.context.warnings = &warnings;
  std::vector<float> seen;
  visit_samples_at_once(q.context.calibration, q.context, "", [&](const Tensors& inputs, size_t, size_t count) -> std::function<void()> {
    if (count > 2) throw std::bad_alloc();
    return [&seen, count, x = inputs[0]] {
      for (size_t i = 0; i < count; ++i) seen.push_back(x[static_cast<int64_t>(i)][0].item<float>());
    };
  });
  EXPECT_THAT(seen, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  EXPECT_THAT(warnings, testing::Contains(testing::Field(&Warning::text, testing::HasSubstr("batches of 2"))));
}

TEST(VisitSamplesAtOnce, ThrowsWhatTheWorkThrows) {
  Tripled q;
  const Error error = thrown([&] {
    visit_samples_at_once(q.context.calibration, q.context, "", [&](const Tensors&, size_t first, size_t) -> std::function<void()> {
      if (first > 0) throw Error(ErrorKind::Model, "node", "does not run");
      return [] {};
    });
  });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
}

/// Memory suffices for two samples at a time: every sample is shown once all the same.
TEST(VisitSamples, HalvesABatchThatMemoryDoesNotSufficeFor) {
  Tripled q;
  std::vector<float> seen;
  visit_samples(q.context.calibration, q.context, "", [&](const Tensors& inputs, size_t first, size_t count) {
    if (count > 2) throw std::bad_alloc();
    EXPECT_EQ(inputs[0].size(0), static_cast<int64_t>(count));
    EXPECT_EQ(inputs[0][0][0].item<float>(), static_cast<float>(first));
    for (size_t i = 0; i < count; ++i) seen.push_back(inputs[0][static_cast<int64_t>(i)][0].item<float>());
  });
  EXPECT_THAT(seen, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  ASSERT_THAT(q.warnings, SizeIs(1));
  EXPECT_THAT(q.warnings[0].text, HasSubstr("batches of 2"));
}

TEST(VisitSamples, OtherErrorsAndSingleSamplesAreNotTriedAgain) {
  Tripled q;
  int calls = 0;
  EXPECT_EQ(thrown([&] {
              visit_samples(q.context.calibration, q.context, "", [&](const Tensors&, size_t, size_t) {
                ++calls;
                throw Error(ErrorKind::Data, "here", "NaN");
              });
            }).kind(),
            ErrorKind::Data);
  EXPECT_EQ(calls, 1);
  EXPECT_THROW(visit_samples(q.context.calibration, q.context, "", [](const Tensors&, size_t, size_t) { throw std::bad_alloc(); }),
               std::bad_alloc);
}

}  // namespace
}  // namespace ppq::test
