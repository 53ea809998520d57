#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/command.h"
#include "support/op_run.h"
#include "support/python.h"

namespace ppq::test {

/// A model with samples, quantized and simulated by the program and compared with onnxruntime's float outputs.
struct Compared {
  Result quantize, run;
  Json report;
  Json outputs;  ///< by name: nsr, most (largest error), signal

  double nsr(const std::string& output) const { return outputs.at(output).at("nsr").get<double>(); }
  /// Over all outputs.
  double nsr() const {
    double noise = 0, signal = 0;
    for (const auto& one : outputs) noise += one.at("noise").get<double>(), signal += one.at("signal").get<double>();
    return noise / signal;
  }
  /// The warning of that code, or null.
  Json warning(const std::string& code) const {
    for (const Json& one : report.at("warning_details"))
      if (one.at("code") == code) return one;
    return nullptr;
  }
  /// What a tensor's row of the report says.
  Json tensor(const std::string& name) const {
    for (const Json& one : report.at("tensors"))
      if (one.at("name") == name) return one;
    return nullptr;
  }
};

inline std::vector<std::string> platforms_of_hexagon() { return {"qnn_dsp_int8", "qnn_htp_int8", "qnn_htp_a16w8"}; }

/// `folder` has model.onnx and data/. Fails the test where the program does.
inline Compared compare_with_onnxruntime(const std::string& folder, const std::string& platform,
                                         const std::vector<std::string>& more = {}) {
  Compared found;
  const std::string model = folder + "/model.onnx", samples = folder + "/data", out = temporary_dir("compared");
  std::vector<std::string> arguments = {"--model",          model,      "--calib",  samples,        "--platform", platform, "--device",
                                        test_device_name(), "--output", out + "/q", "--no-progress"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  found.quantize = ppq_torch(arguments);
  EXPECT_EQ(found.quantize.code, 0) << found.quantize.err;
  if (found.quantize.code != 0) return found;
  found.report = Json::parse(read_file(out + "/q/report.json"));
  found.run = ppq_torch({"run", "--model", out + "/q/quantized.onnx", "--table", out + "/q/quantized.table", "--platform", platform,
                         "--input", samples, "--device", test_device_name(), "--output", out + "/simulated"});
  EXPECT_EQ(found.run.code, 0) << found.run.err;
  if (found.run.code != 0) return found;
  found.outputs =
      Json::parse(run_python(read_file(source_dir() + "/tests/apps/against_onnxruntime.py"), {model, samples, out + "/simulated"}));
  return found;
}

/// A folder with a model given as text and with samples. Inputs of the text that `constants` names become constants.
struct SmallModel {
  std::string folder;

  SmallModel(const std::string& name, const std::string& signature, const std::string& body,
             const std::vector<std::pair<std::string, at::Tensor>>& constants, int opset = 17)
      : folder(temporary_dir(name)) {
    auto graph = read_onnx_text("<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) + "]> g " + signature + " {" + body + "}");
    for (const auto& [input, tensor] : constants) {
      Value* value = graph->find_value(input);
      graph->remove_input(value);
      graph->make_constant(value, tensor);
    }
    write_onnx(*graph, folder + "/model.onnx");
  }
  /// Samples of the only input, or of the input `name`.
  void sample(int number, const at::Tensor& tensor, const std::string& name = "") const {
    write_npy(folder + "/data/" + (name.empty() ? "" : name + "/") + std::to_string(number) + ".npy", tensor);
  }
  void samples(const std::vector<int64_t>& sizes, int count = 8) const {
    for (int i = 0; i < count; ++i) sample(i, noise(sizes, i));
  }
};

}  // namespace ppq::test
