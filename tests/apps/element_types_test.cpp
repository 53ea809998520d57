// float16, bfloat16 and float64 networks: what passes add and change has their type. onnx's checker and onnxruntime judge.
#include "apps/judged.h"

namespace ppq::test {
namespace {

/// float16 has 11 bits: what is computed in it differs by some 1e-7 of the signal from what onnxruntime computes.
constexpr double kMost = 2e-3;

std::unique_ptr<Graph> network(DataType type, const std::string& versions = "ir_version: 8, opset_import: [\"\" : 17]") {
  auto graph =
      read_onnx_text("<" + versions + "> g (float[1,3,8,8] x) => (float[1,5] y, float[1,3,13,13] t) <" +
                     random_constant("float[4,3,3,3] w", 1) + ", " + random_constant("float[4] b", 2) +
                     ", float[4] g = {1, 0.5, 2, 1.5}, " + random_constant("float[4] be", 3) + ", " + random_constant("float[4] mu", 4) +
                     ", float[4] va = {1, 2, 0.5, 1}, float[4] scales = {1, 1, 2, 2}, " + random_constant("float[4,3,2,2] wt", 5) + ", " +
                     random_constant("float[5,3] fw", 6) + ", " + random_constant("float[5] fb", 7) + R"(> {
    c = Conv(x, w, b) n = BatchNormalization(c, g, be, mu, va) r = Relu(n)
    u = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">(r, , scales)
    t = ConvTranspose(u, wt) p = GlobalAveragePool(t) f = Flatten(p) y = Gemm<transB = 1>(f, fw, fb) })");
  retype(*graph, type, {"scales"});
  return graph;
}

Tensors samples(DataType type, const std::vector<int64_t>& sizes) {
  Tensors all = noise_samples(sizes);
  for (at::Tensor& one : all) one = one.to(to_scalar_type(type));
  return all;
}

TEST(ElementTypes, Float16) {
  PPQ_REQUIRE_PYTHON();
  Judged("float16", *network(DataType::Float16), samples(DataType::Float16, {1, 3, 8, 8})).expect_within(kMost, {"y", "t"});
}

/// A BatchNormalization that stands alone becomes a Conv, one behind a Gemm is folded; parameters beside float16 data are float32.
TEST(ElementTypes, Float16BesideFloat32) {
  PPQ_REQUIRE_PYTHON();
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[1,3,6,6] x) => (float[1,3,4,4] y) <float[3] g = {1, 0.5, 2}, "
      "float[3] be = {0.5, 1, -1}, float[3] mu = {0.1, -0.2, 0.3}, float[3] va = {1, 2, 0.5}, " +
      random_constant("float[3,3,3,3] w", 5) + "> { n = BatchNormalization(x, g, be, mu, va) r = Relu(n) y = Conv(r, w) }");
  retype(*graph, DataType::Float16, {"g", "be", "mu", "va"});
  Judged("float16_batch_norm", *graph, samples(DataType::Float16, {1, 3, 6, 6})).expect_within(kMost, {"y"});
}

TEST(ElementTypes, Float64) {
  PPQ_REQUIRE_PYTHON();
  auto graph = read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[4,6] x) => (float[4,5] y) <" +
                              random_constant("float[6,5] w", 1) + ", " + random_constant("float[5,5] w2", 2) +
                              "> { p = Gemm(x, w) r = Relu(p) y = Gemm(r, w2) }");
  retype(*graph, DataType::Double);
  Judged("float64", *graph, samples(DataType::Double, {4, 6})).expect_within(kMost, {"y"});
}

/// onnxruntime has no such kernels on a CPU: onnx's checker judges.
TEST(ElementTypes, BFloat16) {
  PPQ_REQUIRE_PYTHON();
  const std::string folder = temporary_dir("bfloat16");
  write_onnx(*network(DataType::BFloat16, "ir_version: 10, opset_import: [\"\" : 22]"), folder + "/model.onnx");
  for (int i = 0; i < 4; ++i) write_npy(folder + "/samples/" + std::to_string(i) + ".npy", noise({1, 3, 8, 8}, i));
  for (const char* platform : {"qnn_dsp_int8", "qnn_htp_int8", "qnn_htp_a16w8"}) {
    const std::string out = folder + "/" + platform;
    const Result job = ppq_torch({"--model", folder + "/model.onnx", "--calib", folder + "/samples", "--platform", platform, "--device",
                                  test_device_name(), "--output", out});
    ASSERT_EQ(job.code, 0) << job.err;
    run_python("import onnx, sys; onnx.checker.check_model(sys.argv[1], full_check=True)", {out + "/quantized.onnx"});
    const Json report = Json::parse(read_file(out + "/report.json"));
    for (const auto& output : report["outputs"]) EXPECT_LE(output["snr"].get<double>(), 0.01) << output;
  }
}

/// Stored, but not computed with: such tensors stay as they are, and the report says why.
TEST(ElementTypes, Float8InputsAndOutputs) {
  const std::string folder = temporary_dir("float8");
  write_onnx(*read_onnx_text("<ir_version: 10, opset_import: [\"\" : 21]> g (float8e4m3fn[1,4] x) => (float8e5m2[1,4] y, float[1,4] z) <" +
                             random_constant("float[4,4] w", 1) +
                             "> { wide = Cast<to = 1>(x) m = MatMul(wide, w) z = Relu(m) y = Cast<to = 19>(z) }"),
             folder + "/model.onnx");
  for (int i = 0; i < 3; ++i) write_npy(folder + "/samples/" + std::to_string(i) + ".npy", noise({1, 4}, i));
  for (const char* platform : {"qnn_dsp_int8", "qnn_htp_int8", "qnn_htp_a16w8"}) {
    const std::string out = folder + "/" + platform;
    const Result job = ppq_torch({"--model", folder + "/model.onnx", "--calib", folder + "/samples", "--platform", platform, "--device",
                                  test_device_name(), "--output", out});
    ASSERT_EQ(job.code, 0) << job.err;
    const Json encodings = Json::parse(read_file(out + "/report.json"))["encodings"];
    for (const char* name : {"x", "y"}) {
      EXPECT_THAT(encodings["missing"].get<std::vector<std::string>>(), testing::Contains(name));
      EXPECT_THAT(encodings["reasons"][name].get<std::string>(), HasSubstr("float8")) << name;
    }
  }
}

}  // namespace
}  // namespace ppq::test
