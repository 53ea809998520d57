// Tensors without elements: quantized around, listed as missing with the reason. onnxruntime judges.
#include "apps/judged.h"

namespace ppq::test {
namespace {

constexpr double kMost = 1e-3;

void expect_missing(const Json& report, const std::vector<std::string>& names, const char* reason) {
  const auto missing = report["encodings"]["missing"].get<std::vector<std::string>>();
  for (const std::string& name : names) {
    EXPECT_THAT(missing, testing::Contains(name));
    ASSERT_TRUE(report["encodings"]["reasons"].contains(name)) << name;
    EXPECT_THAT(report["encodings"]["reasons"][name].get<std::string>(), HasSubstr(reason)) << name;
  }
}

TEST(EmptyTensors, ConstantsSlicesAndReductions) {
  PPQ_REQUIRE_PYTHON();
  const std::string text =
      "g (float[1,3,4,4] x) => (float[1,1,4,4] o, float[1,4,4,4] y, float[1,0,4,4] nothing) <float[1,0,4,4] nil = {}, int64[1] a = {2}, "
      "int64[1] axis = {1}, int64[1] zero = {0}, int64[1] one = {1}, " +
      random_constant("float[4,3,1,1] w", 1) + ", " + random_constant("float[4,4,1,1] w2", 2) +
      R"(> { c = Conv(x, w) e = Slice(c, a, a, axis) k = Concat<axis = 1>(nil, c, e) y = Conv(k, w2)
             z = ReduceSum<keepdims = 1>(e, axis) y1 = Slice(y, zero, one, axis) o = Add(z, y1) nothing = Relu(e) })";
  Judged judged("empty_constants", text, noise_samples({1, 3, 4, 4}));
  judged.expect_within(kMost, {"o", "y"});
  expect_missing(judged.report, {"e", "nil", "nothing"}, "no elements");
  const std::string table = read_file(judged.folder + "/qnn_htp_a16w8/quantized.table");
  EXPECT_EQ(table.find("\"e\""), std::string::npos);
}

TEST(EmptyTensors, SplitPadGatherAndIf) {
  PPQ_REQUIRE_PYTHON();
  const std::string text =
      "g (float[2,6] x) => (float[2,6] y, float[2,2] p) <int64[3] parts = {6, 0, 0}, int64[4] pads = {0, 1, 0, 1}, int64[0] none = {}, "
      "bool yes = {1}, float half = {0.5}, " +
      random_constant("float[6,6] w", 1) +
      R"(> { a, b, d = Split<axis = 1>(x, parts) m = MatMul(a, w) g = Gather<axis = 1>(m, none) t = Sigmoid(b) k = Concat<axis = 1>(t, m, g)
             i = If(yes) <then_branch = yes_branch () => (float[2,6] r) { r = Identity(k) }, else_branch = no_branch () => (float[2,6] r2) { r2 = Neg(k) }>
             y = Relu(i) p = Pad(d, pads, half) })";
  Judged judged("empty_split", text, noise_samples({2, 6}));
  judged.expect_within(kMost, {"y", "p"});
  expect_missing(judged.report, {"b", "d", "g", "t"}, "no elements");
}

/// The shape is not known before the network runs.
TEST(EmptyTensors, SeenOnlyOnSamples) {
  PPQ_REQUIRE_PYTHON();
  const std::string text =
      "g (float[1,8] x) => (float[1,8] y, float[1,K] far) <float none = {0}, int64[1] first = {0}, int64[1] axis = {1}, " +
      random_constant("float[8,8] w", 3) +
      R"(> { m = MatMul(x, w) y = Relu(m) most = ReduceMax<keepdims = 0>(x) z = Mul(most, none) n = Cast<to = 7>(z) end = Reshape(n, axis)
             s = Slice(m, first, end, axis) far = Tanh(s) })";
  Judged judged("empty_samples", text, noise_samples({1, 8}));
  judged.expect_within(kMost, {"y"});
  expect_missing(judged.report, {"far"}, "in any sample");
}

/// Exporters write 0 for a size they do not know.
TEST(EmptyTensors, AnInputOfSizeZeroMeansAnyBatch) {
  PPQ_REQUIRE_PYTHON();
  auto graph = read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[1,4] x) => (float[1,4] y) <" +
                              random_constant("float[4,4] w", 1) + "> { m = MatMul(x, w) y = Relu(m) }");
  for (Value* value : graph->values())
    if (!value->is_constant()) (*value->shape)[0] = Dim{0, ""};
  const std::string folder = temporary_dir("empty_batch");
  write_onnx(*graph, folder + "/model.onnx");
  write_npy(folder + "/samples/0.npy", noise({1, 4}, 1));
  const Result job = ppq_torch({"--model", folder + "/model.onnx", "--calib", folder + "/samples", "--platform", "qnn_dsp_int8", "--device",
                                test_device_name(), "--output", folder + "/out"});
  if (job.code == 0) {
    EXPECT_EQ(Json::parse(read_file(folder + "/out/report.json"))["encodings"]["missing"].size(), 0u);
  } else {
    EXPECT_EQ(job.code, 5) << job.err;
  }
}

}  // namespace
}  // namespace ppq::test
