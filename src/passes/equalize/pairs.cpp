#include "passes/equalize/pairs.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <unordered_set>

#include "ops/op_facts.h"

namespace ppq::passes {
namespace {

bool is_layer(const Node& node) {
  if (!takes_bias(node)) return false;
  const at::Tensor weight = node.constant_input(1);
  if (!weight.defined() || weight.scalar_type() != at::kFloat) return false;
  if (node.input(2) && !node.constant_input(2).defined()) return false;
  if (!node.is("Gemm")) return weight.dim() >= 3;
  const Value* bias = node.input(2);
  return weight.dim() == 2 && node.attributes.get_int("transA", 0) == 0 &&
         (!bias || bias->constant().dim() <= 1 || bias->constant().size(0) == 1);
}

/// Elements of a declared shape behind the batch dimension; -1 where not all are known.
int64_t elements_of_sample(const Value* value) {
  if (!value || !value->shape || value->shape->size() < 2) return -1;
  int64_t count = 1;
  for (size_t i = 1; i < value->shape->size(); ++i) {
    if (!(*value->shape)[i].known()) return -1;
    count *= (*value->shape)[i].value;
  }
  return count;
}

/// Axes of an operation over space only: no batch, no channels. They are an input since opset 13 (Squeeze) or 18 (ReduceMean).
bool over_space(const Node& node) {
  std::vector<int64_t> axes = node.attributes.get_ints("axes");
  if (const at::Tensor given = node.constant_input(1); given.defined()) {
    const at::Tensor list = given.to(at::kLong).reshape({-1}).contiguous();
    axes.assign(list.data_ptr<int64_t>(), list.data_ptr<int64_t>() + list.numel());
  }
  const Value* data = node.input(0);
  if (axes.empty() || (node.input(1) && !node.constant_input(1).defined()) || !data->shape) return false;
  const int64_t rank = static_cast<int64_t>(data->shape->size());
  return std::all_of(axes.begin(), axes.end(), [&](int64_t axis) { return (axis < 0 ? axis + rank : axis) >= 2; });
}

bool pads_space(const Node& node) {
  std::vector<int64_t> pads = node.attributes.get_ints("pads");
  if (const at::Tensor given = node.constant_input(1); given.defined()) {
    const at::Tensor list = given.to(at::kLong).reshape({-1}).contiguous();
    pads.assign(list.data_ptr<int64_t>(), list.data_ptr<int64_t>() + list.numel());
  }
  const size_t rank = pads.size() / 2;
  return rank > 2 && !node.input(3) && pads[0] == 0 && pads[1] == 0 && pads[rank] == 0 && pads[rank + 1] == 0 &&
         node.attributes.get_float("value", 0) == 0;
}

bool is_relay(const Node& node, const EqualizationSearch& search) {
  // A slope along another axis than channels is exact too; an index output of MaxPool is not data.
  if (is_scale_free(node)) return node.outputs().size() == 1 || !node.output(1);
  if (search.through_add && (node.is("Add") || node.is("Sub"))) return !node.input(0)->is_constant() && !node.input(1)->is_constant();
  if (search.through_clip && node.is("Clip")) return clip_bound(node).has_value();
  if (!search.through_flatten) return false;
  if (node.is("Dropout")) return node.outputs().size() == 1 || !node.output(1);
  if (node.is("Pad")) return is_passive(node) && node.attributes.get_string("mode", "constant") == "constant" && pads_space(node);
  if (node.is("Flatten")) return node.attributes.get_int("axis", 1) == 1;
  if (node.is("Squeeze") || node.is("ReduceMean")) return over_space(node);
  if (node.is("Reshape")) {
    // [N, C·H·W]: rows are samples, columns are channels in order.
    const int64_t elements = elements_of_sample(node.input(0));
    return elements > 0 && elements == elements_of_sample(node.output()) && node.output()->shape->size() == 2;
  }
  return false;
}

/// A quantization that the user fixed holds for the tensor as it is.
bool is_fixed(const Node& node, bool upstream, bool downstream) {
  auto fixed = [](const TensorQuantPtr& quant) { return quant && quant->fixed; };
  if (upstream && fixed(node.quant_of_output())) return true;
  if (downstream && fixed(node.quant_of_input(0))) return true;
  const bool layer = !(upstream && downstream);
  return layer && (fixed(node.quant_of_input(1)) || fixed(node.quant_of_input(2)));
}

/// Reshape, Flatten and their like lose the channel axis unless a Gemm reads them.
bool flattens(const Node& node) { return node.is("Flatten") || node.is("Reshape") || node.is("Squeeze") || node.is("ReduceMean"); }

class Search {
 public:
  Search(const Graph& graph, const EqualizationSearch& search) : graph_(graph), pinned_(graph), search_(search) {}

  std::vector<EqualizationPair> run() {
    std::vector<EqualizationPair> pairs;
    for (Node* node : graph_.nodes()) {
      if (!is_layer(*node) || visited_.count(node)) continue;
      EqualizationPair pair;
      const bool valid = complete(node, pair);
      for (Node* up : pair.upstream) visited_.insert(up);
      if (valid && fits(pair)) pairs.push_back(std::move(pair));
    }
    return pairs;
  }

 private:
  /// Closes the pair over both directions from one upstream layer.
  bool complete(Node* seed, EqualizationPair& pair) {
    std::unordered_set<Node*> seen{seed};
    std::deque<std::pair<Node*, bool>> queue{{seed, false}};  // (node, reached from below)
    pair.upstream.push_back(seed);
    bool valid = true;
    auto up = [&](Value* value) {
      Node* producer = value ? value->producer() : nullptr;
      if (!producer) return valid = false;
      if (is_relay(*producer, search_)) {
        if (seen.insert(producer).second) pair.relays.push_back(producer), queue.push_back({producer, false});
      } else if (!is_layer(*producer)) {
        valid = false;
      } else if (std::find(pair.upstream.begin(), pair.upstream.end(), producer) == pair.upstream.end()) {
        pair.upstream.push_back(producer);
        queue.push_back({producer, false});
      }
      return valid;
    };
    for (; !queue.empty() && valid; queue.pop_front()) {
      Node* node = queue.front().first;
      const Value* out = node->output(0);
      if (!out || pinned_(out) || out->uses().empty()) return false;
      for (const Use& use : out->uses()) {
        Node* reader = use.node;
        if (is_relay(*reader, search_)) {
          if (use.index != 0 && !(reader->is("Add") || reader->is("Sub"))) return false;
          if (seen.insert(reader).second) pair.relays.push_back(reader), queue.push_back({reader, false});
        } else if (is_layer(*reader) && use.index == 0) {
          if (std::find(pair.downstream.begin(), pair.downstream.end(), reader) == pair.downstream.end()) {
            pair.downstream.push_back(reader);
            if (!up(reader->input(0))) return false;
          }
        } else {
          return false;
        }
      }
      if (std::find(pair.relays.begin(), pair.relays.end(), node) != pair.relays.end()) {
        if (!up(node->input(0))) return false;
        if ((node->is("Add") || node->is("Sub")) && !up(node->input(1))) return false;
      }
    }
    return valid && !pair.downstream.empty();
  }

  bool fits(EqualizationPair& pair) const {
    pair.channels = output_channels(*pair.upstream.front());
    for (const Node* node : pair.upstream)
      if (output_channels(*node) != pair.channels || is_fixed(*node, true, false)) return false;
    for (const Node* node : pair.downstream)
      if (is_fixed(*node, false, true)) return false;
    for (const Node* node : pair.relays)
      if (is_fixed(*node, true, true)) return false;
    const bool flat = std::any_of(pair.relays.begin(), pair.relays.end(), [](const Node* n) { return flattens(*n); });
    for (const Node* node : pair.downstream) {
      const int64_t inputs = input_channels(*node);
      if (inputs == pair.channels) {
        // Without a channel axis only a matrix product can follow.
        if (flat && !node->is("Gemm")) return false;
        continue;
      }
      if (!flat || !node->is("Gemm") || inputs % pair.channels) return false;
    }
    for (const Node* node : pair.relays)
      if (node->is("PRelu")) {
        const at::Tensor slope = node->constant_input(1);
        if (!slope.defined()) return false;
      }
    return true;
  }

  const Graph& graph_;
  const Pinned pinned_;
  const EqualizationSearch& search_;
  std::unordered_set<Node*> visited_;
};

int64_t groups_of(const Node& node) { return node.is("Gemm") ? 1 : node.attributes.get_int("group", 1); }
bool transposed(const Node& node) { return node.attributes.get_int("transB", 0) != 0; }

}  // namespace

std::optional<double> clip_bound(const Node& node) {
  auto bound = [&](size_t index, const char* attribute, double open) -> std::optional<double> {
    if (!node.input(index)) return node.attributes.has(attribute) ? node.attributes.get_float(attribute, 0) : open;
    const at::Tensor value = node.constant_input(index);
    if (!value.defined() || value.numel() != 1 || !value.is_floating_point()) return std::nullopt;
    return value.to(at::kDouble).item<double>();
  };
  constexpr double kOpen = std::numeric_limits<double>::infinity();
  const auto low = bound(1, "min", -kOpen), high = bound(2, "max", kOpen);
  if (!node.is("Clip") || low != 0 || !high || *high <= 0) return std::nullopt;
  return *high >= std::numeric_limits<float>::max() ? kOpen : *high;
}

std::vector<EqualizationPair> find_equalization_pairs(const Graph& graph, const EqualizationSearch& search) {
  return Search(graph, search).run();
}

int64_t input_channels(const Node& node) {
  const at::Tensor weight = node.constant_input(1);
  if (node.is("Conv")) return weight.size(1) * groups_of(node);
  if (node.is("ConvTranspose")) return weight.size(0);
  return weight.size(transposed(node) ? 1 : 0);
}

int64_t output_channels(const Node& node) {
  const at::Tensor weight = node.constant_input(1);
  if (node.is("Conv")) return weight.size(0);
  if (node.is("ConvTranspose")) return weight.size(1) * groups_of(node);
  return weight.size(transposed(node) ? 0 : 1);
}

at::Tensor output_rows(const Node& node) {
  const at::Tensor weight = node.constant_input(1);
  if (node.is("Conv")) return weight.flatten(1);
  if (node.is("Gemm")) return transposed(node) ? weight : weight.t();
  const int64_t g = groups_of(node);
  return weight.reshape({g, weight.size(0) / g, weight.size(1), -1}).permute({0, 2, 1, 3}).reshape({g * weight.size(1), -1});
}

at::Tensor input_rows(const Node& node, int64_t channels) {
  const at::Tensor weight = node.constant_input(1);
  if (node.is("Conv")) {
    const int64_t g = groups_of(node);
    return weight.reshape({g, weight.size(0) / g, weight.size(1), -1}).permute({0, 2, 1, 3}).reshape({channels, -1});
  }
  if (node.is("ConvTranspose")) return weight.flatten(1);
  return (transposed(node) ? weight.t() : weight).reshape({channels, -1});
}

void scale_outputs(Node& node, const at::Tensor& scale) {
  const at::Tensor weight = node.constant_input(1);
  at::Tensor scaled;
  if (node.is("Gemm")) {
    scaled = transposed(node) ? weight * scale.unsqueeze(1) : weight * scale.unsqueeze(0);
  } else if (node.is("Conv")) {
    std::vector<int64_t> shape(weight.dim(), 1);
    shape[0] = -1;
    scaled = weight * scale.view(shape);
  } else {
    const int64_t g = groups_of(node);
    scaled = (weight.reshape({g, weight.size(0) / g, weight.size(1), -1}) * scale.view({g, 1, -1, 1})).reshape(weight.sizes());
  }
  node.input(1)->set_constant(scaled.contiguous());
  if (const at::Tensor bias = node.constant_input(2); bias.defined()) {
    // A one-element Gemm bias serves every channel.
    const at::Tensor full = bias.numel() == scale.numel() ? bias.reshape({-1}) : bias.reshape({-1}).expand({scale.numel()});
    node.input(2)->set_constant((full * scale).contiguous());
  }
}

void scale_inputs(Node& node, const at::Tensor& scale) {
  const at::Tensor weight = node.constant_input(1);
  at::Tensor scaled;
  if (node.is("Gemm")) {
    const int64_t inputs = weight.size(transposed(node) ? 1 : 0);
    const at::Tensor full = scale.repeat_interleave(inputs / scale.numel());
    scaled = transposed(node) ? weight / full.unsqueeze(0) : weight / full.unsqueeze(1);
  } else if (node.is("ConvTranspose")) {
    std::vector<int64_t> shape(weight.dim(), 1);
    shape[0] = -1;
    scaled = weight / scale.view(shape);
  } else {
    const int64_t g = groups_of(node);
    scaled = (weight.reshape({g, weight.size(0) / g, weight.size(1), -1}) / scale.view({g, 1, -1, 1})).reshape(weight.sizes());
  }
  node.input(1)->set_constant(scaled.contiguous());
}

void own_parameters(Graph& graph, Node& node, const Pinned& pinned) {
  for (size_t i : {1u, 2u}) {
    Value* value = node.input(i);
    if (!value || !value->constant().defined() || only_reader(value, pinned)) continue;
    graph.set_input(&node, i, graph.add_constant(graph.unique_name(value->name()), value->constant()));
  }
}

}  // namespace ppq::passes
