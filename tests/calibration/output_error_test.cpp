#include "calibration/output_error.h"

#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// Scores, and those of them that are not zero: rounding makes more of them zero.
struct Hits : Quantizing {
  Hits()
      : Quantizing("(float[1,3] x) => (float[1,3] y, float[K] hits) <int64[1] flat = {-1}>",
                   "[abs] y = Abs(x) f = Reshape(y, flat) n = NonZero(f) i = Reshape(n, flat) hits = Gather(f, i)") {
    calibrate_with({at::tensor({0.1f, 1.f, 2.f}).view({1, 3}), at::tensor({0.9f, 1.f, 2.f}).view({1, 3})});
  }
};

TEST(OutputError, OutputsOfAnotherShapeAreLeftOut) {
  Hits q;
  const auto plain = q.graph->clone();
  q.node("abs").output_quant = {active(0.5, 0)};
  q.node("abs").quantized = true;
  // First sample: 0.1 becomes 0, so the hits differ in number. Second: 0.9 becomes 1 in both outputs.
  const double y = (0.1 * 0.1 + 0.1 * 0.1) / (0.01 + 1 + 4 + 0.81 + 1 + 4), hits = 0.1 * 0.1 / (0.81 + 1 + 4);
  const passes::OutputReference reference(*plain, q.context, 64);
  EXPECT_NEAR(reference.error(*q.graph), y + hits, 1e-6);
  EXPECT_NEAR(passes::output_error(*q.graph, *plain, q.context, 1), 0.01 / 5.01, 1e-6) << "the first sample alone";
}

}  // namespace
}  // namespace ppq::test
