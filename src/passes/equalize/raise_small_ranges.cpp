#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unordered_map>
#include <unordered_set>

#include "calibration/finite.h"
#include "calibration/samples.h"
#include "calibration/sweep.h"
#include "core/words.h"
#include "ops/op_facts.h"
#include "passes/equalize/pairs.h"
#include "passes/passes.h"

/// A target has a least range: it widens tensors that are narrower, and rounds away what is small beside a step (SNPE and QNN: 1e-4).
/// Where tensors are that small between constant factors (weights of layers, constants that are multiplied, divided or added), the factors
/// before them are multiplied by a power of two and those behind them divided by it, through everything that keeps scale (Relu, pooling,
/// movement, Concat, sums, one side of a product). The float function stays the same to the bit. The power takes the largest value of
/// such tensors to 1, or as far as the constants behind them stay above the least range themselves.
/// What cannot be raised is said in a warning. Does not fire, and runs no sample, where no constant and no input is small. Graph inputs and
/// outputs, what sub-graphs read, and quantizations that the user fixed stay as they are.
namespace ppq::passes {
namespace {

constexpr size_t kSamples = 8;
constexpr double kSmall = 1e-2, kNormal = 1e-3;  ///< factors that may make tensors small; magnitudes that need no help
constexpr int kMostOctaves = 100;

/// A constant that stands between two groups of values, or is added to one.
struct Factor {
  Node* node;
  size_t index;
  int from, to;  ///< groups of what it multiplies and of the result; of a sum: to alone, from -1
  bool divides = false;
};

double magnitude(const at::Tensor& values) { return values.numel() ? values.to(at::kDouble).abs().max().item<double>() : 0; }
bool is_float(const Value* value) { return value && may_be_float(*value); }
bool has_constant(const Node& node, size_t index) {
  const at::Tensor constant = node.constant_input(index);
  return constant.defined() && constant.scalar_type() == at::kFloat;
}

bool is_sum(const Node& node) {
  return node.is("Add") || node.is("Sub") || node.is("Sum") || node.is("Max") || node.is("Min") || node.is("Concat");
}

/// Layers and products with one constant factor; its input, or -1.
int factor_input(const Node& node) {
  if (node.is("Gemm") || node.is("Conv") || node.is("ConvTranspose"))
    return has_constant(node, 1) && !has_constant(node, 0) && (!node.input(2) || has_constant(node, 2)) ? 1 : -1;
  if (node.is("MatMul") || node.is("Mul")) {
    if (has_constant(node, 0) == has_constant(node, 1)) return -1;
    return has_constant(node, 1) ? 1 : 0;
  }
  return node.is("Div") && has_constant(node, 1) && !has_constant(node, 0) ? 1 : -1;
}

class Groups {
 public:
  int of(const Value* value) {
    const auto [at, fresh] = number_.try_emplace(value, static_cast<int>(parent_.size()));
    if (fresh) parent_.push_back(at->second);
    return root(at->second);
  }
  void join(const Value* a, const Value* b) { parent_[static_cast<size_t>(of(a))] = of(b); }
  size_t size() const { return parent_.size(); }

 private:
  int root(int group) {
    for (int& parent = parent_[static_cast<size_t>(group)]; parent != parent_[static_cast<size_t>(parent)];)
      parent = parent_[static_cast<size_t>(parent)];  // shorter for the next one
    return parent_[static_cast<size_t>(group)];
  }
  std::unordered_map<const Value*, int> number_;
  std::vector<int> parent_;
};

class RaiseSmallRanges final : public Pass {
 public:
  const char* name() const override { return "raise-small-ranges"; }

  size_t run(Graph& graph, PassContext& context) override {
    // A trial's network comes of one that was raised.
    if (context.trial || !context.platform || !context.calibration || context.calibration->size() == 0) return 0;
    least_ = context.platform->scheme(SlotRole::Data).min_range;
    if (least_ <= 0 || !may_be_small(graph, context)) return 0;
    look(graph, context);
    const bool any = std::any_of(seen_.begin(), seen_.end(), [&](const auto& one) { return is_small(one.second); });
    if (!any) return 0;
    group(graph);
    choose();
    const size_t changed = apply(graph, context);
    report(graph, context);
    return changed;
  }

 private:
  bool may_be_small(const Graph& graph, const PassContext& context) const {
    for (const Node* node : graph.nodes())
      if (const int index = factor_input(*node); index >= 0) {
        const double most = magnitude(node->constant_input(static_cast<size_t>(index)));
        if (most > 0 && (node->is("Div") ? most > 1 / kSmall : most < kSmall)) return true;
      }
    const Tensors first = context.calibration->sample(0);
    return std::any_of(first.begin(), first.end(), [](const at::Tensor& x) {
      return x.defined() && x.is_floating_point() && x.numel() > 0 && magnitude(x) > 0 && magnitude(x) < kSmall;
    });
  }

  void look(const Graph& graph, const PassContext& context) {
    Sweep sweep(graph, {}, context, "look for small ranges");
    std::vector<const Value*> values;
    for (const Value* value : graph.values())
      if (!value->is_constant() && !value->is_outer() && (value->producer() || value->is_graph_input()) && value->dtype == DataType::Float)
        values.push_back(value);
    for (const Value* value : values) sweep.want<FiniteRangeStatistic>(value, Part::all());
    if (sweep.empty()) return;
    sweep.run(part_of(context.calibration, Part::all().spread(kSamples)));
    for (size_t i = 0; i < values.size(); ++i) seen_[values[i]] = sweep.found<FiniteRangeStatistic>(i).range();
  }

  static double width(const FiniteRange& range) { return std::max(range.high, 0.0) - std::min(range.low, 0.0); }
  bool is_small(const FiniteRange& range) const {
    return !range.empty && !range.nan && !range.minus_infinity && !range.plus_infinity && width(range) > 0 && width(range) < least_;
  }
  bool is_small(const Value* value) const {
    const auto found = seen_.find(value);
    return found != seen_.end() && is_small(found->second);
  }

  void group(const Graph& graph) {
    const Pinned pinned(graph);
    auto fix = [&](const Value* value) { fixed_.push_back(value); };
    for (const Value* value : graph.values()) {
      if (value->is_constant()) continue;
      groups_.of(value);
      if (value->is_graph_input() || pinned(value) || value->is_outer() || value->dtype != DataType::Float) fix(value);
    }
    for (Node* node : graph.nodes()) {
      for (const auto* quants : {&node->input_quant, &node->output_quant})
        for (size_t i = 0; i < quants->size(); ++i)
          if ((*quants)[i] && (*quants)[i]->fixed) fix(quants == &node->input_quant ? node->input(i) : node->output(i));
      if (!connect(*node)) {
        for (const Value* value : node->inputs())
          if (value && !value->is_constant()) fix(value);
        for (const Value* value : node->outputs())
          if (value) fix(value);
      }
    }
  }

  /// Joins what keeps scale, notes constants that can take a factor up. False: the node needs its values as they are.
  bool connect(Node& node) {
    const Value* out = node.output();
    if (!is_float(out) || (node.outputs().size() > 1 && !is_passive(node))) return false;
    if (const int index = factor_input(node); index >= 0) {
      const Value* data = node.input(static_cast<size_t>(1 - index));
      if (!is_float(data)) return false;
      pending_.push_back({{&node, static_cast<size_t>(index), 0, 0, node.is("Div")}, data, out});
      if (node.input(2) && takes_bias(node)) pending_.push_back({{&node, 2, 0, 0}, nullptr, out});
      return true;
    }
    if (is_sum(node)) {
      for (size_t i = 0; i < node.inputs().size(); ++i) {
        if (!node.input(i) || (node.input(i)->is_constant() && !has_constant(node, i))) return false;
        if (node.input(i)->is_constant())
          pending_.push_back({{&node, i, 0, 0}, nullptr, out});
        else
          groups_.join(node.input(i), out);
      }
      return true;
    }
    if (node.is("Mul") && node.inputs().size() == 2 && node.input(0) != node.input(1)) {
      const size_t small = is_small(node.input(0)) ? 0 : 1;
      if (!is_small(node.input(small)) || is_small(node.input(1 - small)) || node.input(1 - small)->is_constant()) return false;
      groups_.join(node.input(small), out);
      fixed_.push_back(node.input(1 - small));
      return true;
    }
    const bool keeps = is_passive(node) || is_scale_free(node) || node.is("ReduceMean") || node.is("ReduceSum") || node.is("ReduceMax");
    if (!keeps || !node.input(0) || node.input(0)->is_constant()) return false;
    for (const Value* value : node.outputs())
      if (is_float(value)) groups_.join(node.input(0), value);
    return true;
  }

  void choose() {
    octaves_.assign(groups_.size(), 0);
    std::vector<double> most(groups_.size(), 0);
    std::vector<bool> small(groups_.size(), false);
    for (const auto& [value, range] : seen_) {
      if (range.empty) continue;
      const auto group = static_cast<size_t>(groups_.of(value));
      most[group] = std::max({most[group], -range.low, range.high});
      if (is_small(range)) small[group] = true;
    }
    for (size_t i = 0; i < most.size(); ++i)
      if (small[i] && most[i] < kNormal) octaves_[i] = std::min(kMostOctaves, -std::ilogb(most[i]));
    for (const Value* value : fixed_) octaves_[static_cast<size_t>(groups_.of(value))] = 0;
    for (const auto& [factor, data, out] : pending_)
      factors_.push_back({factor.node, factor.index, data ? groups_.of(data) : -1, groups_.of(out), factor.divides});
    // What lies behind a tensor gives up what it rises by, and must not become small itself.
    for (bool again = true; again;) {
      again = false;
      for (const Factor& factor : factors_) {
        if (factor.from < 0) continue;
        const double constant = magnitude(factor.node->constant_input(factor.index));
        if (constant == 0) continue;
        int& from = octaves_[static_cast<size_t>(factor.from)];
        const int to = octaves_[static_cast<size_t>(factor.to)];
        const int room = factor.divides ? 120 - std::ilogb(constant) : std::ilogb(constant) - std::ilogb(least_) - 1;
        const int limit = std::max(0, to + std::max(0, room));
        if (from > limit) from = limit, again = true;
      }
    }
  }

  size_t apply(Graph& graph, PassContext& context) {
    size_t changed = 0;
    const Pinned pinned(graph);
    for (const Factor& factor : factors_) {
      int by = octaves_[static_cast<size_t>(factor.to)] - (factor.from < 0 ? 0 : octaves_[static_cast<size_t>(factor.from)]);
      if (factor.divides) by = -by;
      if (by == 0) continue;
      Value* value = factor.node->input(factor.index);
      const at::Tensor scaled = value->constant() * static_cast<float>(std::ldexp(1.0, by));
      if (!only_reader(value, pinned)) {
        value = graph.add_constant(graph.unique_name(value->name()), scaled);
        graph.set_input(factor.node, factor.index, value);
      } else {
        value->set_constant(scaled);
      }
      ++changed;
    }
    if (context.record && changed) {
      int least = kMostOctaves, most = 0;
      for (const int octaves : octaves_)
        if (octaves > 0) least = std::min(least, octaves), most = std::max(most, octaves);
      context.record->decision = "tensors below the least range of the target raised by 2^" + std::to_string(least) +
                                 (least == most ? "" : " to 2^" + std::to_string(most));
    }
    return changed;
  }

  /// What stays small where the target would widen it.
  void report(const Graph& graph, const PassContext& context) {
    Warning warning{"least-range", "", {}, {{"least_range", least_}}, ""};
    double smallest = least_;
    for (const Value* value : graph.values()) {
      const auto found = seen_.find(value);
      if (found == seen_.end() || !is_small(found->second) || !is_quantized(*value, *context.platform)) continue;
      const double now = std::ldexp(width(found->second), octaves_[static_cast<size_t>(groups_.of(value))]);
      if (now >= least_) continue;
      warning.tensors.push_back(value->name());
      smallest = std::min(smallest, now);
    }
    if (warning.tensors.empty()) return;
    char text[160];
    std::snprintf(text, sizeof text,
                  "the target widens ranges below %.3g; narrower by a factor of up to %.3g, so that few steps are left: ", least_,
                  least_ / smallest);
    warning.text =
        text + listed(warning.tensors) + "; scale them up in the model where they come in or go out, or keep what computes them in float";
    warning.figures["factor"] = least_ / smallest;
    const Value* first = graph.find_value(warning.tensors[0]);
    const Node* node = first->producer() ? first->producer() : first->uses()[0].node;
    warning.remedy = "--keep-float '" + node->name + "'";
    context.warn(std::move(warning));
  }

  static bool is_quantized(const Value& value, const PlatformSpec& platform) {
    auto computes = [&](const Node& node) {
      return node.dispatch == Dispatch::Quantized || (node.dispatch == Dispatch::ByPlatform && platform.computes(node));
    };
    return (value.producer() && computes(*value.producer())) || std::any_of(value.uses().begin(), value.uses().end(), [&](const Use& use) {
             return computes(*use.node) && carries_value(*use.node, use.index);
           });
  }

  struct Pending {
    Factor factor;
    const Value *data, *out;
  };
  double least_ = 0;
  std::unordered_map<const Value*, FiniteRange> seen_;
  Groups groups_;
  std::vector<const Value*> fixed_;
  std::vector<Pending> pending_;
  std::vector<Factor> factors_;
  std::vector<int> octaves_;  ///< of each group
};

}  // namespace

std::unique_ptr<Pass> make_raise_small_ranges() { return std::make_unique<RaiseSmallRanges>(); }

}  // namespace ppq::passes
