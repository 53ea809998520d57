#include "calibration/float_means.h"

#include "calibration/samples.h"
#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// y = -x over rows of two channels; sample i holds {i, 10 i}.
struct Rows : Quantizing {
  Rows() : Quantizing("(float[N,2,3] x) => (float[N,2,3] y)", "y = Neg(x)") {
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 10; ++i) samples.push_back(at::tensor({1.f, 10.f}).view({1, 2, 1}).expand({1, 2, 3}).contiguous() * i);
    calibrate_with(samples);
    context.batch_size = 3;
    context.work = std::make_shared<Work>();
  }
  std::vector<FloatMeans::Layer> layers() const { return {{graph->find_value("y"), 1}}; }
};

TEST(FloatMeans, RunsEachSampleOnceWhateverPartItComesWith) {
  Rows q;
  FloatMeans means;
  const DatasetPtr few = part_of(q.context.calibration, Part::fitting().spread(2)), more = part_of(q.context.calibration, Part::fitting());
  EXPECT_THAT(places_of(few), testing::ElementsAre(0, 5));
  means.know(*q.graph, q.layers(), few, q.context);
  EXPECT_EQ(q.context.work->float_forwards, 2u);
  means.know(*q.graph, q.layers(), more, q.context);
  EXPECT_EQ(q.context.work->float_forwards, 6u);
  EXPECT_EQ(means.mean("y", {5})[1].item<double>(), -50);
  EXPECT_EQ(means.mean("y", {2, 6})[0].item<double>(), -4);
  means.scale("y", at::tensor({2.f, 0.5f}));
  EXPECT_EQ(means.mean("y", {2, 6})[0].item<double>(), -8);
  EXPECT_EQ(means.mean("y", {2, 6})[1].item<double>(), -20);
  means.forget();
  means.know(*q.graph, q.layers(), few, q.context);
  EXPECT_EQ(means.mean("y", {5})[0].item<double>(), -5);
}

TEST(FloatMeans, PartsOfPartsKnowTheirPlaces) {
  Rows q;
  const DatasetPtr half = part_of(q.context.calibration, Part::held_back()), part = part_of(half, Part::held_back());
  EXPECT_THAT(places_of(part), testing::ElementsAre(4, 9));
  EXPECT_EQ(part->sample(1)[0][0][0][0].item<float>(), 9);
  EXPECT_EQ(part_of(half, Part::all()), half);
}

TEST(FloatMeans, ChannelsOfAMatrixAreItsLastDimension) {
  Quantizing q("(float[N,3] x) => (float[N,3] y)", "y = Neg(x)");
  q.calibrate_with({at::tensor({1.f, 2.f, 3.f}).view({1, 3})});
  FloatMeans means;
  means.know(*q.graph, {{q.graph->find_value("y"), -1}}, q.context.calibration, q.context);
  EXPECT_EQ(means.mean("y", {0})[2].item<double>(), -3);
}

}  // namespace
}  // namespace ppq::test
