#pragma once

#include <string>

#include "apps/command.h"
#include "ppq/dataset.h"

namespace ppq::test {

/// The recorded pixels where there are some, else noise of the input's shape; a file each.
inline void write_samples(const std::string& model, const Graph& graph, const std::string& folder, int64_t count = 4) {
  const std::string goldens = shared("goldens/" + model + "/");
  at::Tensor samples;
  if (std::filesystem::exists(goldens + "inputs.npy")) {
    const Json info = Json::parse(read_file(goldens + "inputs.json"));
    samples = read_npy(goldens + "inputs.npy").narrow(0, 0, count).to(at::kFloat);
    if (info["color"] == "bgr") samples = samples.flip({3});
    auto row = [&](const char* key) { return at::tensor(info[key].get<std::vector<double>>()).to(at::kFloat); };
    samples = ((samples - row("mean")) / row("std")).permute({0, 3, 1, 2}).contiguous();
  } else {
    std::vector<int64_t> sizes;
    const std::vector<InputSpec> inputs = input_specs(graph);
    for (const Dim& dim : inputs.at(0).shape) sizes.push_back(dim.known() ? dim.value : 1);
    sizes[0] = count;
    samples = noise(sizes, 11) * (model.find("retinaface") != std::string::npos || model.find("mnist") != std::string::npos ? 120 : 1);
  }
  for (int64_t i = 0; i < count; ++i) write_npy(folder + "/" + std::to_string(i) + ".npy", samples.narrow(0, i, 1).contiguous());
}

/// The model's file in a folder of shared/models; the one with fixed shapes where there are two.
inline std::string model_file(const std::string& model) {
  const std::string fixed = shared("models/" + model + "/model_fixed.onnx");
  return std::filesystem::exists(fixed) ? fixed : shared("models/" + model + "/model.onnx");
}

}  // namespace ppq::test
