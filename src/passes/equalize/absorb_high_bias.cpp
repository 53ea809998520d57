#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "calibration/channel_moments.h"
#include "calibration/reference.h"
#include "calibration/sweep.h"
#include "passes/equalize/pairs.h"
#include "passes/passes.h"

/// High-bias absorption (arXiv 1906.04721, section 4.1.3): a channel whose values in front of its activation never fall below
/// c > 0 wastes the part of its range below c. The layer's bias gives c up and the biases of its readers take W·c back:
/// relu(x) = relu(x - c) + c for every x >= c. c is the smallest value on the samples, not an estimate from BatchNorm.
///
/// Layer → activation, pooling, Flatten → layers, pairs as in equalization. Does not fire where that is not exact: a reader
/// pads with zeros, or is a ConvTranspose of more than one tap (its borders see fewer of them); pooling counts padding; a
/// matrix product scales its bias; a graph output, another reader or an encoding that the user fixed lies between. A channel
/// that comes near a Clip's bound keeps its bias.
/// The float network moves where other samples fall below c. That is measured: half of the samples give c, the network is
/// compared on the other half, and nothing is absorbed where it moves noticeably.
namespace ppq::passes {
namespace {

constexpr double kOpen = std::numeric_limits<double>::infinity();
constexpr double kBelowBound = 0.9;  ///< a channel that fills more of a bound may reach it on other samples
constexpr double kMostMoved = 1e-4;  ///< noise over signal of the float outputs on samples held back

bool all_are(const std::vector<int64_t>& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t value) { return value == wanted; });
}

bool never_pads(const Node& node) {
  const std::string automatic = node.attributes.get_string("auto_pad", "NOTSET");
  return (automatic == "NOTSET" || automatic == "VALID") && all_are(node.attributes.get_ints("pads"), 0);
}

bool has_plain_bias(const Node& node) {
  return !node.is("Gemm") || (node.attributes.get_float("alpha", 1) == 1 && node.attributes.get_float("beta", 1) == 1);
}

/// Whether a constant added to a channel of its input comes out added to that channel.
bool passes_constants(const Node& node) {
  if (node.is("Pad")) return false;
  if (node.is("AveragePool"))
    return node.attributes.get_int("count_include_pad", 0) == 0 || (never_pads(node) && node.attributes.get_int("ceil_mode", 0) == 0);
  return true;
}

bool takes_constants(const Node& node) {
  if (!has_plain_bias(node)) return false;
  if (node.is("Conv")) return never_pads(node);
  if (!node.is("ConvTranspose")) return true;
  const auto sizes = node.constant_input(1).sizes().slice(2);
  return never_pads(node) && all_are(sizes.vec(), 1) && all_are(node.attributes.get_ints("strides"), 1) &&
         all_are(node.attributes.get_ints("output_padding"), 0);
}

bool is_exact(const EqualizationPair& pair) {
  return pair.upstream.size() == 1 && has_plain_bias(*pair.upstream[0]) &&
         std::all_of(pair.relays.begin(), pair.relays.end(), [](const Node* n) { return passes_constants(*n); }) &&
         std::all_of(pair.downstream.begin(), pair.downstream.end(), [](const Node* n) { return takes_constants(*n); });
}

std::vector<EqualizationPair> find_pairs(const Graph& graph) {
  std::vector<EqualizationPair> pairs = find_equalization_pairs(graph, {false, true, true});
  std::erase_if(pairs, [](const EqualizationPair& pair) { return !is_exact(pair); });
  return pairs;
}

/// What a constant input of `shift` [channels] adds to each output channel: Σ W·shift, float64.
at::Tensor carried(const Node& node, const at::Tensor& shift) {
  const at::Tensor weight = node.constant_input(1).to(at::kDouble);
  if (node.is("Gemm")) {
    const at::Tensor columns = node.attributes.get_int("transB", 0) ? weight.t() : weight;
    return at::matmul(shift.repeat_interleave(columns.size(0) / shift.numel()), columns);
  }
  const int64_t groups = node.attributes.get_int("group", 1);
  const at::Tensor taps = weight.flatten(2).sum(2), parts = shift.reshape({groups, 1, -1});
  if (node.is("ConvTranspose")) return at::matmul(parts, taps.reshape({groups, taps.size(0) / groups, -1})).reshape({-1});
  return at::matmul(parts, taps.reshape({groups, taps.size(0) / groups, -1}).transpose(1, 2)).reshape({-1});
}

void add_to_bias(Graph& graph, Node& node, const at::Tensor& shift, const Pinned& pinned) {
  if (!node.input(2)) {
    const at::Tensor zeros = at::zeros({shift.numel()}, node.constant_input(1).options());
    graph.set_input(&node, 2, graph.add_constant(graph.unique_name(node.name + "_bias"), zeros));
  } else {
    own_parameters(graph, node, pinned);
  }
  // A one-element Gemm bias serves every channel.
  const at::Tensor bias = node.constant_input(2);
  node.input(2)->set_constant((bias.reshape({-1}).to(at::kDouble) + shift).to(bias.scalar_type()).contiguous());
}

struct Absorbed {
  size_t layers = 0;
  int64_t channels = 0;
};

/// `low` and `high`: of each pair's upstream output, float64 [C].
using Ranges = std::vector<std::pair<at::Tensor, at::Tensor>>;

Absorbed absorb(Graph& graph, const Ranges& ranges) {
  Absorbed absorbed;
  const Pinned pinned(graph);
  const auto pairs = find_pairs(graph);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [low, high] = ranges[i];
    if (!low.defined()) continue;
    double bound = kOpen;
    for (const Node* node : pairs[i].relays) bound = std::min(bound, clip_bound(*node).value_or(kOpen));
    const at::Tensor shift = at::where((low > 0).logical_and(high < kBelowBound * bound), low, at::zeros_like(low));
    const int64_t channels = (shift > 0).sum().item<int64_t>();
    if (channels == 0) continue;
    add_to_bias(graph, *pairs[i].upstream[0], -shift, pinned);
    for (Node* node : pairs[i].downstream) add_to_bias(graph, *node, carried(*node, shift), pinned);
    ++absorbed.layers, absorbed.channels += channels;
  }
  return absorbed;
}

class AbsorbHighBias final : public Pass {
 public:
  const char* name() const override { return "absorb-high-bias"; }

  size_t run(Graph& graph, PassContext& context) override {
    if (!context.calibration || context.calibration->size() == 0) {
      if (context.record) context.record->decision = "nothing absorbed: there are no samples to see ranges on";
      return 0;
    }
    const auto pairs = find_pairs(graph);
    if (pairs.empty()) return 0;
    const auto [seen, others] = ranges(graph, pairs, context);
    auto trial = graph.clone();
    if (absorb(*trial, seen).layers == 0) return 0;
    const double moved = float_change(*trial, graph, part_of(context.calibration, Part::held_back()), context);
    Absorbed done;
    if (moved <= kMostMoved) done = absorb(graph, both(seen, others));
    if (context.outputs) context.outputs->means.forget();
    if (context.record) {
      char text[160];
      std::snprintf(text, sizeof text,
                    "absorbed %lld channels of %zu layers: with half of the samples the float outputs moved on the others by %.3g (noise "
                    "over signal)",
                    static_cast<long long>(done.channels), done.layers, moved);
      context.record->decision = text;
    }
    return done.layers;
  }

 private:
  /// Of either half of the samples.
  static std::pair<Ranges, Ranges> ranges(const Graph& graph, const std::vector<EqualizationPair>& pairs, const PassContext& context) {
    Sweep sweep(graph, {}, context, "channel ranges");
    for (const Part& half : {Part::fitting(), Part::held_back()})
      for (const EqualizationPair& pair : pairs) sweep.want<MomentStatistic>(pair.upstream[0]->output(), half);
    sweep.run(context.calibration);
    std::pair<Ranges, Ranges> result{Ranges(pairs.size()), Ranges(pairs.size())};
    for (size_t i = 0; i < 2 * pairs.size(); ++i) {
      const auto& one = sweep.found<MomentStatistic>(i);
      if (!one.seen()) continue;
      const ChannelReach reach = one.reach();
      (i < pairs.size() ? result.first : result.second)[i % pairs.size()] = {reach.low, reach.high};
    }
    return result;
  }

  static Ranges both(const Ranges& a, const Ranges& b) {
    Ranges result(a.size());
    for (size_t i = 0; i < a.size(); ++i)
      if (a[i].first.defined() && b[i].first.defined())
        result[i] = {at::minimum(a[i].first, b[i].first), at::maximum(a[i].second, b[i].second)};
    return result;
  }
};

}  // namespace

std::unique_ptr<Pass> make_absorb_high_bias() { return std::make_unique<AbsorbHighBias>(); }

}  // namespace ppq::passes
