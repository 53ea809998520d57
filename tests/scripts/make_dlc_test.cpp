// scripts/make_dlc and the benches of the HTP: what they say without the vendor's package, and, where the environment variable
// PPQ_QNN_PYTHON names a Python that has onnxruntime-qnn, what they write and compute with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A float network, samples, and one with an operator that the HTP does not have.
const char* const kNetworks = R"(
import os, sys, numpy as np, onnx
from onnx import parser
os.chdir(sys.argv[1])
rng = np.random.default_rng(5)
net = parser.parse_model('''<ir_version: 8, opset_import: ["" : 17]> net (float[N,3,16,16] image) => (float[N,6,1,1] scores)
  { c = Conv <pads=[1,1,1,1]> (image, w, b) r = Relu (c) d = Conv (r, v) scores = GlobalAveragePool (d) }''')
for key, shape in (('w', (4,3,3,3)), ('b', (4,)), ('v', (6,4,3,3))):
    net.graph.initializer.append(onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), key))
onnx.save(net, 'model.onnx')
os.makedirs('samples')
samples = [rng.standard_normal((1,3,16,16)).astype(np.float32) for _ in range(8)]
for i, sample in enumerate(samples): np.save(f'samples/{i}.npy', sample)
np.savez('inputs.npz', **{f'image/{i}': sample for i, sample in enumerate(samples)})
onnx.save(parser.parse_model('''<ir_version: 8, opset_import: ["" : 17]> net (float[1,3,3] x) => (float[1] y) { y = Det (x) }'''), 'det.onnx')
)";

/// Two files of outputs are the same to the bit, and not all one number.
const char* const kSame = R"(
import sys, numpy as np
a, b = map(np.load, sys.argv[1:])
keys = [key for key in a.files if '/' in key]
assert len(keys) == 8, keys
print(all(np.array_equal(a[key], b[key]) for key in keys), len({a[key].tobytes() for key in keys}))
)";

std::pair<std::string, int> shell(const std::string& command) {
  std::FILE* pipe =
      ::popen(("PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; { " + command + "\n} 2>&1 </dev/null").c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  return {output, WEXITSTATUS(::pclose(pipe))};
}

const std::string kScripts = PPQ_SOURCE_DIR "/scripts/";

class MakeDlc : public testing::Test {
 protected:
  void SetUp() override { PPQ_REQUIRE_PYTHON(); }
  std::pair<std::string, int> run(const std::string& arguments, const std::string& python = PPQ_TEST_PYTHON) {
    return shell("cd " + folder_ + " && " + python + " " + kScripts + "make_dlc " + arguments);
  }
  const std::string folder_ = temporary_dir("make_dlc");
};

TEST_F(MakeDlc, MissingPackageIsSaid) {
  write_file(folder_ + "/quantized_qdq.onnx", "never read");
  const auto [output, code] = run(". --soc-model 43");
  EXPECT_EQ(code, 4);
  EXPECT_THAT(output, AllOf(HasSubstr("error: [onnxruntime-qnn]"), HasSubstr("pip install onnxruntime-qnn")));
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) EXPECT_EQ(entry.path().filename(), "quantized_qdq.onnx");
}

TEST_F(MakeDlc, WrongArgumentsAreSaid) {
  const auto [nothing, no_file] = run("nowhere --soc-model 43");
  EXPECT_EQ(no_file, 5);
  EXPECT_THAT(nothing, HasSubstr("error: [nowhere] no such file"));
  std::filesystem::create_directory(folder_ + "/out");
  const auto [hint, no_qdq] = run("out --soc-model 43");
  EXPECT_EQ(no_qdq, 5);
  EXPECT_THAT(hint, HasSubstr("--export onnx-qdq"));
  EXPECT_EQ(run("out").second, 2) << "a context is for one SoC";
  EXPECT_EQ(run("out --soc-model eight").second, 2);
  EXPECT_EQ(run("out --htp-arch 85").second, 2) << "the package would compile for another one without a word";
}

TEST_F(MakeDlc, BenchesWithoutASimulatorSaySo) {
  for (const char* bench : {"bench/htp", "bench/htp_rules.py"})
    for (const char* python : {"''", PPQ_TEST_PYTHON, "/nowhere/python"}) {
      const auto [output, code] = shell(PPQ_TEST_PYTHON " " + kScripts + bench + " --simulator " + python);
      EXPECT_EQ(code, 4) << bench << output;
      EXPECT_THAT(output, AllOf(HasSubstr("error: [htp"), HasSubstr("pip install onnxruntime-qnn")));
    }
}

class HtpSimulator : public MakeDlc {
 protected:
  void SetUp() override {
    PPQ_REQUIRE_PYTHON();
    const char* python = std::getenv("PPQ_QNN_PYTHON");
    if (!python) GTEST_SKIP() << "no simulator of the HTP: set PPQ_QNN_PYTHON to a Python that has onnxruntime-qnn";
    python_ = python;
    run_python(kNetworks, {folder_});
  }
  void simulate(const std::string& model, const std::string& outputs, const std::string& options) {
    const auto [output, code] =
        shell("cd " + folder_ + " && " + python_ + " " + kScripts + "bench/htp_run.py " + model + " inputs.npz " + outputs + " " + options);
    ASSERT_EQ(code, 0) << output;
  }
  std::string python_;
};

TEST_F(HtpSimulator, ContextComputesWhatTheNetworkComputes) {
  for (const char* platform : {"qnn_htp_int8", "qnn_htp_a16w8"}) {
    const std::string out = platform;
    const auto [quantized, ok] = shell("cd " + folder_ + " && '" PPQ_BINARY "' --model model.onnx --calib samples --platform " + platform +
                                       " --export onnx-qdq --device cpu --output " + out);
    ASSERT_EQ(ok, 0) << quantized;
    const auto [output, code] = run(out + " --soc-model 43", python_);
    ASSERT_EQ(code, 0) << output;
    // Its members are stored, so the record's signature stands in the file as it is.
    EXPECT_THAT(read_file(folder_ + "/" + out + "/quantized.dlc"), AllOf(testing::StartsWith("PK"), HasSubstr("NETD")));
    simulate(out + "/quantized_qdq.onnx", "direct.npz", "soc_model=43");
    simulate(out + "/quantized_context.onnx", "context.npz", "");
    EXPECT_EQ(run_python(kSame, {folder_ + "/direct.npz", folder_ + "/context.npz"}), "True 8\n") << platform;
  }
}

TEST_F(HtpSimulator, WhatTheHtpDoesNotTakeIsNamed) {
  const auto [output, code] = run("det.onnx --soc-model 43", python_);
  EXPECT_EQ(code, 4) << output;
  EXPECT_THAT(output, AllOf(HasSubstr("does not take the whole network"), HasSubstr("Det")));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/det.dlc"));
  EXPECT_EQ(run("det.onnx --soc-model 999", python_).second, 2);
  EXPECT_EQ(run("inputs.npz --soc-model 43", python_).second, 3);
}

/// The rules of docs/htp.md; the page says where they are not exact.
TEST_F(HtpSimulator, RulesGiveItsIntegers) {
  const auto [output, code] =
      shell("cd " + folder_ + " && " PPQ_TEST_PYTHON " " + kScripts + "bench/htp_rules.py --simulator " + python_ +
            " --operators 'Conv 3x3;Conv 3x3, one scale;Gemm;Add;Sub;AveragePool 2x2;AveragePool 6x6' --json rules.json");
  ASSERT_EQ(code, 0) << output;
  const auto rows = nlohmann::json::parse(read_file(folder_ + "/rules.json"));
  ASSERT_EQ(rows.size(), 14u);
  for (const auto& row : rows) {
    ASSERT_TRUE(row.contains("rule")) << row;
    EXPECT_GT(row["share"].get<double>(), 0.004) << row << ": the ideal does not need a rule";
    // From v73 on a bias with a scale a channel is at times one less.
    const bool exact = row["architecture"] == 68 || row["operator"] != "Conv 3x3";
    EXPECT_LE(row["rule"].get<double>(), exact ? 0.0 : 0.001) << row;
  }
}

}  // namespace
}  // namespace ppq::test
