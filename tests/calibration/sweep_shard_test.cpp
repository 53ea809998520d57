#include "calibration/sweep_shard.h"

#include "observers/observer.h"
#include "passes/quantizing.h"
#include "support/recorder.h"

namespace ppq::test {
namespace {

/// Observers that share what they gather.
Gathering gathering_of(const std::vector<std::string>& names, const QuantScheme& scheme) {
  Gathering gathering;
  std::vector<Observer*> together;
  for (const std::string& name : names) {
    auto observer = make_observer(name, scheme, "x");
    together.push_back(observer.get());
    gathering.statistics.push_back(std::move(observer));
  }
  for (Observer* observer : share_statistics(together)) gathering.shown.push_back(observer);
  return gathering;
}

const Observer& observer_of(const SweepShard& shard, size_t i, size_t k = 0) {
  return static_cast<const Observer&>(*shard.statistics(i)[k]);
}

/// y = relu(x × 2), watched at x and y, over batches of random rows.
struct Sharing {
  std::unique_ptr<Graph> graph = parse_model(
      "<ir_version: 8, opset_import: [\"\" : 15]> g (float[N,3] x) => (float[N,3] y) <float two = {2}> { a = Mul(x, two) y = Relu(a) }",
      {});
  std::vector<Wish> wishes;
  std::vector<at::Tensor> samples;
  std::vector<std::string> warnings;

  explicit Sharing(const std::vector<std::string>& observers, size_t count = 47) {
    at::manual_seed(11);
    for (size_t i = 0; i < count; ++i) samples.push_back(at::randn({1, 3}) * static_cast<double>(1 + i % 4));
    QuantScheme scheme;
    scheme.symmetric = false;
    scheme.quant_min = 0, scheme.quant_max = 255;
    for (const char* name : {"x", "y"}) wishes.push_back({graph->find_value(name), [=] { return gathering_of(observers, scheme); }});
  }
  void run(SweepShard& shard, RepeatedWork::Capture capture, size_t batch = 4) {
    shard.run(
        *graph, {}, make_dataset(samples), {batch, std::move(capture), {}}, [](size_t) { return true; },
        [&](std::string text) { warnings.push_back(text); });
  }
  double scale(const SweepShard& shard, size_t i, size_t k = 0) const { return observer_of(shard, i, k).finish().scale.item<double>(); }
};

TEST(SweepShard, ReplaysARecordedBatchAndSeesEverySampleOnce) {
  Sharing s({"minmax", "mse"});
  SweepShard plain(s.wishes, at::kCPU), replaying(s.wishes, at::kCPU);
  Recorder recorder;
  s.run(plain, nullptr);
  s.run(replaying, recorder.capture());
  EXPECT_EQ(plain.replays(), 0u);
  EXPECT_EQ(recorder.recorded, 1);
  EXPECT_EQ(replaying.replays(), 9u) << "eleven whole batches, two of them before, and three samples";
  EXPECT_EQ(replaying.obstacle(), "");
  const at::Tensor all = at::cat(s.samples), y = at::relu(all * 2);
  for (const SweepShard* shard : {&plain, &replaying}) {
    const double low = std::min(0.0, all.min().item<double>());
    EXPECT_FLOAT_EQ(static_cast<float>(s.scale(*shard, 0)), static_cast<float>((all.max().item<double>() - low) / 255));
    EXPECT_FLOAT_EQ(static_cast<float>(s.scale(*shard, 1)), static_cast<float>(y.max().item<double>() / 255));
  }
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(s.scale(replaying, i, 1), s.scale(plain, i, 1));
}

/// What is recorded is not executed by a device, so the batch must be shown anew when the recording is refused. On the CPU the
/// recorded work does happen: the third batch then counts twice.
TEST(SweepShard, ARefusedRecordingLosesNoBatchAndSaysWhy) {
  Sharing s({"percentile-global", "mse"});
  SweepShard once(s.wishes, at::kCPU), twice(s.wishes, at::kCPU), refused(s.wishes, at::kCPU);
  for (size_t i = 8; i < 12; ++i) s.samples[i] = at::full({1, 3}, 50.0 + static_cast<double>(i));
  Recorder recorder;
  recorder.refuse = ErrorKind::Unsupported, recorder.half_way = true;
  s.run(refused, recorder.capture());
  EXPECT_EQ(recorder.recorded, 1);
  EXPECT_EQ(refused.obstacle(), "operation not permitted");
  EXPECT_EQ(refused.replays(), 0u);
  s.run(once, nullptr);
  s.samples.insert(s.samples.end(), s.samples.begin() + 8, s.samples.begin() + 12);
  s.run(twice, nullptr);
  for (size_t k = 0; k < 2; ++k) EXPECT_EQ(s.scale(refused, 1, k), s.scale(twice, 1, k)) << k;
  EXPECT_NE(s.scale(once, 1, 1), s.scale(twice, 1, 1)) << "or the test shows nothing";
}

/// Observers that a refused recording left half fed were fed nothing by the device. The graph takes as many elements as the product
/// of a batch says: four samples of 4,096 take more than there is, two do not.
TEST(SweepShard, MemoryThatRunsOutAfterARefusedRecordingHalvesTheBatch) {
  const auto graph = parse_model(R"(<ir_version: 8, opset_import: ["" : 15]> g (float[N,1] x) => (float[N,1] y) <int64[1] one = {1}> {
    p = ReduceProd<axes = [0, 1], keepdims = 0>(x) k = Cast<to = 7>(p) r = Reshape(k, one)
    c = ConstantOfShape(r) m = ReduceMax<keepdims = 0>(c) y = Add(x, m) })",
                                 {});
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 48; ++i) samples.push_back(at::full({1, 1}, i / 4 == 5 ? 4096.0f : 1.0f));
  const std::vector<Wish> wishes = {{graph->find_value("y"), [] { return gathering_of({"mse"}, QuantScheme()); }}};
  SweepShard shard(wishes, at::kCPU);
  int recorded = 0;
  auto capture = [&](const std::function<void()>& work) -> std::unique_ptr<kernels::CapturedWork> {
    ++recorded;
    kernels::Histogram& histogram = *shard.statistics(0)[0]->observation(at::ones({1, 1}))->histogram;
    const at::Tensor counts = std::exchange(histogram.counts, at::zeros({2, histogram.counts.size(1)}, at::kLong));
    EXPECT_THROW(work(), Error) << "or the test shows nothing";
    histogram.counts = counts;
    throw Error(ErrorKind::Unsupported, "CUDA graph", "refused");
  };
  std::vector<std::string> warnings;
  shard.run(
      *graph, {}, make_dataset(samples), {4, capture, {}}, [](size_t) { return true; },
      [&](std::string text) { warnings.push_back(std::move(text)); });
  EXPECT_EQ(recorded, 1);
  EXPECT_THAT(warnings, testing::ElementsAre(HasSubstr("out of memory with batches of 4 samples")));
  EXPECT_EQ(shard.batch_size(), 2u);
}

TEST(SweepShard, ObserversThatKeepBooksOnTheHostAreNotRecorded) {
  bool any = false;
  for (const ObserverRow& row : observer_table()) {
    Sharing s({row.name});
    std::unique_ptr<SweepShard> shard;
    try {
      shard = std::make_unique<SweepShard>(s.wishes, at::kCPU);
    } catch (const Error&) {
      continue;  // not for this scheme
    }
    Recorder recorder;
    const bool steady = observer_of(*shard, 0).steady();
    any |= steady;
    s.run(*shard, recorder.capture());
    EXPECT_EQ(recorder.recorded, steady) << row.name;
    EXPECT_EQ(shard->obstacle().empty(), steady) << row.name;
  }
  EXPECT_TRUE(any);
}

TEST(SweepShard, StopsWhenItIsTold) {
  Sharing s({"minmax"});
  SweepShard shard(s.wishes, at::kCPU);
  size_t seen = 0;
  shard.run(
      *s.graph, {}, make_dataset(s.samples), {4, nullptr, {}}, [&](size_t count) { return (seen += count) < 8; },
      [](const std::string&) {});
  EXPECT_EQ(seen, 8u);
  const at::Tensor part = at::relu(at::cat(std::vector<at::Tensor>(s.samples.begin(), s.samples.begin() + 8)) * 2);
  EXPECT_FLOAT_EQ(static_cast<float>(s.scale(shard, 1)), static_cast<float>(part.max().item<double>() / 255));
}

/// What only other samples are for does not see these, and is there for the next call.
TEST(SweepShard, SleepersSeeNothing) {
  Sharing s({"minmax"});
  SweepShard shard(s.wishes, at::kCPU);
  const auto all = s.samples;
  const auto show = [&](size_t begin, size_t end, std::vector<bool> asleep) {
    const auto part = make_dataset(
        std::vector<at::Tensor>(all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(end)));
    shard.run(
        *s.graph, {}, part, {4, nullptr, std::move(asleep)}, [](size_t) { return true; }, [](const std::string&) {});
  };
  show(0, 10, {false, true});
  show(10, 23, {true, false});
  const auto part = [&](size_t begin, size_t end) {
    return at::cat(
        std::vector<at::Tensor>(all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(end)));
  };
  const at::Tensor first = part(0, 10), second = at::relu(part(10, 23) * 2);
  EXPECT_FLOAT_EQ(static_cast<float>(s.scale(shard, 0)),
                  static_cast<float>((first.max().item<double>() - first.min().item<double>()) / 255));
  EXPECT_FLOAT_EQ(static_cast<float>(s.scale(shard, 1)), static_cast<float>(second.max().item<double>() / 255));
}

TEST(SweepShard, MergedSharesAreTheWhole) {
  Sharing s({"mse", "minmax", "percentile-global"});
  SweepShard whole(s.wishes, at::kCPU), left(s.wishes, at::kCPU), right(s.wishes, at::kCPU);
  const auto all = s.samples;
  s.run(whole, nullptr);
  s.samples.assign(all.begin(), all.begin() + 9);
  s.run(left, nullptr);
  s.samples.assign(all.begin() + 9, all.end());
  s.run(right, nullptr);
  left.merge(right);
  for (size_t i = 0; i < 2; ++i)
    for (size_t k = 0; k < 3; ++k) EXPECT_EQ(s.scale(left, i, k), s.scale(whole, i, k)) << i << " " << k;
}

TEST(SweepShard, UnknownObserversAreUsageErrors) {
  Sharing s({"minmx"});
  EXPECT_EQ(thrown([&] { SweepShard(s.wishes, at::kCPU); }).kind(), ErrorKind::Usage);
}

}  // namespace
}  // namespace ppq::test
