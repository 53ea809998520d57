#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "passes/rewritten.h"
#include "ppq/ppq.h"
#include "support/device.h"
#include "support/op_run.h"
#include "support/thrown.h"

namespace ppq::test {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// A graph on its way through the quantization passes, with everything they look at. Nodes are found by name.
struct Quantizing {
  std::unique_ptr<Graph> graph;
  PlatformSpec platform;
  QuantizationSetting setting;
  std::vector<Warning> warnings;
  PassContext context;

  explicit Quantizing(std::unique_ptr<Graph> model, TargetPlatform target = TargetPlatform::QNN_DSP_INT8)
      : graph(std::move(model)), platform(find_platform(target)) {
    setting.extra.weight_search = "minmax";  // weights that a test can compute by hand
    setting.extra.compensate_rounding = false;
    context.platform = &platform;
    context.setting = &setting;
    context.warnings = &warnings;
    context.device = test_device();
  }
  /// `signature` is what stands before the braces: "(float[2] x) => (float[2] y) <float[2] k = {1, 2}>". Inputs named in
  /// `random` become random weights.
  Quantizing(const std::string& signature, const std::string& body, const std::vector<std::string>& random = {},
             TargetPlatform target = TargetPlatform::QNN_DSP_INT8)
      : Quantizing(parse_model("<ir_version: 8, opset_import: [\"\" : 15]> g " + signature + " {" + body + "}", random), target) {}
  Quantizing(const Quantizing&) = delete;

  /// The target's rules of one role, to change.
  std::vector<SlotRule*> rules(SlotRole role) {
    std::vector<SlotRule*> found;
    for (SlotRule& rule : platform.slots)
      if (rule.role == role) found.push_back(&rule);
    return found;
  }

  /// Runs one pass, and checks the graph's links after it.
  size_t pass(const std::string& name) {
    const size_t changes = make_pass(name)->run(*graph, context);
    graph->verify();
    return changes;
  }
  void passes(std::initializer_list<const char*> names) {
    for (const char* name : names) pass(name);
  }
  void calibrate_with(std::vector<at::Tensor> samples) { context.calibration = make_dataset(std::move(samples)); }

  Node& node(const std::string& name) const {
    Node* found = graph->find_node(name);
    if (!found) throw std::runtime_error("no node " + name);
    return *found;
  }
  TensorQuantPtr in(const std::string& name, size_t index = 0) const { return node(name).quant_of_input(index); }
  TensorQuantPtr out(const std::string& name, size_t index = 0) const { return node(name).quant_of_output(index); }
  Tensors simulate(const Tensors& inputs) const {
    LowerOptions options;
    options.mode = ExecutionMode::Simulated;
    return run_on_test_device(*lower(*graph, on_test_device(options)), inputs);
  }
};

/// A calibrated per-tensor quantization of uint8.
inline TensorQuantPtr active(double scale, double offset, double quant_min = 0, double quant_max = 255) {
  auto quant = std::make_shared<TensorQuant>();
  quant->scheme.quant_min = quant_min, quant->scheme.quant_max = quant_max;
  quant->params = {at::scalar_tensor(scale, at::kFloat), at::scalar_tensor(offset, at::kFloat)};
  quant->state = QuantState::Active;
  return quant;
}

inline double scale_of(const TensorQuantPtr& quant) { return quant->params.scale.item<double>(); }
inline double offset_of(const TensorQuantPtr& quant) { return quant->params.offset.item<double>(); }

/// uint8 numbers for a range, by the definition: the range is widened to hold 0, 255 steps, zero point rounded half to even.
struct PlainRange {
  double scale, offset;
  PlainRange(double low, double high) {
    low = std::min(low, 0.0), high = std::max(high, 0.0);
    scale = (high - low) / 255;
    offset = std::clamp(-std::nearbyint(low / scale), 0.0, 255.0);
  }
};

/// One number at a time, in double.
inline double round_to(double value, double scale, double offset, double quant_min = 0, double quant_max = 255) {
  return (std::clamp(std::nearbyint(value / scale) + offset, quant_min, quant_max) - offset) * scale;
}

}  // namespace ppq::test
