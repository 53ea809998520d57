// --split-output: parts of an output become outputs; what DEPLOY.md says joins them.
#include "apps/float_outputs.h"

namespace ppq::test {
namespace {

/// Joins the simulated parts by the lines that DEPLOY.md has between ```python and ```, and compares with onnxruntime's float output:
/// prints the largest error of rows `first` to the end, and the largest of all, as shares of the output's largest value.
constexpr const char* kJoin = R"(
import glob, os, sys
import numpy as np, onnx, onnxruntime as ort
folder, out, simulated, name, first = sys.argv[1:]
onnx.checker.check_model(out + '/quantized.onnx', full_check=True)
lines = open(out + '/DEPLOY.md').read().split('```python\n')[1].split('```')[0]
parts = [value.name for value in onnx.load(out + '/quantized.onnx').graph.output]
session = ort.InferenceSession(folder + '/model.onnx')
most = last = 0
for number, path in enumerate(sorted(glob.glob(folder + '/data/*.npy'))):
    dump = simulated + '/' + os.path.splitext(os.path.basename(path))[0]
    if not os.path.isdir(dump): dump += '.npy'
    outputs = {part: np.load(dump + '/' + part + '.npy') for part in parts}
    assert name not in outputs
    exec(lines, {'outputs': outputs})
    expected = session.run([name], {session.get_inputs()[0].name: np.load(path)})[0]
    assert outputs[name].shape == expected.shape, (outputs[name].shape, expected.shape)
    error = np.abs(outputs[name] - expected)
    most = max(most, float((error / np.abs(expected).max()).max()))
    last = max(last, float(error[:, int(first):].max()))
print(last, most)
)";

struct Joined {
  Result quantize;
  Json report;
  double last = 1e9, most = 1e9;
};

Joined join(const std::string& folder, const std::string& name, int first, const std::vector<std::string>& more = {}) {
  Joined found;
  const std::string out = temporary_dir("split");
  std::vector<std::string> arguments = {
      "--model",          folder + "/model.onnx", "--calib", folder + "/data", "--platform", "qnn_dsp_int8", "--device",
      test_device_name(), "--split-output",       name,      "--output",       out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  found.quantize = ppq_torch(arguments);
  EXPECT_EQ(found.quantize.code, 0) << found.quantize.err;
  if (found.quantize.code) return found;
  found.report = Json::parse(read_file(out + "/report.json"));
  const Result run =
      ppq_torch({"run", "--model", out + "/quantized.onnx", "--table", out + "/quantized.table", "--platform", "qnn_dsp_int8", "--input",
                 folder + "/data", "--output", out + "/simulated", "--device", test_device_name()});
  EXPECT_EQ(run.code, 0) << run.err;
  std::istringstream figures(run_python(kJoin, {folder, out, out + "/simulated", name, std::to_string(first)}));
  figures >> found.last >> found.most;
  return found;
}

TEST(SplitOutputs, BoxesAndScoresHaveScalesOfTheirOwn) {
  PPQ_REQUIRE_PYTHON();
  PPQ_REQUIRE_SHARED();
  const Joined found = join(shared("field/yolo-head"), "output0", 4);
  EXPECT_LT(found.last, 0.02) << "scores of 0 to 1 beside boxes of 0 to 640";
  EXPECT_LT(found.report["outputs"][0]["snr"].get<double>(), 0.001) << "boxes";
  for (const Json& warning : found.report["warning_details"]) EXPECT_NE(warning["code"], "concat-ranges");
  EXPECT_EQ(found.report["split_outputs"][0]["parts"], Json({"boxes", "scores"}));
  ASSERT_EQ(found.report["outputs"].size(), 2u);
}

/// Two levels, joined, flattened and turned.
TEST(SplitOutputs, DeployJoinsThroughEveryStep) {
  PPQ_REQUIRE_PYTHON();
  const SmallModel model(
      "split_levels", "(float[1,4,4,4] x, float[4,4,1,1] v, float[3,4,1,1] w, float k, int64[3] shape, int64[1] one) => (float[1,32,7] y)",
      "b = Conv(x, v) r = Relu(b) m = Mul(r, k) s = Conv(x, w) t = Sigmoid(s) p = MaxPool<kernel_shape = [1,1]>(x) c = Conv(p, v) d = "
      "Relu(c) e = Mul(d, k) f = Conv(p, w) g = Sigmoid(f) h = Concat<axis = 1>(m, t) i = Concat<axis = 1>(e, g) [all] j = Concat<axis = "
      "2>(h, i) l = Reshape(j, shape) u = Unsqueeze(l, one) q = Squeeze(u, one) y = Transpose<perm = [0,2,1]>(q)",
      {{"v", noise({4, 4, 1, 1}, 1)},
       {"w", noise({3, 4, 1, 1}, 2)},
       {"k", at::full({}, 300.0)},
       {"shape", at::tensor({0, 7, -1}, at::kLong)},
       {"one", at::ones({1}, at::kLong)}});
  model.samples({1, 4, 4, 4});
  const Joined found = join(model.folder, "y", 0);
  EXPECT_LT(found.most, 0.02);
  EXPECT_EQ(found.report["split_outputs"][0]["parts"], Json({"m", "t", "e", "g"}));
}

TEST(SplitOutputs, WrongNamesAreUsageErrors) {
  const Workspace work("split_errors");
  const auto refused = [&](const std::string& name) {
    const Result result = ppq_torch(work.quantize({"--output", work.folder + "/out", "--split-output", name}));
    EXPECT_EQ(result.code, 2);
    EXPECT_FALSE(std::filesystem::exists(work.folder + "/out"));
    return result.err;
  };
  EXPECT_THAT(refused("score"), testing::AllOf(HasSubstr("[--split-output] the model has no output 'score'"), HasSubstr("scores")));
  EXPECT_THAT(refused("scores"), HasSubstr("no Concat makes output 'scores'"));
}

}  // namespace
}  // namespace ppq::test
