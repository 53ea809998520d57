#pragma once

#include <limits>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "calibration/sweep.h"
#include "ppq/graph.h"

namespace ppq::passes {

/// Values of a tensor that its readers tell apart: what lies beyond an end does what the end does.
struct Interval {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

/// Ranges of what is added to scores to mask them, and of the masked scores. Softmax makes 0 of a score that lies far enough below its
/// row's largest one, however far it is; Sigmoid, HardSigmoid and Tanh have an end on either side. So a tensor that only they read gets the
/// range that they tell apart where what else it holds would take it more than 4 times as wide (or without end), and so do operands of the
/// sums that it is made of. What is clipped is as saturated as before. Constants with infinities that go elsewhere get the range of what
/// is computed of them.
class Saturation {
 public:
  explicit Saturation(const Graph& graph);

  /// Whether a value may be infinite without fault of the samples: it is computed of a constant that is, or of an input or a logarithm
  /// that can only mask scores.
  bool may_be_infinite(const Value* value) const { return infinite_.count(value) || masks_.count(value); }

  /// What the samples must show; `result` has it after the sweep.
  void wish(Sweep& sweep);
  void settle(const Sweep& sweep);
  /// Of the quantizations that must be narrowed, by name of the tensor that they observe.
  const std::map<std::string, Interval>& narrowed() const { return narrowed_; }
  /// Takes one as found in an earlier run.
  void restore(const std::string& tensor, Interval range) { narrowed_[tensor] = range; }
  /// Says that the tensor held infinities on the samples: below, above.
  void set_infinite(const std::string& tensor, std::pair<bool, bool> ends) { seen_infinite_[tensor] = ends; }
  const std::map<std::string, std::pair<bool, bool>>& infinite() const { return seen_infinite_; }
  /// Finite values of what can only become scores, by name: coarse scales do not say how far it reaches.
  const std::map<std::string, Interval>& seen() const { return seen_; }
  void set_seen(const std::string& tensor, Interval range) { seen_[tensor] = range; }

  /// When activations have their scales: narrows the operands, and gives constants with infinities their numbers. Returns how many
  /// changed.
  size_t narrow_operands(const Graph& graph) const;

 private:
  /// A quantization of what only saturating operations read, perhaps moved on the way.
  struct Scores {
    TensorQuantPtr quant;
    const Value* observed = nullptr;
    std::vector<const Node*> readers;
  };
  void find_infinite(const Graph& graph);
  void find_leads(const Graph& graph);
  void find_scores(const Graph& graph);
  Interval told_apart(const Node& reader, const Sweep& sweep) const;

  int64_t opset_;
  std::unordered_set<const Value*> infinite_;  ///< computed of constants that are
  std::unordered_set<const Value*> leads_;     ///< whose readers all end in saturating operations
  std::unordered_set<const Value*> masks_;     ///< of those, what is computed of inputs that are such, and of logarithms
  std::vector<Scores> scores_;
  std::map<const Value*, size_t> range_wishes_;  ///< of what quantizations observe, where it leads to scores
  std::unordered_map<const Node*, size_t> row_wishes_;
  std::map<std::string, Interval> narrowed_;
  std::map<std::string, std::pair<bool, bool>> seen_infinite_;
  std::map<std::string, Interval> seen_;
};

}  // namespace ppq::passes
