#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ppq/dataset.h"
#include "ppq/graph.h"

namespace ppq::test {

/// One model of shared goldens/ with its samples, preprocessed as its inputs.json says.
struct Golden {
  std::string name;
  std::unique_ptr<Graph> graph;  ///< after clean-up
  DatasetPtr calibration, evaluation;
  std::vector<int64_t> labels;  ///< of the evaluation samples; empty where there are none
};
Golden load_golden(const std::string& name);
std::vector<std::string> golden_names();

/// What PPQ made of one input or output: a row of tensors.json.
struct GoldenSlot {
  std::string op, type, tensor, slot, state;  ///< slot: "in0", "out0"
  bool parameter = false;
  int bits = 0, group = 0;
  std::vector<double> scale, offset;
};
/// Rows of goldens/NAME/CONFIG/tensors.json; empty when that run is not there.
std::vector<GoldenSlot> golden_slots(const std::string& name, const std::string& config);
/// SNR of each output in goldens/NAME/CONFIG/result.json.
std::map<std::string, double> golden_snr(const std::string& name, const std::string& config);

/// Σ(q-f)²/Σf² of each graph output over samples: `graph` simulated against `reference` in float, outputs matched by place.
std::vector<double> output_snr(const Graph& graph, const Graph& reference, const Dataset& samples);

}  // namespace ppq::test
