#include "passes/rewritten.h"

namespace ppq::test {
namespace {

/// The nearest pixel by half-pixel places, twice as large: each pixel twice.
TEST(NxpResize, TakesTheNearestPixel) {
  const auto graph =
      parse_model(model_text("float[1,2,3,3] x", "float[1,2,6,6] y",
                             "s = Constant<value = float[4] {1, 1, 2, 2}>() "
                             "[up] y = Resize<mode = \"linear\", coordinate_transformation_mode = \"align_corners\">(x, , s)"));
  std::vector<Warning> warnings;
  PassContext context;
  context.warnings = &warnings;
  run_passes(*graph, {"nxp-resize"}, context);
  const Tensors inputs = random_inputs(*graph);
  const at::Tensor expected = inputs[0].repeat_interleave(2, 2).repeat_interleave(2, 3);
  EXPECT_TRUE(at::equal(run_float(*graph, inputs)[0], expected));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0].text, testing::HasSubstr("'up'"));
}

TEST(NxpResize, LeavesWhatIsSoAlready) {
  const auto graph = parse_model(model_text("float[1,2,3,3] x", "float[1,2,6,6] y",
                                            "s = Constant<value = float[4] {1, 1, 2, 2}>() y = Resize<mode = \"nearest\">(x, , s)"));
  std::vector<Warning> warnings;
  PassContext context;
  context.warnings = &warnings;
  run_passes(*graph, {"nxp-resize"}, context);
  EXPECT_TRUE(warnings.empty());
}

}  // namespace
}  // namespace ppq::test
