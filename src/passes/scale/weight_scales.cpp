#include "passes/scale/weight_scales.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "calibration/batching.h"
#include "calibration/sweep.h"
#include "executor/at_once.h"
#include "graph/readers.h"
#include "observers/observer.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq::passes {
namespace {

constexpr double kShares[] = {0.97, 0.94, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4};
constexpr size_t kMostSamples = 16;
constexpr size_t kBatchBytes = size_t{64} << 20;  ///< activations of one batch
constexpr double kPlaces = 64;                    ///< of an output read a sample, about
constexpr int64_t kEnoughPlaces = 784;            ///< of all samples

/// Of all weights together: searching ranges takes all threads.
std::vector<QuantParams> params_by(const char* method, const std::vector<Slot>& slots) {
  std::vector<std::unique_ptr<Observer>> observers;
  std::vector<const Observer*> all;
  for (const Slot& slot : slots) {
    observers.push_back(make_observer(method, slot.quant()->scheme, slot.value()->name()));
    observers.back()->observe(slot.value()->constant(), 1);
    all.push_back(observers.back().get());
  }
  return finish_all(all);
}

/// Of a weight, or of each of its channels: what is left when magnitudes above a share of the largest are cut off.
struct Range {
  at::Tensor least, most, largest;
  Range(const at::Tensor& weight, const QuantScheme& scheme) {
    const at::Tensor rows =
        scheme.granularity == Granularity::PerChannel ? weight.transpose(0, scheme.axis).flatten(1) : weight.reshape({1, -1});
    least = rows.amin(1).to(at::kDouble).clamp_max(0), most = rows.amax(1).to(at::kDouble).clamp_min(0);
    if (scheme.granularity == Granularity::PerTensor) least = least.reshape({}), most = most.reshape({});
    largest = at::maximum(-least, most);
  }
  at::Tensor low(double share) const { return at::maximum(least, -share * largest); }
  at::Tensor high(double share) const { return at::minimum(most, share * largest); }
};

/// Of each channel the candidate with the least error; a later one must be better than those before it.
QuantParams least(const std::vector<QuantParams>& candidates, const at::Tensor& errors) {
  QuantParams best = candidates[0];
  at::Tensor error = errors[0].reshape(best.scale.sizes());
  for (size_t c = 1; c < candidates.size(); ++c) {
    const at::Tensor other = errors[static_cast<int64_t>(c)].reshape(best.scale.sizes()), better = other < error;
    error = at::where(better, other, error);
    best = {at::where(better, candidates[c].scale, best.scale), at::where(better, candidates[c].offset, best.offset)};
  }
  return best;
}

/// The activation that alone reads a layer's output; null where there is none, or where what is added in front of it is left out.
const Node* activation_of(const Node& layer, const Pinned& pinned) {
  if (layer.input(2) && !takes_bias(layer)) return nullptr;
  const Node* next = only_reader(layer.output(), pinned);
  if (!next || !is_activation(*next) || next->input(0) != layer.output() || next->outputs().size() != 1) return nullptr;
  for (size_t i = 1; i < next->inputs().size(); ++i)
    if (next->input(i) && !next->constant_input(i).defined()) return nullptr;
  // A slope of its own at each place does not fit an output that is read at some places only.
  const at::Tensor slope = next->is("PRelu") ? next->constant_input(1) : at::Tensor();
  if (slope.defined() && slope.dim() > 1 && slope.numel() != slope.size(0)) return nullptr;
  return next;
}

/// A program of one node: constants as they are (but what a Gemm adds that is no bias: not all rows of it are read), other inputs
/// in order.
std::shared_ptr<const Program> alone(const Node& node, const std::vector<size_t>& inputs, const Graph& graph, at::Device device,
                                     const Attributes& attributes) {
  Graph one;
  one.opsets = graph.opsets;
  std::vector<Value*> values;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const bool given = std::find(inputs.begin(), inputs.end(), i) != inputs.end();
    const bool operand = is_computing(node) && i == 2 && !is_bias(node, i);
    const at::Tensor constant = given || operand ? at::Tensor() : node.constant_input(i);
    values.push_back(given                ? one.add_value("x" + std::to_string(i))
                     : constant.defined() ? one.add_constant("x" + std::to_string(i), constant)
                                          : nullptr);
    if (given) one.add_input(values.back());
  }
  Value* y = one.add_value("y");
  one.add_output(y);
  Node* twin = one.add_node(node.op_type, node.name, values, {y});
  twin->domain = node.domain;
  twin->attributes = attributes;
  LowerOptions options;
  options.device = device;
  return lower(one, options);
}

/// One layer: its outputs, behind the activation, with rounded weights against those with float ones.
class LayerErrors final : public Statistic {
 public:
  LayerErrors(const Graph& graph, const Pinned& pinned, const Slot& slot, std::vector<QuantParams> candidates, bool mean_is_free)
      : graph_(graph),
        pinned_(pinned),
        node_(slot.node),
        quant_(slot.quant()),
        mean_is_free_(mean_is_free && takes_bias(*node_)),
        weight_(node_->constant_input(1)),
        candidates_(std::move(candidates)) {}

  const TensorQuant* quant() const { return quant_.get(); }
  const std::vector<QuantParams>& candidates() const { return candidates_; }
  bool seen() const { return count_ > 0; }

  void observe(const at::Tensor& x, int64_t) override {
    if (x.numel() == 0 || count_ >= kEnoughPlaces) return;
    if (!layer_) prepare(x);
    const at::Tensor rows = is_product() ? rows_of(x) : x;
    const at::Tensor exact = ppq::run(*layer_, {rows, weight_.to(x.device())})[0], wanted = activated(exact);
    axis_ = is_product() ? exact.dim() - 1 : 1;
    const int64_t channels = exact.size(axis_);
    others_.clear();
    for (int64_t i = 0; i < exact.dim(); ++i)
      if (i != axis_) others_.push_back(i);
    if (!squares_.defined())
      squares_ = at::zeros({static_cast<int64_t>(candidates_.size()), channels}, exact.options().dtype(at::kDouble)),
      sums_ = at::zeros_like(squares_);
    count_ += exact.numel() / channels;
    const auto add = [&](size_t candidate) {
      const auto c = static_cast<int64_t>(candidate);
      const at::Tensor weight = fake_quantize(weight_, quant_->scheme, candidates_[candidate]);
      at::Tensor rounded = ppq::run(*layer_, {rows, weight.to(x.device())})[0];
      if (mean_is_free_) {
        sums_[c] += (rounded - exact).sum(others_).to(at::kDouble);
        rounded = rounded - along_channels(sums_[c] / static_cast<double>(count_), rounded);
      }
      squares_[c] += at::linalg_vector_norm(activated(rounded) - wanted, 2, others_).to(at::kDouble).square();
    };
    for_each_at_once(x.device(), candidates_.size(), add);
  }

  void merge(const Statistic&) override { throw Error(ErrorKind::Internal, "scales of weights", "run on one device only"); }

  /// Error of each candidate: float64 [candidates, channels of the scale].
  at::Tensor errors() const {
    // ConvTranspose: scales of one group serve every group.
    return squares_.reshape({squares_.size(0), -1, candidates_[0].scale.numel()}).sum(1).cpu();
  }

 private:
  bool is_product() const { return is_matrix_product(*node_); }

  void prepare(const at::Tensor& x) {
    Attributes attributes = node_->attributes;
    layer_ = alone(*node_, {0, 1}, graph_, x.device(), attributes);
    if (const Node* next = activation_of(*node_, pinned_)) activation_ = alone(*next, {0}, graph_, x.device(), next->attributes);
    if (is_product() || node_->is("ConvTranspose") || attributes.get_string("auto_pad", "NOTSET") != "NOTSET") return;
    const at::Tensor y = ppq::run(*layer_, {x.slice(0, 0, 1), weight_.to(x.device())})[0];
    const double places = static_cast<double>(y.numel()) / static_cast<double>(y.size(0) * y.size(1));
    const auto step = static_cast<int64_t>(std::round(std::pow(places / kPlaces, 1.0 / static_cast<double>(y.dim() - 2))));
    if (step < 2) return;
    // Every step-th place along each axis of space.
    std::vector<int64_t> strides = attributes.get_ints("strides");
    if (strides.empty()) strides.assign(static_cast<size_t>(y.dim() - 2), 1);
    for (int64_t& stride : strides) stride *= step;
    attributes.set("strides", strides);
    layer_ = alone(*node_, {0, 1}, graph_, x.device(), attributes);
  }

  at::Tensor rows_of(const at::Tensor& x) const {
    const at::Tensor rows = x.reshape({-1, x.size(-1)});
    const int64_t step = std::max<int64_t>(1, rows.size(0) / (static_cast<int64_t>(kPlaces) * x.size(0)));
    return rows.slice(0, 0, rows.size(0), step);
  }

  at::Tensor activated(const at::Tensor& x) const { return activation_ ? ppq::run(*activation_, {x})[0] : x; }

  at::Tensor along_channels(const at::Tensor& channels, const at::Tensor& like) const {
    std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
    shape[static_cast<size_t>(axis_)] = -1;
    return channels.reshape(shape).to(like.scalar_type());
  }

  const Graph& graph_;
  const Pinned& pinned_;
  Node* node_;
  TensorQuantPtr quant_;
  bool mean_is_free_;
  at::Tensor weight_;
  std::vector<QuantParams> candidates_;
  std::shared_ptr<const Program> layer_, activation_;
  at::Tensor squares_, sums_;     ///< of the error behind and in front of the activation, float64 [candidates, output channels]
  int64_t axis_ = 1, count_ = 0;  ///< of channels; places of a channel
  std::vector<int64_t> others_;
};

}  // namespace

bool has_searchable_scale(const Slot& slot) {
  const Node& node = *slot.node;
  if (slot.output || slot.index != 1 || !is_computing(node) || node.input(0)->is_constant()) return false;
  const at::Tensor weight = node.constant_input(1);
  const QuantScheme& scheme = slot.quant()->scheme;
  if (!weight.defined() || weight.scalar_type() != at::kFloat || weight.numel() == 0) return false;
  if (scheme.format != NumberFormat::Linear || scheme.granularity == Granularity::PerBlock || scheme.dynamic) return false;
  if (node.is("Gemm")) return node.attributes.get_int("transA", 0) == 0;
  return node.is("MatMul") ? weight.dim() == 2 : weight.dim() >= 3;
}

std::optional<QuantParams> own_grid(const at::Tensor& weight, const QuantScheme& scheme) {
  constexpr int64_t kLooked = 4096, kTimes = 4;
  constexpr double kExactly = 0.01;  ///< steps
  const int64_t integers = int64_t{1} << scheme.bits;
  if (scheme.granularity != Granularity::PerTensor || scheme.format != NumberFormat::Linear || scheme.bits > 8 || scheme.power_of_two ||
      weight.scalar_type() != at::kFloat || weight.numel() < kTimes * integers)
    return std::nullopt;
  // A few weights tell most networks apart: they are no two alike.
  const at::Tensor flat = weight.cpu().reshape({-1}) + 0.0,  // no -0 beside 0
      few = flat.slice(0, 0, flat.numel(), std::max<int64_t>(1, flat.numel() / kLooked));
  if (std::get<0>(at::_unique(few)).numel() > kTimes * integers) return std::nullopt;
  const at::Tensor values = std::get<0>(at::_unique(flat)).to(at::kDouble);
  if (values.numel() > kTimes * integers || values.numel() < 3) return std::nullopt;  // floats of one integer may differ in the last bit
  const double low = values[0].item<double>(), high = values[-1].item<double>();
  // Neighbours on the grid are one step apart somewhere, the rest is a whole number of steps.
  const at::Tensor gaps = values.diff(), apart = gaps.masked_select(gaps > (high - low) / static_cast<double>(2 * integers));
  if (apart.numel() == 0) return std::nullopt;  // a finer grid
  const double steps = std::round((high - low) / apart.min().item<double>());
  if (!(steps < static_cast<double>(integers))) return std::nullopt;
  const double scale = (high - low) / steps;
  if (scale < scheme.min_scale || high - low < scheme.min_range) return std::nullopt;  // the target would widen it
  const at::Tensor places = values / scale;
  if ((places - places.round()).abs().max().item<double>() > kExactly) return std::nullopt;
  const double offset = scheme.symmetric ? 0 : scheme.quant_min + std::max(0.0, -std::round(low / scale));
  if (std::round(low / scale) + offset < scheme.quant_min || std::round(high / scale) + offset > scheme.quant_max ||
      offset > scheme.quant_max)
    return std::nullopt;
  return QuantParams{at::scalar_tensor(scale, at::kFloat), at::scalar_tensor(offset, at::kFloat)};
}

std::vector<std::vector<QuantParams>> candidate_scales(const std::vector<Slot>& slots) {
  const std::vector<QuantParams> extremes = params_by("minmax", slots), by_weight = params_by("mse", slots);
  std::vector<std::vector<QuantParams>> result;
  for (size_t i = 0; i < slots.size(); ++i) {
    const at::Tensor weight = slots[i].value()->constant();
    const QuantScheme& scheme = slots[i].quant()->scheme;
    const Range range(weight, scheme);
    auto& candidates = result.emplace_back(1, extremes[i]);
    for (const double share : kShares) candidates.push_back(params_from_range(range.low(share), range.high(share), scheme));
    candidates.push_back(by_weight[i]);
    if (auto grid = own_grid(weight, scheme)) candidates.push_back(std::move(*grid));
  }
  return result;
}

std::unordered_map<const TensorQuant*, QuantParams> scales_by_output(const Graph& graph, const std::vector<Slot>& slots,
                                                                     const PassContext& context, bool mean_is_free) {
  std::unordered_map<const TensorQuant*, QuantParams> result;
  if (slots.empty()) return result;
  RunContext in_order = context;
  // Each batch rounds every weight by every candidate, and means are taken off as of the batches so far.
  in_order.batch_size =
      context.largest_batch > 1 ? std::min(context.largest_batch, samples_at_once(context.sample_bytes, kBatchBytes, kMostSamples)) : 1;
  const Pinned pinned(graph);
  Sweep sweep(graph, {}, in_order, "scales of weights");
  sweep.keep_order();  // means are taken off as of the samples so far
  auto candidates = candidate_scales(slots);
  for (size_t i = 0; i < slots.size(); ++i)
    sweep.want(slots[i].node->input(0), [&graph, &pinned, &slots, &candidates, mean_is_free, i] {
      Gathering one;
      one.statistics.push_back(std::make_unique<LayerErrors>(graph, pinned, slots[i], std::move(candidates[i]), mean_is_free));
      one.shown.push_back(one.statistics.back().get());
      return one;
    });
  sweep.run(part_of(context.calibration, Part::all().spread(kMostSamples)));
  std::vector<const LayerErrors*> layers;
  for (size_t i = 0; i < slots.size(); ++i) layers.push_back(&sweep.found<LayerErrors>(i));
  // Readers of one constant share its scale: their errors count together.
  std::unordered_map<const TensorQuant*, at::Tensor> errors;
  for (const LayerErrors* layer : layers)
    if (layer->seen()) errors[layer->quant()] = errors.count(layer->quant()) ? errors[layer->quant()] + layer->errors() : layer->errors();
  for (const LayerErrors* layer : layers)
    if (layer->seen() && !result.count(layer->quant())) result[layer->quant()] = least(layer->candidates(), errors.at(layer->quant()));
  return result;
}

}  // namespace ppq::passes
