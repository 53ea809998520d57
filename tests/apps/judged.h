#pragma once

#include <sstream>

#include "apps/command.h"
#include "support/python.h"

namespace ppq::test {

/// "float[5,7] b = {…}": random numbers as onnx's text form has them.
inline std::string random_constant(const std::string& declaration, int seed, double factor = 1) {
  int64_t count = 1;
  for (size_t i = declaration.find('['); declaration[i] != ']'; i = declaration.find_first_of(",]", i + 1))
    count *= std::stoll(declaration.substr(i + 1));
  std::string text = declaration + " = {";
  const at::Tensor numbers = noise({count}, seed) * factor;
  for (int64_t i = 0; i < count; ++i) text += (i ? ", " : "") + std::to_string(numbers[i].item<float>());
  return text + "}";
}

/// Floats of a graph become `type`, whatever their part in it, but constants of these names.
inline void retype(Graph& graph, DataType type, const std::vector<std::string>& but = {}) {
  for (Value* value : graph.values()) {
    if (value->dtype != DataType::Float || std::find(but.begin(), but.end(), value->name()) != but.end()) continue;
    if (value->is_constant())
      value->set_constant(value->constant().to(to_scalar_type(type)));
    else
      value->dtype = type;
  }
}

/// A model that is quantized, and whose quantized form is judged by others: onnx's checker and strict inference, and onnxruntime, which
/// loads it and says what the float model gives.
struct Judged {
  std::string folder;
  Json report;  ///< of the last platform

  Judged(const std::string& name, const Graph& graph, const Tensors& samples) : folder(temporary_dir(name)) {
    write_onnx(graph, folder + "/model.onnx");
    for (size_t i = 0; i < samples.size(); ++i) write_npy(folder + "/samples/" + std::to_string(i) + ".npy", samples[i]);
  }
  Judged(const std::string& name, const std::string& text, const Tensors& samples)
      : Judged(name, *read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> " + text), samples) {}

  /// Noise over signal of each float output, of the simulated quantized network against the float one; nothing where a step failed.
  std::map<std::string, double> noise_over_signal(const std::string& platform, std::vector<std::string> more = {}) {
    const std::string out = folder + "/" + platform;
    std::filesystem::remove_all(out);
    std::vector<std::string> arguments = {"--model",    folder + "/model.onnx",
                                          "--calib",    folder + "/samples",
                                          "--platform", platform,
                                          "--device",   test_device_name(),
                                          "--output",   out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result job = ppq_torch(arguments);
    EXPECT_EQ(job.code, 0) << platform << ": " << job.err;
    if (job.code) return {};
    report = Json::parse(read_file(out + "/report.json"));
    const Result run = ppq_torch({"run", "--model", out + "/quantized.onnx", "--table", out + "/quantized.table", "--platform", platform,
                                  "--input", folder + "/samples", "--output", out + "/simulated", "--device", test_device_name()});
    EXPECT_EQ(run.code, 0) << platform << ": " << run.err;
    if (run.code) return {};
    std::map<std::string, double> result;
    std::istringstream lines(run_python(kJudge, {folder, out}));
    double value = 0;
    for (std::string name; lines >> name >> value;) result[name] = value;
    return result;
  }

  /// On every platform: the outputs named are within `most`.
  void expect_within(double most, const std::vector<std::string>& outputs, const std::vector<std::string>& more = {}) {
    for (const char* platform : {"qnn_dsp_int8", "qnn_htp_int8", "qnn_htp_a16w8"}) {
      const auto found = noise_over_signal(platform, more);
      for (const std::string& output : outputs) {
        ASSERT_TRUE(found.count(output)) << platform << " " << output;
        EXPECT_LE(found.at(output), most) << platform << " " << output;
      }
    }
  }

  static constexpr const char* kJudge = R"(
import glob, os, sys
import numpy as np, onnx, onnxruntime as ort
folder, out = sys.argv[1:]
onnx.checker.check_model(out + '/quantized.onnx', full_check=True)
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 3
exact = ort.InferenceSession(folder + '/model.onnx', options)
ort.InferenceSession(out + '/quantized.onnx', options)
name = exact.get_inputs()[0].name
noise, signal = {}, {}
for path in sorted(glob.glob(folder + '/samples/*.npy')):
    for output, value in zip(exact.get_outputs(), exact.run(None, {name: np.load(path)})):
        if value.dtype.kind != 'f': continue
        got = np.load(out + '/simulated/' + os.path.basename(path) + '/' + output.name + '.npy')
        assert got.shape == value.shape and got.dtype == value.dtype, (output.name, got.shape, value.shape, got.dtype, value.dtype)
        value, got = value.astype(np.float64), got.astype(np.float64)
        noise[output.name] = noise.get(output.name, 0) + ((got - value) ** 2).sum()
        signal[output.name] = signal.get(output.name, 0) + (value ** 2).sum()
for output in noise: print(output, noise[output] / signal[output] if signal[output] else noise[output])
)";
};

/// Samples of one shape.
inline Tensors noise_samples(const std::vector<int64_t>& sizes, int count = 6) {
  Tensors samples;
  for (int i = 0; i < count; ++i) samples.push_back(noise(sizes, i));
  return samples;
}

}  // namespace ppq::test
