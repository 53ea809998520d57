#include "graph/composites.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "graph/readers.h"

namespace ppq {
namespace {

using Nodes = std::unordered_set<const Node*>;

Node* producer_of_type(const Value* value, std::initializer_list<const char*> types) {
  Node* node = value ? value->producer() : nullptr;
  for (const char* type : types)
    if (node && node->is(type)) return node;
  return nullptr;
}

int64_t rank(const Value* value) { return value && value->shape ? std::ssize(*value->shape) : -1; }

/// A constant of one element that gives what it meets no further axes.
std::optional<double> scalar(const Value* value, int64_t rank_of_other = -1) {
  if (!value || !value->constant().defined() || value->constant().numel() != 1 || value->constant().is_complex()) return std::nullopt;
  if (value->constant().dim() > std::max<int64_t>(1, rank_of_other)) return std::nullopt;
  return value->constant().item<double>();
}

/// The other operand of a node with two inputs.
Value* other_than(const Node& node, const Value* one) {
  if (node.inputs().size() != 2) return nullptr;
  if (node.input(0) == one) return node.input(1);
  return node.input(1) == one ? node.input(0) : nullptr;
}

/// How many last axes a mean is taken over, keeping them as ones; 0 where it is something else.
int64_t averaged_axes(const Node& node) {
  const int64_t dimensions = rank(node.input(0));
  if (node.is("GlobalAveragePool")) return std::max<int64_t>(0, dimensions - 2);
  if (!node.is("ReduceMean") || node.attributes.get_int("keepdims", 1) != 1) return 0;
  std::vector<int64_t> axes = node.attributes.get_ints("axes");
  if (const at::Tensor given = node.constant_input(1); given.defined()) {
    const at::Tensor numbers = given.to(at::kLong).contiguous().reshape({-1});
    axes.assign(numbers.const_data_ptr<int64_t>(), numbers.const_data_ptr<int64_t>() + numbers.numel());
  }
  for (int64_t& axis : axes) {
    if (axis >= 0 && dimensions < 0) return 0;
    if (axis >= 0) axis -= dimensions;
  }
  std::sort(axes.begin(), axes.end());
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != static_cast<int64_t>(i) - std::ssize(axes)) return 0;
  return std::ssize(axes);
}

/// A constant that varies over the last `axes` axes alone.
bool lies_on_last(const Value* value, int64_t axes) {
  if (!value || !value->constant().defined() || !value->constant().is_floating_point()) return false;
  const at::Tensor& constant = value->constant();
  for (int64_t i = 0; i < constant.dim() - axes; ++i)
    if (constant.size(i) != 1) return false;
  return true;
}

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph), pinned_(graph) {
    for (Node* node : graph.nodes()) order_[node] = order_.size();
  }

  std::vector<Composite> run() {
    std::vector<Composite> found;
    for (Node* node : graph_.nodes()) {
      std::optional<Composite> one;
      if (node->is("Sqrt")) one = normalization(*node);
      if (node->is("Erf") || node->is("Tanh")) one = gelu(*node);
      if (!one || std::any_of(one->nodes.begin(), one->nodes.end(), [&](const Node* n) { return taken_.count(n); })) continue;
      taken_.insert(one->nodes.begin(), one->nodes.end());
      found.push_back(std::move(*one));
    }
    std::sort(found.begin(), found.end(),
              [&](const Composite& a, const Composite& b) { return order_.at(a.nodes.back()) < order_.at(b.nodes.back()); });
    return found;
  }

 private:
  /// Puts the nodes in order, and checks that only `input` and constants come in and only the last one's output goes out.
  bool close(Composite& composite) const {
    std::vector<Node*>& nodes = composite.nodes;
    std::sort(nodes.begin(), nodes.end(), [&](const Node* a, const Node* b) { return order_.at(a) < order_.at(b); });
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    const Nodes inside(nodes.begin(), nodes.end());
    for (const Node* node : nodes) {
      for (const Value* value : node->inputs())
        if (value && value != composite.input && !value->is_constant() && !inside.count(value->producer())) return false;
      if (node->outputs().size() != 1 || !node->output()) return false;
      if (node == nodes.back()) continue;
      if (pinned_(node->output())) return false;
      for (const Use& use : node->output()->uses())
        if (!inside.count(use.node)) return false;
    }
    composite.output = nodes.back()->output();
    return true;
  }

  /// Sub(x, mean of x): the mean's node; null where it is something else.
  static Node* mean_of_difference(const Node& difference, int64_t axes) {
    if (!difference.is("Sub")) return nullptr;
    Node* mean = producer_of_type(difference.input(1), {"ReduceMean", "GlobalAveragePool"});
    return mean && mean->input(0) == difference.input(0) && averaged_axes(*mean) == axes ? mean : nullptr;
  }

  std::optional<Composite> normalization(Node& root) const {
    Node* sum = producer_of_type(root.input(0), {"Add"});
    if (!sum || sum->inputs().size() != 2) return std::nullopt;
    const size_t side = scalar(sum->input(1), rank(sum->input(0))) ? 1 : 0;
    const auto epsilon = scalar(sum->input(side), rank(sum->input(1 - side)));
    Node* variance = producer_of_type(sum->input(1 - side), {"ReduceMean", "GlobalAveragePool"});
    if (!epsilon || *epsilon < 0 || !variance) return std::nullopt;
    const int64_t axes = averaged_axes(*variance);
    Node* square = producer_of_type(variance->input(0), {"Pow", "Mul"});
    if (axes == 0 || !square || square->inputs().size() != 2) return std::nullopt;
    Value* squared = square->input(0);
    if (square->is("Pow") ? scalar(square->input(1), rank(squared)) != 2.0 : square->input(1) != squared) return std::nullopt;
    Composite composite;
    composite.axis = -axes, composite.epsilon = *epsilon;
    composite.nodes = {square, variance, sum, &root};
    Node* difference = producer_of_type(squared, {"Sub"});
    if (Node* mean = difference ? mean_of_difference(*difference, axes) : nullptr) {
      Composite layer = composite;
      layer.type = "LayerNormalization", layer.input = mean->input(0);
      layer.nodes.insert(layer.nodes.end(), {mean, difference});
      if (finish(layer, root, mean->output())) return layer;
    }
    composite.type = "RMSNormalization", composite.input = squared;
    if (finish(composite, root, nullptr)) return composite;
    return std::nullopt;
  }

  /// Whether `value` is what gets divided: x itself, or x less its mean, perhaps computed once more. Notes the node.
  bool is_dividend(const Value* value, Composite& composite, const Value* mean) const {
    if (!mean) return value == composite.input;
    Node* difference = producer_of_type(value, {"Sub"});
    if (!difference || difference->input(0) != composite.input) return false;
    // Some exporters compute the mean once more as well.
    Node* again = mean_of_difference(*difference, -composite.axis);
    if (!again) return false;
    composite.nodes.insert(composite.nodes.end(), {difference, again});
    return true;
  }

  bool finish(Composite& composite, Node& root, const Value* mean) const {
    Node* next = only_reader(root.output(), pinned_);
    if (!next) return false;
    composite.nodes.push_back(next);
    if (next->is("Div") && next->input(1) == root.output()) {
      if (scalar(next->input(0), rank(root.output())) != 1.0)
        return is_dividend(next->input(0), composite, mean) && scale_and_shift(composite, next);
    } else if (!next->is("Reciprocal")) {
      return false;
    }
    // 1 / deviation.
    Value* factor = next->output();
    Node* product = only_reader(factor, pinned_);
    if (!product || !product->is("Mul")) return false;
    Value* other = other_than(*product, factor);
    composite.nodes.push_back(product);
    if (is_dividend(other, composite, mean)) return scale_and_shift(composite, product);
    if (!lies_on_last(other, -composite.axis)) return false;
    composite.scale = other;
    factor = product->output();
    if (Node* last = only_reader(factor, pinned_)) {
      composite.nodes.push_back(last);
      return last->is("Mul") && is_dividend(other_than(*last, factor), composite, mean) && shift(composite, last);
    }
    return mean && in_two_products(composite, factor, mean);
  }

  /// x·k + (bias − mean·k).
  bool in_two_products(Composite& composite, const Value* factor, const Value* mean) const {
    if (factor->uses().size() != 2) return false;
    Node *of_input = nullptr, *of_mean = nullptr;
    for (const Use& use : factor->uses()) {
      if (!use.node->is("Mul")) return false;
      const Value* other = other_than(*use.node, factor);
      if (other == composite.input) of_input = use.node;
      if (other == mean) of_mean = use.node;
    }
    if (!of_input || !of_mean) return false;
    Node *rest = only_reader(of_mean->output(), pinned_), *last = only_reader(of_input->output(), pinned_);
    if (!rest || !rest->is("Sub") || rest->input(1) != of_mean->output() || !lies_on_last(rest->input(0), -composite.axis)) return false;
    if (!last || !last->is("Add") || other_than(*last, of_input->output()) != rest->output()) return false;
    composite.bias = rest->input(0);
    composite.nodes.insert(composite.nodes.end(), {of_input, of_mean, rest, last});
    return close(composite);
  }

  bool scale_and_shift(Composite& composite, Node* last) const {
    Node* product = only_reader(last->output(), pinned_);
    Value* other = product && product->is("Mul") ? other_than(*product, last->output()) : nullptr;
    if (!lies_on_last(other, -composite.axis)) return shift(composite, last);
    composite.scale = other;
    composite.nodes.push_back(product);
    return shift(composite, product);
  }

  bool shift(Composite& composite, Node* last) const {
    Node* sum = composite.type == "LayerNormalization" ? only_reader(last->output(), pinned_) : nullptr;
    Value* other = sum && sum->is("Add") ? other_than(*sum, last->output()) : nullptr;
    if (lies_on_last(other, -composite.axis)) {
      composite.bias = other;
      composite.nodes.push_back(sum);
    }
    return close(composite);
  }

  // Gelu.

  static constexpr double kFrom = -5, kTo = 5;
  static constexpr int kPoints = 41;
  static constexpr size_t kMostNodes = 12, kStepsDown = 4;

  using Numbers = std::vector<double>;
  struct Chain {
    const Value* input;
    Nodes nodes;
    std::unordered_map<const Value*, Numbers> known;
    bool half = false;  ///< its scalars have a few digits only
  };

  /// What `value` is over the points of x, node by node; false where anything but scalars and elementwise operators leads to it.
  static bool compute(const Value* value, Chain& chain) {
    if (!value || chain.known.count(value)) return value != nullptr;
    if (const auto constant = scalar(value, rank(chain.input))) {
      chain.half |= value->constant().scalar_type() == at::kHalf || value->constant().scalar_type() == at::kBFloat16;
      chain.known[value] = Numbers(kPoints, *constant);
      return true;
    }
    const Node* node = value->producer();
    if (!node || chain.nodes.size() >= kMostNodes) return false;
    const bool one = node->is("Erf") || node->is("Tanh");
    if (!one && !node->is("Add") && !node->is("Sub") && !node->is("Mul") && !node->is("Div") && !node->is("Pow")) return false;
    if (node->inputs().size() != (one ? 1u : 2u) || !chain.nodes.insert(node).second) return false;
    for (const Value* input : node->inputs())
      if (!compute(input, chain)) return false;
    Numbers result(kPoints);
    const Numbers &a = chain.known.at(node->input(0)), &b = one ? a : chain.known.at(node->input(1));
    for (size_t i = 0; i < kPoints; ++i)
      result[i] = node->is("Erf")    ? std::erf(a[i])
                  : node->is("Tanh") ? std::tanh(a[i])
                  : node->is("Add")  ? a[i] + b[i]
                  : node->is("Sub")  ? a[i] - b[i]
                  : node->is("Mul")  ? a[i] * b[i]
                  : node->is("Div")  ? a[i] / b[i]
                                     : std::pow(a[i], b[i]);
    chain.known[value] = std::move(result);
    return true;
  }

  static double point(int i) { return kFrom + (kTo - kFrom) * i / (kPoints - 1); }

  static bool is_gelu(const Numbers& values, bool by_tanh, double tolerance) {
    for (int i = 0; i < kPoints; ++i) {
      const double x = point(i), inner = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
      const double expected = 0.5 * x * (1 + (by_tanh ? std::tanh(inner) : std::erf(x / std::sqrt(2.0))));
      if (!(std::abs(values[static_cast<size_t>(i)] - expected) <= tolerance)) return false;
    }
    return true;
  }

  /// Where x may be: everything that leads to the core.
  static void ancestors(const Value* value, std::vector<Value*>& all) {
    const Node* node = value->producer();
    if (!node || all.size() > kMostNodes) return;
    for (Value* input : node->inputs())
      if (input && !input->is_constant() && std::find(all.begin(), all.end(), input) == all.end()) {
        all.push_back(input);
        ancestors(input, all);
      }
  }

  std::optional<Composite> gelu(const Node& core) const {
    std::vector<Value*> inputs;
    ancestors(core.output(), inputs);
    const Value* end = core.output();
    for (size_t step = 0; step < kStepsDown; ++step) {
      const Node* next = only_reader(end, pinned_);
      if (!next || (!next->is("Add") && !next->is("Mul") && !next->is("Div"))) break;
      end = next->output();
      for (Value* input : inputs) {
        Chain chain{input, {}, {}};
        for (int i = 0; i < kPoints; ++i) chain.known[input].push_back(point(i));
        if (!compute(end, chain) || !is_gelu(chain.known.at(end), core.is("Tanh"), chain.half ? 1e-3 : 1e-5)) continue;
        Composite composite;
        composite.type = "Gelu", composite.input = input, composite.approximate = core.is("Tanh");
        for (const Node* node : chain.nodes) composite.nodes.push_back(node->output()->producer());
        if (close(composite)) return composite;
      }
    }
    return std::nullopt;
  }

  const Graph& graph_;
  Pinned pinned_;
  std::unordered_map<const Node*, size_t> order_;
  Nodes taken_;
};

}  // namespace

const std::vector<std::string>& composite_types() {
  static const std::vector<std::string> types = {"LayerNormalization", "RMSNormalization", "Gelu"};
  return types;
}

std::vector<Composite> find_composites(const Graph& graph) { return Finder(graph).run(); }

}  // namespace ppq
