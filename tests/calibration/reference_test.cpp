#include "calibration/reference.h"

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// Scores, and those of them that are not zero: rounding makes more of them zero.
struct Hits : Quantizing {
  Hits()
      : Quantizing("(float[1,3] x) => (float[1,3] y, float[K] hits) <int64[1] flat = {-1}>",
                   "[abs] y = Abs(x) f = Reshape(y, flat) n = NonZero(f) i = Reshape(n, flat) hits = Gather(f, i)") {
    calibrate_with({at::tensor({0.1f, 1.f, 2.f}).view({1, 3}), at::tensor({0.9f, 1.f, 2.f}).view({1, 3})});
    context.work = std::make_shared<Work>();
  }
  std::unique_ptr<Graph> plain = graph->clone();
  void quantize(double scale) {
    node("abs").output_quant = {active(scale, 0)};
    node("abs").quantized = true;
  }
};

TEST(Reference, OutputsOfAnotherShapeAreLeftOut) {
  Hits q;
  q.quantize(0.5);
  // First sample: 0.1 becomes 0, so the hits differ in number. Second: 0.9 becomes 1 in both outputs.
  const double noise = 0.1 * 0.1 + 0.1 * 0.1, signal = 0.01 + 1 + 4 + 0.81 + 1 + 4, hits = 0.1 * 0.1, hit_signal = 0.81 + 1 + 4;
  Reference reference(*q.plain, q.context.calibration, q.context);
  EXPECT_NEAR(reference.errors(*q.graph, Part::all()).sum(), noise / signal + hits / hit_signal, 1e-6);
  EXPECT_NEAR(reference.errors(*q.graph, Part::all()).pooled(), (noise + hits) / (signal + hit_signal), 1e-6);
  EXPECT_NEAR(reference.errors(*q.graph, Part::all().first(1)).sum(), 0.01 / 5.01, 1e-6) << "the first sample alone";
}

TEST(Reference, RunsTheFloatNetworkOnceAPartAlsoForCopies) {
  Hits q;
  q.quantize(0.5);
  Reference reference(*q.plain, q.context.calibration, q.context);
  Reference copy = reference;
  for (Reference* one : {&reference, &copy, &reference}) one->errors(*q.graph, Part::all());
  EXPECT_EQ(q.context.work->float_forwards, 2u);
  EXPECT_EQ(q.context.work->simulated_forwards, 6u);
}

/// A candidate that is certain to lose is not run to the end; one that wins has its exact error.
TEST(Reference, GivesUpWhatIsCertainToBeWorse) {
  Hits q;
  q.quantize(0.5);
  q.context.sample_bytes = size_t{1} << 40;  // one sample at a time
  Reference reference(*q.plain, q.context.calibration, q.context);
  const Reference::Course first = reference.course(*q.graph, Part::all(), {});
  EXPECT_EQ(first.error, reference.errors(*q.graph, Part::all()).sum());
  ASSERT_THAT(first.growth, SizeIs(2));
  EXPECT_NEAR(first.growth[0], 0.01 / 5.01, 1e-6);
  Reference::Course rival;
  rival.error = first.error * 1.01;
  EXPECT_EQ(reference.course(*q.graph, Part::all(), rival).error, first.error);
  q.context.work->simulated_forwards = 0;
  // The first sample alone makes 0.01 of noise in y, over the signal of both samples.
  rival.error = 0.01 / (0.01 + 1 + 4 + 0.81 + 1 + 4) * 0.99;
  EXPECT_TRUE(std::isinf(reference.course(*q.graph, Part::all(), rival).error));
  EXPECT_EQ(q.context.work->simulated_forwards, 1u);
}

/// From the fourth sample on, one that is far behind on the same samples; before, and less far behind, it goes on.
TEST(Reference, GivesUpWhatIsFarBehind) {
  Quantizing q("(float[N,1] x) => (float[N,1] y)", "[neg] y = Neg(x)");
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 8; ++i) samples.push_back(at::full({1, 1}, 1.25));
  q.calibrate_with(samples);
  q.context.sample_bytes = size_t{1} << 40;  // one sample at a time
  q.context.work = std::make_shared<Work>();
  const auto plain = q.graph->clone();
  q.node("neg").output_quant = {active(0.5, 128)};
  q.node("neg").quantized = true;
  Reference reference(*plain, q.context.calibration, q.context);
  const Reference::Course course = reference.course(*q.graph, Part::all(), {});
  EXPECT_NEAR(course.error, 0.04, 1e-6);
  const auto forwards_against = [&](double better) {
    Reference::Course rival;
    rival.growth.assign(8, course.error / better);
    q.context.work->simulated_forwards = 0;
    reference.course(*q.graph, Part::all(), rival);
    return q.context.work->simulated_forwards;
  };
  EXPECT_EQ(forwards_against(1.4), 8u);
  EXPECT_EQ(forwards_against(1.6), 4u);
}

/// Whatever the batch, errors grow sample by sample, and a candidate is given up at the same sample.
TEST(Reference, GivesUpAtTheSameSampleInBatches) {
  const auto course_of = [](size_t batch, double behind) {
    Quantizing q("(float[N,1] x) => (float[N,1] y)", "[neg] y = Neg(x)");
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 8; ++i) samples.push_back(at::full({1, 1}, 1.25 + 0.01 * i));
    q.calibrate_with(samples);
    q.context.batch_size = batch;
    const auto plain = q.graph->clone();
    q.node("neg").output_quant = {active(0.5, 128)};
    q.node("neg").quantized = true;
    Reference reference(*plain, q.context.calibration, q.context);
    Reference::Course rival;
    for (int i = 0; i < 8; ++i) rival.growth.push_back((i < 5 ? 1 : 0.02) / behind);
    return reference.course(*q.graph, Part::all(), rival);
  };
  const Reference::Course alone = course_of(1, 1);
  EXPECT_THAT(alone.growth, SizeIs(6)) << "given up at the sixth sample";
  EXPECT_TRUE(std::isinf(alone.error));
  for (const size_t batch : {3u, 8u}) {
    const Reference::Course together = course_of(batch, 1);
    EXPECT_THAT(together.growth, testing::Pointwise(testing::DoubleNear(1e-12), alone.growth)) << batch;
    EXPECT_TRUE(std::isinf(together.error));
  }
}

TEST(Reference, FloatChangeComparesTwoFloatNetworks) {
  Quantizing q("(float[N,2] x) => (float[N,2] y) <float k = {2}>", "y = Mul(x, k)");
  q.calibrate_with({at::ones({1, 2}), at::full({1, 2}, 3.0)});
  const auto other = q.graph->clone();
  other->find_value("k")->set_constant(at::scalar_tensor(2.2f));
  EXPECT_NEAR(float_change(*other, *q.graph, q.context.calibration, q.context), 0.01, 1e-6);
  EXPECT_EQ(float_change(*q.graph, *q.graph, q.context.calibration, q.context), 0);
}

}  // namespace
}  // namespace ppq::test
