#include <ATen/ATen.h>

#include "ops/families.h"

namespace ppq::ops {
namespace {

enum class Reduction { None, Mean, Sum };

struct LossOptions {
  Reduction reduction;
  std::optional<int64_t> ignored;
};

LossOptions options_of(const OpSpec& spec) {
  LossOptions options{};
  const std::string name = spec.node.attributes.get_string("reduction", "mean");
  if (name == "none")
    options.reduction = Reduction::None;
  else if (name == "mean")
    options.reduction = Reduction::Mean;
  else if (name == "sum")
    options.reduction = Reduction::Sum;
  else
    fail(spec.node, "reduction: got '" + name + "', expected none, mean or sum");
  if (spec.node.attributes.has("ignore_index")) options.ignored = spec.node.attributes.get_int("ignore_index", 0);
  return options;
}

/// -weight[target] × log_prob[target] of [N, C, d1, …] and targets [N, d1, …]; the mean is weighted.
at::Tensor likelihood_loss(const at::Tensor& log_prob, const at::Tensor& labels, const at::Tensor& weight, const LossOptions& options) {
  std::vector<int64_t> places = log_prob.sizes().vec();
  TORCH_CHECK(places.size() >= 2, "input: got ", to_string(log_prob.sizes()), ", expected [N, C, ...]");
  places.erase(places.begin() + 1);
  TORCH_CHECK(labels.sizes() == at::IntArrayRef(places), "target: got shape ", to_string(labels.sizes()), ", expected ", to_string(places));
  const at::Tensor target = on_device_of(labels.to(at::kLong), log_prob);
  const at::Tensor kept = options.ignored ? target.ne(*options.ignored) : at::ones_like(target, at::kBool);
  const at::Tensor index = at::where(kept, target, at::zeros_like(target));
  at::Tensor weights = kept.to(log_prob.scalar_type());
  if (weight.defined()) weights = weights * on_device_of(weight, log_prob).index_select(0, index.reshape(-1)).reshape(index.sizes());
  const at::Tensor loss = -log_prob.gather(1, index.unsqueeze(1)).squeeze(1);
  // A likelihood of 0 at an ignored place must not make a NaN of the product.
  const at::Tensor weighted = at::where(kept, loss * weights, at::zeros_like(loss));
  if (options.reduction == Reduction::None) return weighted;
  return options.reduction == Reduction::Sum ? weighted.sum() : weighted.sum() / weights.sum();
}

Kernel negative_log_likelihood(const OpSpec& spec) {
  return [options = options_of(spec)](Inputs in, Outputs out) {
    out[0] = likelihood_loss(in[0], in[1], in.size() > 2 ? in[2] : at::Tensor(), options);
  };
}

Kernel softmax_cross_entropy(const OpSpec& spec) {
  return [options = options_of(spec)](Inputs in, Outputs out) {
    const at::Tensor log_prob = at::log_softmax(in[0], 1);
    out[0] = likelihood_loss(log_prob, in[1], in.size() > 2 ? in[2] : at::Tensor(), options);
    if (out.size() > 1) out[1] = log_prob;
  };
}

}  // namespace

Rows loss() {
  using enum OpKind;
  return {
      {"NegativeLogLikelihoodLoss", 12, negative_log_likelihood, {Computation, "dff", "d"}},
      {"SoftmaxCrossEntropyLoss", 12, softmax_cross_entropy, {Computation, "dff", "d"}},
  };
}

}  // namespace ppq::ops
