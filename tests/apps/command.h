#pragma once

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/file.h"
#include "data/npy.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/places.h"
#include "support/share.h"

namespace ppq::test {

using testing::HasSubstr;
using Json = nlohmann::json;

struct Result {
  int code = -1;
  std::string out, err;
  double seconds = 0;
};

inline std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// Runs the program as a user would. `before` goes in front of it on the shell's line ("cd x && ").
inline Result ppq_torch(const std::vector<std::string>& arguments, const std::string& before = "") {
  static const std::string folder = temporary_dir("command");
  std::string line = before + quoted(program());
  for (const auto& argument : arguments) line += " " + quoted(argument);
  line = "{ " + line + "; } >" + quoted(folder + "/out") + " 2>" + quoted(folder + "/err") + " </dev/null";
  const auto start = std::chrono::steady_clock::now();
  const int status = std::system(line.c_str());
  Result result;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  result.out = read_file(folder + "/out");
  result.err = read_file(folder + "/err");
  return result;
}

/// Names of the files below a folder, sorted.
inline std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  if (!std::filesystem::exists(folder)) return names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) names.push_back(std::filesystem::relative(entry.path(), folder).string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Numbers that look random and are the same everywhere.
inline at::Tensor noise(std::vector<int64_t> sizes, int seed) {
  at::Tensor tensor = at::empty(sizes);
  uint32_t state = 12345u + 977u * static_cast<uint32_t>(seed);
  float* data = tensor.data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    state = state * 1664525u + 1013904223u;
    data[i] = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return tensor;
}

/// A folder with a small model and samples, and the arguments that quantize it.
struct Workspace {
  std::string folder, model, samples;

  explicit Workspace(const std::string& name) : folder(temporary_dir(name)), model(folder + "/small.onnx"), samples(folder + "/samples") {
    std::string weight, bias = "0.1, -0.2, 0.3, 0";
    const at::Tensor numbers = noise({4 * 3 * 3 * 3}, 100);
    for (int64_t i = 0; i < numbers.numel(); ++i) weight += (i ? ", " : "") + std::to_string(numbers[i].item<float>());
    auto graph = read_onnx_text(
        "<ir_version: 8, opset_import: [\"\" : 17]> small (float[1,3,8,8] image) => (float[1,4] scores)"
        " <float[4,3,3,3] weight = {" +
        weight + "}, float[4] bias = {" + bias +
        "}> {"
        " [conv] c = Conv<pads=[1,1,1,1]>(image, weight, bias) [relu] r = Relu(c) [pool] p = GlobalAveragePool(r) [flat] scores = "
        "Flatten(p) }");
    write_onnx(*graph, model);
    for (int i = 0; i < 4; ++i) write_npy(samples + "/" + std::to_string(i) + ".npy", noise({1, 3, 8, 8}, i));
  }

  /// The arguments of a job; `more` adds to them and replaces the values of options it names.
  std::vector<std::string> quantize(std::vector<std::string> more = {}) const {
    const std::vector<std::pair<std::string, std::string>> usual = {
        {"--model", model}, {"--calib", samples}, {"--platform", "qnn_dsp_int8"}, {"--device", test_device_name()}};
    for (const auto& [option, value] : usual)
      if (std::find(more.begin(), more.end(), option) == more.end()) more.insert(more.end(), {option, value});
    return more;
  }
};

}  // namespace ppq::test
