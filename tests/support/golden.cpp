#include "support/golden.h"
#include "support/device.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/npy.h"
#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "support/share.h"

namespace ppq::test {

using nlohmann::json;

namespace {

json read_json(const std::string& path) {
  std::ifstream file(path);
  return file ? json::parse(file) : json();
}

}  // namespace

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(shared("goldens")))
    if (std::filesystem::exists(entry.path() / "inputs.json")) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

Golden load_golden(const std::string& name) {
  const json spec = read_json(shared("goldens/" + name + "/inputs.json"));
  Golden golden;
  golden.name = name;
  golden.graph = load_onnx_graph(shared(spec["model"].get<std::string>()));
  at::Tensor pixels = read_npy(shared("goldens/" + name + "/inputs.npy")).to(at::kFloat);  // [N, H, W, 3]
  if (spec["color"] == "bgr") pixels = pixels.flip(3);
  const at::Tensor mean = at::tensor(spec["mean"].get<std::vector<double>>(), at::kDouble).to(at::kFloat);
  const at::Tensor std = at::tensor(spec["std"].get<std::vector<double>>(), at::kDouble).to(at::kFloat);
  const at::Tensor x = ((pixels - mean) / std).permute({0, 3, 1, 2}).contiguous();
  auto part = [&](const char* key) {
    std::vector<at::Tensor> samples;
    for (int64_t i = spec[key][0]; i < spec[key][1].get<int64_t>(); ++i) samples.push_back(x.slice(0, i, i + 1));
    return make_dataset(std::move(samples));
  };
  golden.calibration = part("calibration");
  golden.evaluation = part("evaluation");
  if (spec["labels"].is_array()) golden.labels = spec["labels"].get<std::vector<int64_t>>();
  return golden;
}

std::vector<GoldenSlot> golden_slots(const std::string& name, const std::string& config) {
  std::vector<GoldenSlot> slots;
  for (const json& row : read_json(shared("goldens/" + name + "/" + config + "/tensors.json"))) {
    GoldenSlot slot{row["op"], row["type"], row["tensor"], row["slot"], row["state"], row["parameter"], row["bits"], row["group"], {}, {}};
    if (row["scale"].is_array()) slot.scale = row["scale"].get<std::vector<double>>();
    if (row["offset"].is_array()) slot.offset = row["offset"].get<std::vector<double>>();
    slots.push_back(std::move(slot));
  }
  return slots;
}

std::map<std::string, double> golden_snr(const std::string& name, const std::string& config) {
  std::map<std::string, double> result;
  const json document = read_json(shared("goldens/" + name + "/" + config + "/result.json"));
  if (document.is_object())
    for (const auto& [output, values] : document["outputs"].items()) result[output] = values["snr"];
  return result;
}

std::vector<double> output_snr(const Graph& graph, const Graph& reference, const Dataset& samples) {
  LowerOptions simulated;
  simulated.mode = ExecutionMode::Simulated;
  const auto program = lower(graph, on_test_device(simulated)), plain = lower(reference, on_test_device());
  std::vector<double> noise(graph.outputs().size(), 0), signal(noise);
  for (size_t i = 0; i < samples.size(); ++i) {
    const Tensors q = run_on_test_device(*program, samples.sample(i)), f = run_on_test_device(*plain, samples.sample(i));
    for (size_t j = 0; j < noise.size(); ++j) {
      noise[j] += (q[j] - f[j]).to(at::kDouble).square().sum().item<double>();
      signal[j] += f[j].to(at::kDouble).square().sum().item<double>();
    }
  }
  for (size_t j = 0; j < noise.size(); ++j) noise[j] /= signal[j];
  return noise;
}

}  // namespace ppq::test
