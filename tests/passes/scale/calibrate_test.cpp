#include "passes/quantizing.h"
#include "support/small_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <atomic>

#include "core/file.h"
#include "support/share.h"
#include "support/waits.h"

namespace ppq::test {
namespace {

/// x → Gemm(W) → Relu → y over scalars in a row of two, by hand.
struct Layer : Quantizing {
  explicit Layer(const std::string& observer = "minmax")
      : Quantizing("(float[N,2] x) => (float[N,2] y) <float[2,2] W = {0.5, -1.3, 0.9, 0.21}>", "[gemm] g = Gemm(x, W) [relu] y = Relu(g)") {
    setting.quantize_activation_setting.calib_algorithm = observer;
  }
  void prepare() { passes({"configure-quantization", "fuse-quantization", "quantize-parameters"}); }
};

std::vector<at::Tensor> samples() {
  std::vector<at::Tensor> list;
  for (auto [a, b] : {std::pair{1.0f, -2.0f}, {0.3f, 4.0f}, {-1.5f, 0.25f}, {2.0f, 2.0f}, {0.0f, -0.75f}})
    list.push_back(floats({a, b}).reshape({1, 2}));
  return list;
}

TEST(Calibrate, RangesAreThoseOfTheSamplesWithRoundedWeights) {
  for (size_t batch : {1u, 2u, 4u, 8u}) {
    Layer q;
    q.calibrate_with(samples());
    q.context.batch_size = batch;
    q.prepare();
    EXPECT_EQ(q.pass("calibrate"), 2u) << "x, and what Gemm and Relu share";
    const double W[2][2] = {{static_cast<double>(0.5f), static_cast<double>(-1.3f)},
                            {static_cast<double>(0.9f), static_cast<double>(0.21f)}};
    const PlainRange weights(W[0][1], W[1][0]), in(-2, 4);
    double top = 0;
    for (const at::Tensor& x : samples())
      for (int c = 0; c < 2; ++c) {
        double sum = 0;  // activations are float while weights are rounded
        for (int j = 0; j < 2; ++j) sum += x[0][j].item<double>() * round_to(W[j][c], weights.scale, weights.offset);
        top = std::max(top, sum);
      }
    const PlainRange out(0, top);
    EXPECT_FLOAT_EQ(scale_of(q.in("gemm")), static_cast<float>(in.scale)) << batch;
    EXPECT_EQ(offset_of(q.in("gemm")), in.offset) << batch;
    EXPECT_FLOAT_EQ(scale_of(q.out("relu")), static_cast<float>(out.scale)) << batch;
    EXPECT_EQ(offset_of(q.out("relu")), 0) << batch;
    EXPECT_EQ(q.in("gemm")->state, QuantState::Active);
    EXPECT_EQ(q.out("relu")->state, QuantState::Active);
    EXPECT_TRUE(q.in("gemm")->candidates.empty());
  }
}

/// Rows grow from 2 to 4096 and 8192 elements: the first tensors have been observed when memory is short. Weights are small.
struct Growing : Quantizing {
  Growing()
      : Quantizing("(float[N,2] x, float[2,1] V, float[1,4096] W) => (float[N,8192] y)",
                   "[first] a = Gemm(x, V) [relu] b = Relu(a) [second] c = Gemm(b, W) [third] y = Concat<axis = 1>(c, c)", {"V", "W"}) {}
};

TEST(Calibrate, OutOfMemoryHalvesTheBatchAndLosesNothing) {
  PPQ_REQUIRE_CPU_MEMORY();
  at::manual_seed(9);
  std::vector<at::Tensor> list;
  for (int i = 0; i < 13; ++i) list.push_back(at::randn({1, 2}));
  for (const char* observer : {"minmax", "minmax-extended", "percentile", "mse", "auto"}) {
    Growing plain, small;
    for (Growing* q : {&plain, &small}) {
      q->setting.quantize_activation_setting.calib_algorithm = observer;
      q->calibrate_with(list);
      q->context.batch_size = q == &plain ? 1 : 10;
      q->passes({"configure-quantization", "fuse-quantization", "quantize-parameters"});
    }
    plain.pass("calibrate");
    {
      SmallMemory memory(3 * 8192 * 4);
      small.pass("calibrate");
      EXPECT_EQ(memory.refused, 2) << "10, then 5";
    }
    EXPECT_EQ(small.context.batch_size, 3u);
    ASSERT_THAT(small.warnings, SizeIs(2));
    EXPECT_THAT(small.warnings[0].text, HasSubstr("batches of 10 samples; going on with batches of 5"));
    EXPECT_THAT(small.warnings[1].text, HasSubstr("batches of 5 samples; going on with batches of 3"));
    for (const char* node : {"first", "second"}) {
      EXPECT_NEAR(scale_of(small.in(node)), scale_of(plain.in(node)), 1e-6 * scale_of(plain.in(node))) << observer << " " << node;
      EXPECT_EQ(offset_of(small.in(node)), offset_of(plain.in(node))) << observer << " " << node;
    }
  }
}

TEST(Calibrate, OutOfMemoryWithOneSampleIsAnError) {
  PPQ_REQUIRE_CPU_MEMORY();
  Growing q;
  q.setting.quantize_activation_setting.calib_algorithm = "minmax";
  q.calibrate_with({at::ones({1, 2}), at::ones({1, 2})});
  q.context.batch_size = 2;
  q.passes({"configure-quantization", "fuse-quantization", "quantize-parameters"});
  SmallMemory memory(8192 * 4 - 1);
  const Error error = thrown([&] { q.pass("calibrate"); });
  EXPECT_EQ(error.kind(), ErrorKind::Resource);
  EXPECT_THAT(error.what(), HasSubstr("third"));
}

TEST(Calibrate, TheLoopNeverWaitsForTheDevice) {
  Growing q;
  q.calibrate_with({at::ones({1, 2}), at::zeros({1, 2}), at::ones({1, 2})});
  q.passes({"configure-quantization", "fuse-quantization", "quantize-parameters"});
  const CountWaits waits;
  int before = -1, in_loop = -1;
  q.context.progress = [&](const std::string&, size_t done, size_t) {
    if (before < 0) before = waits.count();
    if (done == 3) in_loop = waits.count() - before;
  };
  q.pass("calibrate");
  EXPECT_EQ(in_loop, 0);
}

/// Devices share the samples batch by batch: here the CPU several times.
TEST(Calibrate, SeveralDevicesGiveTheNumbersOfOne) {
  at::manual_seed(4);
  std::vector<at::Tensor> list;
  for (int i = 0; i < 23; ++i) list.push_back(at::randn({1, 2}) * (1 + i % 5));
  for (const char* observer : {"minmax", "minmax-extended", "percentile", "percentile-global", "mse", "kl", "auto"}) {
    std::vector<std::unique_ptr<Growing>> runs;
    for (const size_t devices : {1u, 2u, 3u, 9u}) {
      Growing& q = *runs.emplace_back(std::make_unique<Growing>());
      q.setting.quantize_activation_setting.calib_algorithm = observer;
      q.calibrate_with(list);
      q.context.batch_size = 4;  // six batches, the last of three samples
      q.context.devices.assign(devices, at::kCPU);
      size_t last = 0;
      q.context.progress = [&](const std::string&, size_t done, size_t total) {
        EXPECT_EQ(total, 23u);
        EXPECT_GT(done, last);
        last = done;
      };
      q.passes({"configure-quantization", "fuse-quantization", "quantize-parameters", "calibrate"});
      EXPECT_EQ(last, 23u) << observer << " on " << devices;
      EXPECT_EQ(q.context.batch_size, 4u);
      EXPECT_TRUE(q.warnings.empty());
    }
    for (size_t k = 1; k < runs.size(); ++k)
      for (const char* node : {"first", "relu", "second", "third"}) {
        if (!runs[0]->out(node)) continue;
        // A mean of what batches gave is added in another order.
        EXPECT_NEAR(scale_of(runs[k]->out(node)), scale_of(runs[0]->out(node)), 1e-6 * scale_of(runs[0]->out(node)))
            << observer << " " << node << " " << k;
        EXPECT_EQ(offset_of(runs[k]->out(node)), offset_of(runs[0]->out(node))) << observer << " " << node;
      }
  }
}

TEST(Calibrate, EachDeviceTakesItsShareAndTheRecordSaysSo) {
  Growing q;
  q.setting.quantize_activation_setting.calib_algorithm = "minmax";
  q.calibrate_with({at::ones({1, 2}), at::zeros({1, 2}), at::ones({1, 2})});
  q.context.devices = {at::kCPU, at::kCPU};
  PassRecord record;
  q.context.record = &record;
  q.passes({"configure-quantization", "fuse-quantization", "quantize-parameters", "calibrate"});
  EXPECT_EQ(record.decision, "cpu: 0 batches by a recorded graph; cpu: 0 batches by a recorded graph");
}

TEST(Calibrate, AnErrorOnOneDeviceEndsTheOthers) {
  std::vector<at::Tensor> list(40, at::ones({1, 2}));
  list[3] = at::full({1, 2}, std::nanf(""));  // found at the end
  list[21] = at::ones({1, 3});                // found when it is read
  for (const size_t devices : {2u, 4u}) {
    Growing q;
    q.setting.quantize_activation_setting.calib_algorithm = "minmax";
    q.calibrate_with(list);
    q.context.devices.assign(devices, at::kCPU);
    q.passes({"configure-quantization", "fuse-quantization", "quantize-parameters"});
    const Error error = thrown([&] { q.pass("calibrate"); });
    EXPECT_EQ(error.kind(), ErrorKind::Data);
    EXPECT_THAT(error.what(), HasSubstr("[1, 3]"));
  }
}

TEST(Calibrate, OutOfMemoryOnSeveralDevicesHalvesEachOnesBatch) {
  at::manual_seed(9);
  std::vector<at::Tensor> list;
  for (int i = 0; i < 21; ++i) list.push_back(at::randn({1, 2}));
  Growing plain, small;
  for (Growing* q : {&plain, &small}) {
    q->setting.quantize_activation_setting.calib_algorithm = "minmax";
    q->calibrate_with(list);
    q->context.batch_size = q == &plain ? 1 : 5;
    if (q == &small) q->context.devices = {at::kCPU, at::kCPU};
    q->passes({"configure-quantization", "fuse-quantization", "quantize-parameters"});
  }
  plain.pass("calibrate");
  {
    SmallMemory memory(3 * 8192 * 4);
    small.pass("calibrate");
  }
  EXPECT_EQ(small.context.batch_size, 3u);
  EXPECT_THAT(small.warnings, SizeIs(2));
  for (const char* node : {"first", "second"}) {
    EXPECT_NEAR(scale_of(small.in(node)), scale_of(plain.in(node)), 1e-6 * scale_of(plain.in(node))) << node;
    EXPECT_EQ(offset_of(small.in(node)), offset_of(plain.in(node))) << node;
  }
}

TEST(Calibrate, LeavesAloneWhatHasNumbersOrFollows) {
  Layer q;
  q.calibrate_with(samples());
  q.prepare();
  q.in("gemm")->fixed = true;
  q.in("gemm")->params = active(0.5, 7)->params;
  q.out("relu")->scheme.dynamic = true;
  EXPECT_EQ(q.pass("calibrate"), 0u);
  EXPECT_EQ(scale_of(q.in("gemm")), 0.5);
  EXPECT_FALSE(q.out("relu")->params.defined());
  EXPECT_EQ(q.out("relu")->state, QuantState::Initial);
}

TEST(Calibrate, ConstantsAreNotActivations) {
  Layer q;
  q.calibrate_with(samples());
  q.passes({"configure-quantization", "fuse-quantization"});
  EXPECT_EQ(q.pass("calibrate"), 2u);
  EXPECT_EQ(q.in("gemm", 1)->state, QuantState::Initial) << "no one has read the weight";
}

TEST(Calibrate, TheObserverIsTheSchemesOrTheSettings) {
  Layer q("");
  for (SlotRole role : {SlotRole::Data, SlotRole::Output})
    for (SlotRule* rule : q.rules(role)) rule->scheme.observer = "no-such-observer";
  q.calibrate_with(samples());
  q.prepare();
  EXPECT_EQ(thrown([&] { q.pass("calibrate"); }).kind(), ErrorKind::Usage);
  q.setting.quantize_activation_setting.calib_algorithm = "minmax";
  EXPECT_EQ(q.pass("calibrate"), 2u);
}

TEST(Calibrate, OneTensorUnderTwoObserversHasTwoScales) {
  Quantizing q("(float[N,K] x) => (float[N,K] y, float[N,K] z)", "[a] y = Relu(x) [b] z = Tanh(x)");
  q.pass("configure-quantization");
  q.in("a")->scheme.observer = "minmax";
  q.in("b")->scheme.observer = "mse";
  at::Tensor x = at::linspace(-1, 1, 65536).reshape({1, -1});
  x[0][0] = 10;  // worth clipping a little
  q.calibrate_with({x});
  q.pass("calibrate");
  EXPECT_NEAR(scale_of(q.in("a")), 11.0 / 255, 1e-4);
  EXPECT_LT(scale_of(q.in("b")), 0.99 * scale_of(q.in("a")));
}

TEST(Calibrate, AutoTriesSeveralObserversAndOneAboveEightBits) {
  Layer q("auto");
  std::vector<at::Tensor> many;
  while (many.size() < 32)
    for (const at::Tensor& sample : samples()) many.push_back(sample);
  q.calibrate_with(many);
  q.setting.extra.bits = {{"activation:relu", 16}};
  q.prepare();
  q.pass("calibrate");
  std::vector<std::string> tried;
  for (const auto& [name, params] : q.in("gemm")->candidates) tried.push_back(params.defined() ? name : "nothing");
  EXPECT_THAT(tried, ElementsAre("minmax", "mse", "percentile-global"));
  const PlainRange in(-2, 4);
  EXPECT_FLOAT_EQ(q.in("gemm")->candidates.at("minmax").scale.item<float>(), static_cast<float>(in.scale));
  EXPECT_THAT(q.out("relu")->candidates, IsEmpty());
}

TEST(Calibrate, AutoExtendsTheRangesOfFewSamplesAndTriesNoOther) {
  Layer q("auto"), extended("minmax-extended"), plain("minmax");
  for (Layer* one : {&q, &extended, &plain}) {
    one->calibrate_with(samples());
    one->prepare();
    one->pass("calibrate");
  }
  for (const auto& quant : {q.in("gemm"), q.out("relu")}) EXPECT_THAT(quant->candidates, IsEmpty());
  EXPECT_EQ(scale_of(q.out("relu")), scale_of(extended.out("relu")));
  EXPECT_GT(scale_of(q.out("relu")), 1.01 * scale_of(plain.out("relu")));
  EXPECT_EQ(scale_of(q.in("gemm")), scale_of(plain.in("gemm"))) << "what flows into the network";
}

TEST(Calibrate, NeedsSamples) {
  Layer q;
  q.prepare();
  const Error error = thrown([&] { q.pass("calibrate"); });
  EXPECT_EQ(error.kind(), ErrorKind::Data);
  EXPECT_THAT(error.what(), HasSubstr("no samples"));
  q.calibrate_with({});
  EXPECT_EQ(thrown([&] { q.pass("calibrate"); }).kind(), ErrorKind::Data);
}

TEST(Calibrate, NonFiniteActivationsAreNamed) {
  Layer q;
  q.calibrate_with({floats({1, INFINITY}).reshape({1, 2})});
  q.prepare();
  const Error error = thrown([&] { q.pass("calibrate"); });
  EXPECT_EQ(error.kind(), ErrorKind::Data);
  EXPECT_THAT(error.what(), HasSubstr("x"));
}

TEST(Calibrate, ReportsProgressUpToTheLastSample) {
  Layer q;
  q.calibrate_with(samples());
  q.context.batch_size = 2;
  q.context.sample_bytes = size_t{1} << 40;  // one batch at a time
  std::vector<size_t> done;
  q.context.progress = [&](const std::string&, size_t now, size_t total) {
    done.push_back(now);
    EXPECT_EQ(total, 5u);
  };
  q.prepare();
  q.pass("calibrate");
  EXPECT_THAT(done, ElementsAre(2, 4, 5)) << "the last batch is ragged";
}

/// Samples that must not be read.
class Untouchable final : public Dataset {
 public:
  size_t size() const override { return 5; }
  Tensors sample(size_t) const override { throw Error(ErrorKind::Data, "sample", "was read"); }
  std::string name(size_t index) const override { return std::to_string(index); }
};

TEST(Calibrate, TakesUpAnEarlierRunOfTheSameThing) {
  const std::string file = temporary_dir("calibrate") + "/calibration.json";
  Layer first;
  first.calibrate_with(samples());
  first.context.checkpoint = {file, "print", false};
  first.prepare();
  first.pass("calibrate");
  Layer second;
  second.context.calibration = std::make_shared<Untouchable>();
  second.context.checkpoint = {file, "print", true};
  second.prepare();
  EXPECT_EQ(second.pass("calibrate"), 2u);
  EXPECT_EQ(scale_of(second.in("gemm")), scale_of(first.in("gemm")));
  EXPECT_EQ(scale_of(second.out("relu")), scale_of(first.out("relu")));
  EXPECT_THAT(second.warnings, IsEmpty());

  Layer other("mse");
  other.calibrate_with(samples());
  other.context.checkpoint = {file, "print", true};
  other.prepare();
  EXPECT_EQ(other.pass("calibrate"), 2u);
  ASSERT_THAT(other.warnings, SizeIs(1)) << "another observer: the file does not fit";
  EXPECT_THAT(other.warnings[0].text, HasSubstr("calibrating anew"));
}

}  // namespace
}  // namespace ppq::test
