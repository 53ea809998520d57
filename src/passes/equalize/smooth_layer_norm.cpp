#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "calibration/reference.h"
#include "calibration/sweep.h"
#include "graph/composites.h"
#include "kernels/kernels.h"
#include "ops/op_facts.h"
#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"
#include "passes/trial.h"
#include "ppq/error.h"

/// SmoothQuant (arXiv 2211.10438): a few channels behind a LayerNormalization are much larger than the others and take nearly all of the
/// tensor's one scale. They give it to the layers behind, whose weights have a scale a channel or are even: channel j of scale and bias
/// is divided by s_j = max|x_j|^α / max|W_j|^(1-α), row j of each layer's weight multiplied by it. α is `smooth_alpha`, maxima of x are
/// those on the samples. The float network stays.
///
/// Asymmetric formats get an offset for all channels as well: where every layer has a bias, channels also give up what lies in their
/// middle, c_j, which comes back as W·c in the biases. With s_j the channel's width that is RepQ-ViT's reparameterization (arXiv
/// 2212.08254). With choose_equalization_by_data copies of the network, as it came and with each of these, are calibrated on a few
/// samples and measured on a few others, and the best is taken if it is clearly better. Without, s alone is applied.
///
/// Takes LayerNormalization, RMSNormalization and those written out in parts (src/graph/composites.h), over the last axis, with constant
/// scale. Does not fire where a reader is no Gemm or MatMul with a constant matrix, a graph output or a sub-graph sees the tensor, an
/// encoding that the user fixed lies there, or weights would leave the range of float16.
namespace ppq::passes {
namespace {

constexpr double kClearly = 0.9;  ///< the error must fall below this share of what it was
constexpr double kMostScale = 0x1p10;

/// A constant of a node, to be divided.
struct Operand {
  Node* node = nullptr;
  size_t index = 0;
  explicit operator bool() const { return node != nullptr; }
  at::Tensor value() const { return node->constant_input(index); }
};

/// A layer that reads the normalized tensor, and where its bias stands or would.
struct Reader {
  Node* node;
  Operand bias;
  bool can_shift;
};

struct Normalized {
  Value* output;
  Operand scale, bias;
  std::vector<Reader> readers;
  int64_t channels;
  bool can_shift;  ///< it has a bias or could be given one, and so has every reader
};

bool fixed(const TensorQuantPtr& quant) { return quant && quant->fixed; }

bool transposed(const Node& node) { return node.is("Gemm") && node.attributes.get_int("transB", 0) != 0; }

/// Rows are channels of the input.
at::Tensor rows(const Node& node) { return transposed(node) ? node.constant_input(1).t() : node.constant_input(1); }

std::optional<Reader> reader_of(const Use& use, int64_t channels, const Pinned& pinned) {
  Node& node = *use.node;
  const bool product = node.is("MatMul"), gemm = node.is("Gemm");
  if (use.index != 0 || (!product && !gemm) || fixed(node.quant_of_input(0)) || fixed(node.quant_of_input(1))) return std::nullopt;
  const at::Tensor weight = float_constant(node, 1);
  if (!weight.defined() || weight.dim() != 2 || node.attributes.get_int("transA", 0) != 0 || rows(node).size(0) != channels)
    return std::nullopt;
  Reader reader{&node, {}, false};
  const int64_t outputs = rows(node).size(1);
  if (gemm) {
    reader.bias = {&node, 2};
    const at::Tensor bias = node.constant_input(2);
    reader.can_shift = node.attributes.get_float("alpha", 1) == 1 && node.attributes.get_float("beta", 1) == 1 &&
                       (!node.input(2) || (bias.defined() && is_per_channel(bias, 2, 1, outputs))) && !fixed(node.quant_of_input(2));
    return reader;
  }
  Node* sum = only_reader(node.output(), pinned);
  if (!sum || !sum->is("Add") || fixed(node.quant_of_output()) || rank_of(node.output()) < 1) return reader;
  reader.bias = {sum, sum->input(0) == node.output() ? 1u : 0u};
  const at::Tensor bias = float_constant(*sum, reader.bias.index);
  reader.can_shift = bias.defined() && is_per_channel(bias, rank_of(node.output()), rank_of(node.output()) - 1, outputs) &&
                     !fixed(sum->quant_of_input(reader.bias.index));
  return reader;
}

/// The reader of a constant among the nodes of a composite.
Operand operand_of(const Composite& composite, const Value* value) {
  for (Node* node : composite.nodes)
    for (size_t i = 0; i < node->inputs().size(); ++i)
      if (node->input(i) == value) return {node, i};
  return {};
}

bool complete(Normalized& found, const Pinned& pinned) {
  const Value* output = found.output;
  const at::Tensor scale = found.scale.value();
  if (!scale.defined() || !scale.is_floating_point() || pinned(output) || output->uses().empty()) return false;
  if (fixed(output->producer()->quant_of_output())) return false;
  const at::Tensor first = output->uses()[0].node->constant_input(1);
  found.channels = scale.numel() > 1 ? scale.numel() : first.defined() && first.dim() == 2 ? rows(*output->uses()[0].node).size(0) : 0;
  if (found.channels < 2) return false;
  for (const Use& use : output->uses()) {
    const auto reader = reader_of(use, found.channels, pinned);
    if (!reader) return false;
    found.can_shift = found.can_shift && reader->can_shift;
    found.readers.push_back(*reader);
  }
  return true;
}

std::vector<Normalized> find_normalized(const Graph& graph, const Pinned& pinned) {
  std::vector<Normalized> all;
  const auto add = [&](Normalized one) {
    if (complete(one, pinned)) all.push_back(std::move(one));
  };
  for (Node* node : graph.nodes()) {
    const bool layer = node->is("LayerNormalization");
    if (!layer && !node->is("RMSNormalization") && node->op_type != "SimplifiedLayerNormalization") continue;
    const int64_t axis = node->attributes.get_int("axis", -1);
    if (axis != -1 && axis != rank_of(node->input(0)) - 1) continue;
    if (node->outputs().size() > 1 && (node->output(1) || node->output(2))) continue;
    const bool plain = !node->input(2) || node->constant_input(2).defined();
    if (plain) add({node->output(), {node, 1}, layer ? Operand{node, 2} : Operand{}, {}, 0, layer});
  }
  for (const Composite& composite : find_composites(graph))
    if (composite.axis == -1 && composite.scale) {
      const Operand bias = composite.bias ? operand_of(composite, composite.bias) : Operand{};
      add({composite.output, operand_of(composite, composite.scale), bias, {}, 0, static_cast<bool>(bias)});
    }
  return all;
}

/// Least and largest of each channel, float64 [C].
struct Channels {
  at::Tensor low, high;
};
Channels both(const Channels& a, const Channels& b) {
  if (!a.low.defined() || !b.low.defined()) return a.low.defined() ? a : b;
  return {at::minimum(a.low, b.low), at::maximum(a.high, b.high)};
}

/// Ranges of the elements of the last axis.
class LastAxisRange final : public Statistic {
 public:
  void observe(const at::Tensor& value, int64_t) override {
    if (value.dim() < 1 || value.numel() == 0) return;
    if (!range_.minimum.defined()) range_ = kernels::make_range(value.size(-1), value.device());
    kernels::observe_range(value.scalar_type() == at::kDouble ? value.to(at::kFloat) : value, value.dim() - 1, range_);
  }
  bool steady() const override { return true; }
  void merge(const Statistic& other) override {
    const auto* from = dynamic_cast<const LastAxisRange*>(&other);
    if (!from) throw Error(ErrorKind::Internal, "ranges of the last axis", "merge: got a statistic of another kind");
    if (!from->range_.minimum.defined()) return;
    if (!range_.minimum.defined()) {
      range_ = {from->range_.minimum.clone(), from->range_.maximum.clone(), from->range_.nonfinite.clone()};
      return;
    }
    const at::Device device = range_.minimum.device();
    range_.minimum = at::minimum(range_.minimum, from->range_.minimum.to(device));
    range_.maximum = at::maximum(range_.maximum, from->range_.maximum.to(device));
  }
  Channels channels() const {
    if (!range_.minimum.defined()) return {};
    return {range_.minimum.cpu().to(at::kDouble), range_.maximum.cpu().to(at::kDouble)};
  }

 private:
  kernels::Range range_;
};

struct Way {
  std::string name;
  double alpha = 0;
  bool shifts = false;
};

/// s of channels that reach so far, before weights that do. What is zero on either side says nothing.
at::Tensor scales(const at::Tensor& reach, const at::Tensor& weights, double alpha) {
  const at::Tensor logarithm = alpha * reach.log() - (1 - alpha) * weights.log();
  const at::Tensor known = at::isfinite(logarithm);
  const double count = known.sum().item<double>();
  if (count == 0) return at::ones_like(reach);
  // A factor of all channels together means nothing: none on average.
  const double mean = at::where(known, logarithm, at::zeros_like(logarithm)).sum().item<double>() / count;
  return at::where(known, (logarithm - mean).exp(), at::ones_like(reach)).clamp(1 / kMostScale, kMostScale);
}

/// A constant that will be replaced.
struct Change {
  Node* node;
  size_t index;
  at::Tensor value;
};

bool smooth(Graph& graph, const Normalized& at_place, const Channels& seen, const Way& way, const Pinned& pinned) {
  if (!seen.low.defined() || seen.low.numel() != at_place.channels || !at::isfinite(seen.low + seen.high).all().item<bool>()) return false;
  const bool shifts = way.shifts && at_place.can_shift;
  const at::Tensor middle = shifts ? (seen.low + seen.high) / 2 : at::zeros_like(seen.low);
  const at::Tensor reach = at::maximum(seen.high - middle, middle - seen.low);
  at::Tensor weights = at::zeros_like(reach);
  for (const Reader& reader : at_place.readers) weights = at::maximum(weights, rows(*reader.node).to(at::kDouble).abs().amax(1));
  const at::Tensor s = scales(reach, weights, way.alpha);
  std::vector<Change> changes;
  const auto change = [&](Operand of, const at::Tensor& value, at::ScalarType type) {
    changes.push_back({of.node, of.index, value.to(type).contiguous()});
    return fits(value, type);
  };
  const at::Tensor scale = at_place.scale.value();
  bool in_range = change(at_place.scale, scale.to(at::kDouble) / s, scale.scalar_type());
  if (at_place.bias && (shifts || at_place.bias.value().defined())) {
    const at::Tensor bias = at_place.bias.value();
    in_range &= change(at_place.bias, ((bias.defined() ? bias.to(at::kDouble) : at::zeros_like(s)) - middle) / s, scale.scalar_type());
  }
  for (const Reader& reader : at_place.readers) {
    const at::Tensor weight = reader.node->constant_input(1), matrix = rows(*reader.node).to(at::kDouble);
    const at::Tensor scaled = matrix * s.unsqueeze(1);
    in_range &= change({reader.node, 1}, transposed(*reader.node) ? scaled.t() : scaled, weight.scalar_type());
    if (!shifts) continue;
    const at::Tensor carried = at::matmul(middle, matrix), bias = reader.bias.value();
    in_range &= change(reader.bias, bias.defined() ? bias.to(at::kDouble) + carried : carried, weight.scalar_type());
  }
  if (!in_range) return false;
  for (Change& one : changes) put_constant(graph, one.node, one.index, one.value, one.node->name + "_smooth", pinned);
  return true;
}

size_t smooth_all(Graph& graph, const std::vector<Channels>& seen, const Way& way) {
  const Pinned pinned(graph);
  const std::vector<Normalized> all = find_normalized(graph, pinned);
  size_t changed = 0;
  for (size_t i = 0; i < all.size(); ++i) changed += smooth(graph, all[i], seen[i], way, pinned);
  return changed;
}

std::string short_number(double value) {
  if (std::isinf(value)) return "more";
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// What comes behind this pass, with one observer and one way to weights' scales: choosing would cost each trial several.
void simplify(QuantizationSetting& setting) {
  if (setting.quantize_activation_setting.calib_algorithm == "auto")
    setting.quantize_activation_setting.calib_algorithm = "minmax-extended";
  if (setting.extra.weight_search == "auto") setting.extra.weight_search = "grid";
  setting.extra.compensate_rounding = false;
  setting.extra.passes.erase("compensate-rounding");
}

class SmoothLayerNorm final : public Pass {
 public:
  const char* name() const override { return "smooth-layer-norm"; }

  size_t run(Graph& graph, PassContext& context) override {
    if (!context.calibration || context.calibration->size() == 0) {
      if (context.record) context.record->decision = "nothing smoothed: there are no samples to see ranges on";
      return 0;
    }
    const auto all = find_normalized(graph, Pinned(graph));
    if (all.empty()) return 0;
    const auto [fitting, held_back] = ranges(graph, all, context);
    const QuantizationSetting& setting = *context.setting;
    Way way{"smoothed", setting.extra.smooth_alpha, false};
    if (setting.extra.choose_equalization_by_data && context.platform) way = choose(graph, all, fitting, context);
    if (way.name.empty()) return 0;
    std::vector<Channels> seen;
    for (size_t i = 0; i < all.size(); ++i) seen.push_back(both(fitting[i], held_back[i]));
    const size_t changed = smooth_all(graph, seen, way);
    // Products without their sums are other ones now.
    if (changed > 0 && way.shifts && context.outputs) context.outputs->means.forget();
    return changed;
  }

 private:
  /// Of either half of the samples.
  static std::pair<std::vector<Channels>, std::vector<Channels>> ranges(const Graph& graph, const std::vector<Normalized>& all,
                                                                        const PassContext& context) {
    Sweep sweep(graph, {}, context, "channel ranges");
    for (const Part& half : {Part::fitting(), Part::held_back()})
      for (const Normalized& one : all) sweep.want<LastAxisRange>(one.output, half);
    sweep.run(context.calibration);
    std::pair<std::vector<Channels>, std::vector<Channels>> result;
    for (size_t i = 0; i < 2 * all.size(); ++i)
      (i < all.size() ? result.first : result.second).push_back(sweep.found<LastAxisRange>(i).channels());
    return result;
  }

  /// Nameless where it is best to leave the network as it came.
  Way choose(const Graph& graph, const std::vector<Normalized>& all, const std::vector<Channels>& seen, const PassContext& context) const {
    const double alpha = context.setting->extra.smooth_alpha;
    std::vector<Way> ways = {{"smoothed", alpha, false}};
    const bool shifts = !context.platform->scheme(SlotRole::Output).symmetric &&
                        std::any_of(all.begin(), all.end(), [](const Normalized& one) { return one.can_shift; });
    if (shifts) ways.push_back({"smoothed about the middle", alpha, true});
    if (alpha != 1) ways.push_back({"channels of one width", 1, shifts});
    Trial trial(graph, context, {Part::fitting().spread(kFewFitSamples), Part::held_back().spread(kJudgeSamples)}, simplify);
    const std::vector<std::string> rest = trial.pipeline(name());
    const auto attempt = [&](const Way* way, const Reference::Course& rival, double share) {
      const auto copy = graph.clone();
      if (way) smooth_all(*copy, seen, *way);
      if (way && way->shifts) trial.set_means({});
      trial.run(*copy, rest);
      return trial.judge(*copy, rival, share);
    };
    const Reference::Course untouched = attempt(nullptr, {}, 1);
    Reference::Course least = untouched;
    std::string said = "as it came " + short_number(untouched.error);
    Way best;
    for (const Way& way : ways) {
      const double share = best.name.empty() ? kClearly : 1;
      const Reference::Course course = attempt(&way, least, share);
      said += ", " + way.name + " " + short_number(course.error);
      if (course.error < share * least.error) best = way, least = course;
    }
    if (context.record) {
      context.record->error_before = untouched.error;
      context.record->error_after = least.error;
      context.record->decision =
          (best.name.empty() ? "as it came" : best.name) + ", by the error at the outputs on samples held back: " + said;
    }
    return best;
  }
};

}  // namespace

std::unique_ptr<Pass> make_smooth_layer_norm() { return std::make_unique<SmoothLayerNorm>(); }

}  // namespace ppq::passes
