#pragma once

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "core/file.h"
#include "exporters/exporter.h"
#include "passes/quantizing.h"
#include "support/share.h"

namespace ppq::test {

using Json = nlohmann::ordered_json;

/// Twelve operators with a branch, an activation of either kind, data movement and a layer of either kind; tensors and nodes have short
/// names: x c1 r1 p1 c2 k2 a1 s1 cat gap fl g y, weights w1 w2 w3, biases b1 b2 b3, bounds lo hi.
inline std::unique_ptr<Graph> twelve_ops() {
  at::manual_seed(7);
  return parse_model(R"(<ir_version: 8, opset_import: ["" : 13]>
    twelve (float[1,3,16,16] x, float[8,3,3,3] w1, float[8] b1, float[8,8,1,1] w2, float[8] b2, float[10,16] w3, float[10] b3) => (float[1,10] y)
    <float lo = {0}, float hi = {6}> {
      [conv1] c1 = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) [relu1] r1 = Relu(c1)
      [pool1] p1 = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r1)
      [conv2] c2 = Conv(p1, w2, b2) [clip2] k2 = Clip(c2, lo, hi) [add1] a1 = Add(k2, p1) [sig1] s1 = Sigmoid(a1)
      [concat1] cat = Concat<axis = 1>(s1, a1) [gap1] gap = GlobalAveragePool(cat) [flat1] fl = Flatten(gap)
      [fc1] g = Gemm<transB = 1>(fl, w3, b3) [sm1] y = Softmax<axis = 1>(g) })",
                     {"w1", "b1", "w2", "b2", "w3", "b3"});
}

/// A target of one scheme for data and one for weights; biases float.
inline PlatformSpec target(const QuantScheme& data, const QuantScheme& weight, std::set<std::string> types,
                           std::set<std::string> activations = {}) {
  PlatformSpec spec;
  spec.name = "target";
  spec.quant_types = std::move(types);
  spec.slots = {rules::quantized(SlotRole::Output, data), rules::quantized(SlotRole::Data, data),
                rules::quantized(SlotRole::Constant, data), rules::quantized(SlotRole::Weight, weight),
                rules::passive(SlotRole::Bound, data)};
  spec.fusion.activations = std::move(activations);
  return spec;
}

inline std::set<std::string> every_type() {
  return {"Conv", "Relu", "MaxPool", "Clip", "Add", "Sigmoid", "Concat", "GlobalAveragePool", "Flatten", "Gemm"};
}

/// A graph quantized for a target through the whole pipeline, and its samples.
struct QuantizedGraph {
  std::unique_ptr<Graph> graph;
  PlatformSpec platform;
  std::vector<at::Tensor> samples;

  explicit QuantizedGraph(PlatformSpec spec, std::unique_ptr<Graph> model = twelve_ops(),
                          const std::vector<int64_t>& sizes = {1, 3, 16, 16})
      : graph(std::move(model)), platform(std::move(spec)) {
    at::manual_seed(11);
    for (int i = 0; i < 8; ++i) samples.push_back(at::randn(sizes));
    QuantizationSetting setting;
    setting.extra.weight_search = "minmax";
    setting.extra.compensate_rounding = false;
    setting.quantize_activation_setting.calib_algorithm = "minmax";
    TorchExecutor executor(*graph, test_device());
    Quantizer quantizer(*graph, platform);
    quantizer.set_verify(true);
    quantizer.quantize(samples[0], samples, executor, setting);
  }
  QuantizedGraph(const QuantizedGraph&) = delete;

  const Node& node(const std::string& name) const { return *graph->find_node(name); }
  TensorQuantPtr in(const std::string& name, size_t index = 0) const { return node(name).quant_of_input(index); }
  TensorQuantPtr out(const std::string& name) const { return node(name).quant_of_output(); }
  Tensors simulate(const at::Tensor& sample) const {
    LowerOptions options;
    options.mode = ExecutionMode::Simulated;
    return run_on_test_device(*lower(*graph, on_test_device(options)), {sample});
  }
};

/// What an exporter wrote, in a folder of its own, under the names that its row gives.
struct Exported {
  std::string folder;
  ExportSummary summary;

  Exported(const std::string& exporter, const Graph& graph, const PlatformSpec& platform,
           const std::vector<std::pair<std::string, std::string>>& options = {})
      : folder(temporary_dir(exporter)) {
    const ExporterRow& row = find_exporter(exporter);
    std::string graph_path, table_path;
    for (const ExportFile& file : row.files) {
      if (file.kind == ExportFile::Kind::Graph) graph_path = path(file.name);
      if (file.kind == ExportFile::Kind::Table) table_path = path(file.name);
    }
    ExportOptions given;
    for (const auto& [name, value] : options) given.set(name, value);
    summary = row.write(graph, platform, graph_path, table_path, given);
  }
  Exported(const std::string& exporter, const QuantizedGraph& of, const std::vector<std::pair<std::string, std::string>>& options = {})
      : Exported(exporter, *of.graph, of.platform, options) {}

  std::string path(const std::string& file) const { return folder + "/" + file; }
  std::string text(const std::string& file) const { return read_file(path(file)); }
  Json json(const std::string& file) const { return Json::parse(text(file)); }
};

inline std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [key, value] : object.items()) names.push_back(key);
  return names;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Words apart by single spaces; what follows the last space is one too, unless it is empty.
inline std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream stream(line);
  for (std::string word; std::getline(stream, word, ' ');) words.push_back(word);
  return words;
}

inline std::vector<double> scales(const TensorQuantPtr& quant) {
  std::vector<double> numbers;
  const at::Tensor flat = quant->params.scale.reshape({-1});
  for (int64_t i = 0; i < flat.numel(); ++i) numbers.push_back(static_cast<double>(flat[i].item<float>()));
  return numbers;
}

/// Largest magnitude of each row (all but the first dimension) over `steps`: what min-max gives a symmetric range without its lowest
/// number.
inline std::vector<double> row_scales(const at::Tensor& rows, double steps) {
  std::vector<double> result;
  const at::Tensor flat = rows.reshape({rows.size(0), -1}).contiguous();
  const float* data = flat.const_data_ptr<float>();
  for (int64_t row = 0; row < flat.size(0); ++row) {
    float most = 0;
    for (int64_t i = 0; i < flat.size(1); ++i) most = std::max(most, std::abs(data[row * flat.size(1) + i]));
    result.push_back(static_cast<double>(most) / steps);
  }
  return result;
}

}  // namespace ppq::test
