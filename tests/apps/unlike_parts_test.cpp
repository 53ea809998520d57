// Outputs that join parts of very different magnitude: what is said, measured and cured.
#include "apps/float_outputs.h"

namespace ppq::test {
namespace {

class UnlikeParts : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { PPQ_REQUIRE_PYTHON(); }
};
INSTANTIATE_TEST_SUITE_P(Hexagon, UnlikeParts, testing::ValuesIn(platforms_of_hexagon()));

/// Splits a remedy into the arguments that a shell would make of it.
std::vector<std::string> words_of(const std::string& remedy) {
  std::vector<std::string> words{""};
  bool quoted = false;
  for (const char c : remedy) {
    if (c == '\'')
      quoted = !quoted;
    else if (c == ' ' && !quoted)
      words.emplace_back();
    else
      words.back() += c;
  }
  return words;
}

TEST_P(UnlikeParts, BoxesAndScores) {
  PPQ_REQUIRE_SHARED();
  const std::string folder = shared("field/yolo-head");
  const Compared plain = compare_with_onnxruntime(folder, GetParam());
  const Json parts = plain.report["outputs"][0]["parts"];
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[1]["name"], "scores");
  const Json warning = plain.warning("concat-ranges");
  if (GetParam() == "qnn_htp_a16w8") {
    EXPECT_TRUE(warning.is_null()) << "16 bits leave 100 steps";
    EXPECT_LT(parts[1]["snr"].get<double>(), 0.01);
    return;
  }
  EXPECT_GT(parts[1]["snr"].get<double>(), 0.5) << "scores are lost";
  EXPECT_LT(parts[0]["snr"].get<double>(), 0.001) << "boxes are not";
  ASSERT_FALSE(warning.is_null());
  EXPECT_THAT(warning["text"].get<std::string>(),
              testing::AllOf(HasSubstr("Concat_output0"), HasSubstr("boxes"), HasSubstr("scores"), HasSubstr("--bits")));
  EXPECT_GT(warning["figures"]["ratio"].get<double>(), 600);
  for (const std::vector<std::string>& remedy : {words_of(warning["remedy"]), {"--bits", "Concat_output0=16"}}) {
    const Compared cured = compare_with_onnxruntime(folder, GetParam(), remedy);
    EXPECT_TRUE(cured.warning("concat-ranges").is_null());
    const double rms = std::sqrt(cured.report["outputs"][0]["parts"][1]["mse"].get<double>());
    EXPECT_LT(rms, 0.02) << remedy[0];
  }
}

/// Two levels, each of boxes and scores, joined and turned around.
TEST_P(UnlikeParts, LevelsOfParts) {
  if (GetParam() == "qnn_htp_a16w8") GTEST_SKIP() << "16 bits are enough";
  const SmallModel model(
      "levels_of_parts", "(float[1,4,4,4] x, float[4,4,1,1] v, float[3,4,1,1] w, float k, int64[3] shape) => (float[1,32,7] y)",
      "b = Conv(x, v) r = Relu(b) m = Mul(r, k) s = Conv(x, w) t = Sigmoid(s) p = MaxPool<kernel_shape = [1,1]>(x) c = Conv(p, v) d = "
      "Relu(c) e = Mul(d, k) "
      "f = Conv(p, w) g = Sigmoid(f) [one] h = Concat<axis = 1>(m, t) [two] i = Concat<axis = 1>(e, g) [all] j = Concat<axis = 2>(h, i) "
      "[flat] l = Reshape(j, shape) [turn] y = Transpose<perm = [0,2,1]>(l)",
      {{"v", noise({4, 4, 1, 1}, 1)},
       {"w", noise({3, 4, 1, 1}, 2)},
       {"k", at::full({}, 300.0)},
       {"shape", at::tensor({1, 7, 32}, at::kLong)}});
  model.samples({1, 4, 4, 4});
  const Compared plain = compare_with_onnxruntime(model.folder, GetParam());
  const Json warning = plain.warning("concat-ranges");
  ASSERT_FALSE(warning.is_null());
  for (const char* name : {"one", "all", "flat", "turn"})
    EXPECT_THAT(warning["remedy"].get<std::string>(), HasSubstr("--keep-float '" + std::string(name) + "'"));
  EXPECT_GT(plain.nsr(), 1e-7);
}

/// Parts of like magnitude, and a part that is nothing: no word.
TEST_P(UnlikeParts, LikePartsAreNoWarning) {
  const SmallModel model("like_parts", "(float[1,4,4,4] x, float[4,4,1,1] v, float[3,4,1,1] w, float k, float zero) => (float y)",
                         "b = Conv(x, v) m = Mul(b, k) s = Conv(x, w) z = Mul(s, zero) [join] y = Concat<axis = 1>(m, s, z)",
                         {{"v", noise({4, 4, 1, 1}, 1)}, {"w", noise({3, 4, 1, 1}, 2)}, {"k", at::full({}, 6.0)}, {"zero", at::zeros({})}});
  model.samples({1, 4, 4, 4});
  const Compared found = compare_with_onnxruntime(model.folder, GetParam());
  EXPECT_TRUE(found.warning("concat-ranges").is_null()) << found.quantize.err;
}

}  // namespace
}  // namespace ppq::test
