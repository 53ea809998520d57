#include "passes/quantizing.h"

namespace ppq::test {
namespace {

constexpr const char* kInputs = "float[1,2,3] x, float[1,12,3] w, float[1,12,4] r, float[1,24] b, float[1,2,4] h";

Rewritten split(const std::string& body, const std::string& outputs = "float[1,2,4] y", const std::string& inputs = kInputs,
                int opset = 15) {
  std::vector<std::string> constants;
  for (const char* name : {"w", "r", "b"})
    if (inputs.find(std::string("] ") + name) != std::string::npos) constants.push_back(name);
  return rewrite(parse_model(model_text(inputs, outputs, body, opset), constants), passes::make_gru_split());
}

/// Against the GRU itself, whose kernel onnx's node tests hold to its word.
TEST(GruSplit, BecomesWhatItComputes) {
  for (const char* late : {"0", "1"})
    for (const int opset : {10, 13, 15}) {
      SCOPED_TRACE(std::string(late) + " " + std::to_string(opset));
      const auto r = split("s, y = GRU<hidden_size = 4, linear_before_reset = " + std::string(late) + ">(x, w, r, b, , h)",
                           "float[1,2,4] y", kInputs, opset);
      EXPECT_EQ(r.changes, 1u);
      EXPECT_THAT(r.types(), testing::Not(testing::Contains("GRU")));
    }
}

TEST(GruSplit, BothOutputsAreKeptWhereTheyAreUsed) {
  const auto both = split("s, y = GRU<hidden_size = 4>(x, w, r, b, , h)", "float[1,1,2,4] s, float[1,2,4] y");
  EXPECT_EQ(both.changes, 1u);
  const auto all = split("y = GRU<hidden_size = 4>(x, w, r, b, , h)", "float[1,1,2,4] y");
  EXPECT_EQ(all.changes, 1u);
  const auto types = all.types();
  EXPECT_EQ(std::count(types.begin(), types.end(), "Gemm"), 4);
}

TEST(GruSplit, WithoutBiasAndInitialState) {
  EXPECT_EQ(split("s, y = GRU<hidden_size = 4>(x, w, r)", "float[1,2,4] y", "float[1,2,3] x, float[1,12,3] w, float[1,12,4] r").changes,
            1u);
  EXPECT_EQ(
      split("s, y = GRU<hidden_size = 4>(x, w, r, b)", "float[1,2,4] y", "float[1,2,3] x, float[1,12,3] w, float[1,12,4] r, float[1,24] b")
          .changes,
      1u);
}

TEST(GruSplit, DoesNotFire) {
  const std::string tail = "(x, w, r, b, , h)";
  EXPECT_EQ(split("s, y = GRU<hidden_size = 4>" + tail, "float[1,2,4] y",
                  "float[2,2,3] x, float[1,12,3] w, float[1,12,4] r, float[1,24] b, float[1,2,4] h")
                .changes,
            0u)
      << "two steps";
  EXPECT_EQ(split("s, y = GRU<hidden_size = 4, activations = [\"Tanh\", \"Tanh\"]>" + tail).changes, 0u);
  EXPECT_EQ(split("s, y = GRU<hidden_size = 4, clip = 0.5>" + tail).changes, 0u);
  EXPECT_EQ(split("s, y = GRU<hidden_size = 4, direction = \"reverse\">" + tail).changes, 0u);
  EXPECT_EQ(split("s, y = GRU<hidden_size = 4, activations = [\"Sigmoid\", \"Tanh\"]>" + tail).changes, 1u) << "the usual ones, said";
}

TEST(GruSplit, SaysWhatItLeaves) {
  Quantizing q("(float[2,2,3] x, float[1,12,3] w, float[1,12,4] r) => (float[1,2,4] y)", "[gru] s, y = GRU<hidden_size = 4>(x, w, r)",
               {"w", "r"});
  EXPECT_EQ(q.pass("gru-split"), 0u);
  ASSERT_THAT(q.warnings, SizeIs(1));
  EXPECT_THAT(q.warnings[0].text, HasSubstr("'gru'"));
}

}  // namespace
}  // namespace ppq::test
