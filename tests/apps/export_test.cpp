// `ppq_torch export`, and models that onnxruntime's own quantizer wrote: run, read, made a table of, quantized anew.
#include "apps/command.h"
#include "support/python.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// Runs a model over samples, with a table where there is one.
void run_model(const std::string& model, const std::string& table, const std::string& platform, const std::string& samples,
               const std::string& output) {
  std::vector<std::string> arguments = {"run", "--model", model, "--input", samples, "--output", output, "--device", test_device_name()};
  if (!table.empty()) arguments = with(arguments, {"--table", table, "--platform", platform});
  const Result run = ppq_torch(arguments);
  ASSERT_EQ(run.code, 0) << run.err;
}

void expect_same_files(const std::string& a, const std::string& b) {
  ASSERT_FALSE(files_in(a).empty());
  EXPECT_EQ(files_in(a), files_in(b));
  for (const std::string& file : files_in(a)) EXPECT_TRUE(at::equal(read_npy(a + "/" + file), read_npy(b + "/" + file))) << file;
}

TEST(Export, ATableOfAJobAsOthers) {
  const Workspace work("export");
  const std::string job = work.folder + "/job", out = work.folder + "/out";
  ASSERT_EQ(ppq_torch(work.quantize({"--output", job, "--layerwise-samples", "0", "--observer", "minmax"})).code, 0);
  const std::vector<std::string> arguments = {"export", "--model", job + "/quantized.onnx", "--table", job + "/quantized.table"};
  const Result result = ppq_torch(with(arguments, {"--to", "ppq-json,encodings", "--encodings", "2.1.0", "--output", out}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, AllOf(HasSubstr("read encodings"), HasSubstr("qnn_dsp_int8"), HasSubstr("wrote " + out)));
  EXPECT_THAT(files_in(out), ElementsAre("DEPLOY.md", "quantized.onnx", "quantized.table", "quantized_ppq.json"));
  EXPECT_EQ(Json::parse(read_file(out + "/quantized.table"))["version"], "2.1.0");
  run_model(job + "/quantized.onnx", job + "/quantized.table", "qnn_dsp_int8", work.samples, work.folder + "/before");
  run_model(out + "/quantized.onnx", out + "/quantized.table", "qnn_dsp_int8", work.samples, work.folder + "/encodings");
  run_model(out + "/quantized.onnx", out + "/quantized_ppq.json", "qnn_dsp_int8", work.samples, work.folder + "/ppq");
  expect_same_files(work.folder + "/before", work.folder + "/encodings");
  expect_same_files(work.folder + "/before", work.folder + "/ppq");
}

TEST(Export, ErrorsHaveTheirExitCodesAndLeaveNoFiles) {
  const Workspace work("export_errors");
  const std::string table = work.folder + "/table.json", out = work.folder + "/out";
  write_file(table, R"({"activation_encodings": {"image": [{"bitwidth": 8, "min": -1, "max": 1.55}]}, "param_encodings": {}})");
  write_file(work.folder + "/broken.json", "{");
  write_file(work.folder + "/broken.onnx", "no model");
  const std::string good = "--table=" + table, to = "--to=ppq-json";
  struct Case {
    std::vector<std::string> arguments;
    int code;
    const char* says;
  };
  for (const Case& c :
       std::vector<Case>{{{good, to, "--model=" + work.model}, 2, "--output"},
                         {{good, "--model=" + work.model, "--output=" + out}, 2, "--to is missing"},
                         {{good, "--to=pqp-json", "--model=" + work.model, "--output=" + out}, 2, "ppq-json"},
                         {{good, to, "--from=onnx", "--model=" + work.model, "--output=" + out}, 2, "onnx-qdq"},
                         {{good, to, "--from=ppq-json", "--model=" + work.model, "--output=" + out}, 2, "leave --from out"},
                         {{good, to, "--platform=qmn", "--model=" + work.model, "--output=" + out}, 2, "--platform"},
                         {{good, to, "--export-option=x", "--model=" + work.model, "--output=" + out}, 2, "NAME=VALUE"},
                         {{good, to, "--encodings=3", "--model=" + work.model, "--output=" + out}, 2, "2.1.0"},
                         {{to, "--model=" + work.model, "--output=" + out}, 2, "--table is missing"},
                         {{good, to, "--model=" + work.folder + "/broken.onnx", "--output=" + out}, 3, "broken.onnx"},
                         {{good, "--to=ncnn-table", "--model=" + work.model, "--output=" + out}, 4, "holds nothing"},
                         {{good, "--to=ppq-json,tensorrt-json", "--model=" + work.model, "--output=" + out}, 4, "tensor image"},
                         {{"--table=" + work.folder + "/broken.json", to, "--model=" + work.model, "--output=" + out}, 5, "broken.json"},
                         {{"--table=" + work.folder + "/no.json", to, "--model=" + work.model, "--output=" + out}, 5, "no such file"},
                         {{good, to, "--model=" + work.model, "--output=" + table + "/out"}, 6, "cannot write"}}) {
    const Result result = ppq_torch(with({"export"}, c.arguments));
    EXPECT_EQ(result.code, c.code) << c.says << "\n" << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("error: ["), HasSubstr(c.says)));
    EXPECT_FALSE(std::filesystem::exists(out)) << c.says;
  }
}

/// A small network with both kinds of layers, a branch and moved data, as onnxruntime's quantize_static leaves it. Writes float.onnx,
/// KIND.onnx for each kind, samples/ and onnxruntime's outputs in KIND/<sample>/y.npy.
const char* const kQuantizeStatic = R"(
import os, sys, numpy as np, onnx
from onnx import parser, numpy_helper
import onnxruntime as ort
from onnxruntime.quantization import quantize_static, CalibrationDataReader, QuantFormat, QuantType
os.chdir(sys.argv[1])
rng = np.random.default_rng(3)
net = parser.parse_model('''<ir_version: 8, opset_import: ["" : 17]> net (float[1,3,8,8] x) => (float[1,5] y) {
  c = Conv <pads=[1,1,1,1]> (x, w, b) r = Relu (c) p = MaxPool <kernel_shape=[2,2], strides=[2,2]> (r)
  d = Conv (p, v) e = Add (d, p) g = GlobalAveragePool (e) f = Flatten (g) y = Gemm (f, m, k) }''')
for name, shape in (('w', (4,3,3,3)), ('b', (4,)), ('v', (4,4,1,1)), ('m', (4,5)), ('k', (5,))):
    net.graph.initializer.append(numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name))
for i, node in enumerate(net.graph.node):
    node.name = f'node{i}'
onnx.save(net, 'float.onnx')
samples = [rng.standard_normal((1,3,8,8)).astype(np.float32) for _ in range(8)]
os.makedirs('samples')
for i, sample in enumerate(samples):
    np.save(f'samples/{i}.npy', sample)
class Reader(CalibrationDataReader):
    def __init__(self): self.left = iter(samples)
    def get_next(self):
        sample = next(self.left, None)
        return None if sample is None else {'x': sample}
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
for kind, activation, channels in (('uint8', QuantType.QUInt8, True), ('int8', QuantType.QInt8, False), ('uint16', QuantType.QUInt16, False)):
    quantize_static('float.onnx', f'{kind}.onnx', Reader(), quant_format=QuantFormat.QDQ, per_channel=channels, activation_type=activation,
                    weight_type=QuantType.QInt8, extra_options={'ActivationSymmetric': kind == 'int8'})
    session = ort.InferenceSession(f'{kind}.onnx', options, providers=['CPUExecutionProvider'])
    for i, sample in enumerate(samples):
        os.makedirs(f'{kind}/{i}.npy')
        np.save(f'{kind}/{i}.npy/y.npy', session.run(None, {'x': sample})[0])
print(' '.join(sorted(o for n in net.graph.node for o in n.output)))
)";

class QuantizedByOnnxruntime : public testing::Test {
 protected:
  void SetUp() override {
    PPQ_REQUIRE_PYTHON();
    folder_ = temporary_dir("quantize_static");
    run_python(kQuantizeStatic, {folder_});
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string folder_;
};

TEST_F(QuantizedByOnnxruntime, RunsAsItDoesThere) {
  for (const std::string kind : {"uint8", "int8", "uint16"}) {
    SCOPED_TRACE(kind);
    run_model(path(kind + ".onnx"), "", "", path("samples"), path(kind + "_ours"));
    EXPECT_EQ(files_in(path(kind + "_ours")), files_in(path(kind)));
    for (const std::string& file : files_in(path(kind))) {
      const at::Tensor ours = read_npy(path(kind + "_ours/" + file)), theirs = read_npy(path(kind + "/" + file));
      EXPECT_LE((ours - theirs).abs().max().item<double>(), 1e-5 * theirs.abs().max().item<double>()) << file;
    }
  }
}

TEST_F(QuantizedByOnnxruntime, BecomesATableThatSimulatesTheSame) {
  for (const std::string kind : {"uint8", "int8", "uint16"}) {
    SCOPED_TRACE(kind);
    const std::string out = path(kind + "_out");
    const Result result = ppq_torch({"export", "--model", path(kind + ".onnx"), "--to", "encodings,ppq-json,onnx-qdq", "--output", out});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("read onnx-qdq"), Not(HasSubstr("stay as they are")), Not(HasSubstr("stay float"))));
    // Names of the float network's tensors, so that the table fits that one too.
    const Json table = Json::parse(read_file(out + "/quantized.table"));
    std::vector<std::string> names;
    for (const auto& [name, entry] : table["activation_encodings"].items()) names.push_back(name);
    std::vector<std::string> expected = {"x", "r", "p", "d", "e", "g", "f", "y"};
    if (kind == "int8") expected.emplace_back("c");  // elsewhere the Relu is left out: its range begins at 0
    EXPECT_THAT(names, testing::UnorderedElementsAreArray(expected));
    EXPECT_EQ(table["param_encodings"]["w"].size(), kind == "uint8" ? 4u : 1u);
    EXPECT_EQ(table["activation_encodings"]["x"][0]["bitwidth"], kind == "uint16" ? 16 : 8);
    run_model(path(kind + ".onnx"), "", "", path("samples"), path(kind + "_ours"));
    run_model(out + "/quantized.onnx", out + "/quantized.table", "onnxruntime", path("samples"), path(kind + "_encodings"));
    run_model(out + "/quantized.onnx", out + "/quantized_ppq.json", "onnxruntime", path("samples"), path(kind + "_ppq"));
    run_model(out + "/quantized_qdq.onnx", "", "", path("samples"), path(kind + "_qdq"));
    for (const char* other : {"_encodings", "_ppq", "_qdq"}) expect_same_files(path(kind + "_ours"), path(kind + other));
    // On the float model, whose weights are not rounded yet; biases apart, which encodings leave to the target.
    const Result onto = ppq_torch({"export", "--model", path("float.onnx"), "--table", path(kind + ".onnx"), "--to", "encodings,ppq-json",
                                   "--output", path(kind + "_onto")});
    ASSERT_EQ(onto.code, 0) << onto.err;
    Json onto_table = Json::parse(read_file(path(kind + "_onto/quantized.table")));
    EXPECT_EQ(onto_table["activation_encodings"]["c"], onto_table["activation_encodings"]["r"]);
    if (kind != "int8") onto_table["activation_encodings"].erase("c");
    EXPECT_EQ(onto_table, table);
    run_model(path(kind + "_onto/quantized.onnx"), path(kind + "_onto/quantized_ppq.json"), "onnxruntime", path("samples"),
              path(kind + "_float"));
    expect_same_files(path(kind + "_ours"), path(kind + "_float"));
  }
}

TEST_F(QuantizedByOnnxruntime, IsQuantizedAnew) {
  for (const std::string model : {"float", "int8"}) {
    const Result job = ppq_torch({"--model", path(model + ".onnx"), "--calib", path("samples"), "--platform", "qnn_htp_int8", "--device",
                                  test_device_name(), "--output", path(model + "_job"), "--export", "encodings,onnx-qdq"});
    ASSERT_EQ(job.code, 0) << job.err;
    if (model == "float") {
      EXPECT_THAT(job.err, Not(HasSubstr("quantized already")));
      continue;
    }
    EXPECT_THAT(job.err, AllOf(HasSubstr("quantized already"), HasSubstr("ppq_torch export")));
    const auto graph = read_onnx(path("int8_job/quantized.onnx"));
    for (const Node* node : graph->nodes()) EXPECT_THAT(node->op_type, Not(HasSubstr("Linear")));
  }
  const Json anew = Json::parse(read_file(path("int8_job/report.json"))), fresh = Json::parse(read_file(path("float_job/report.json")));
  EXPECT_EQ(anew["encodings"]["written"], fresh["encodings"]["written"]) << "the same network";
  EXPECT_EQ(anew["encodings"]["missing"], fresh["encodings"]["missing"]);
  EXPECT_LT(anew["outputs"][0]["snr"].get<double>(), 2 * fresh["outputs"][0]["snr"].get<double>() + 1e-4);
}

}  // namespace
}  // namespace ppq::test
