#include <ATen/ATen.h>

#include <numeric>

#include "ops/families.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

/// Shape [1, C, 1, …] for a per-channel parameter.
at::Tensor per_channel(const at::Tensor& parameter, int64_t rank) {
  std::vector<int64_t> shape(rank, 1);
  shape[1] = -1;
  return parameter.reshape(shape);
}

double epsilon_of(const OpSpec& spec) { return spec.node.attributes.get_float("epsilon", 1e-5f); }

constexpr int64_t kMostNeighbours = 1 << 20;  ///< of LRN: each channel has one

bool is_half(const at::Tensor& x) { return x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16; }

/// y = (x - mean) / sqrt(var + epsilon) * scale + bias. Opsets below 9 with spatial 0 have statistics for each element of a
/// sample; training mode (its outputs: y, running mean, running variance) uses the batch's statistics.
Kernel make_batch_normalization(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  const bool spatial = spec.opset >= 9 || a.get_int("spatial", 1) != 0;
  const bool training =
      spec.opset >= 14 ? a.get_int("training_mode", 0) != 0 : spec.node.output(1) != nullptr || spec.node.output(3) != nullptr;
  const double epsilon = epsilon_of(spec), momentum = a.get_float("momentum", 0.9f);
  return [=, type = spec.node.op_type](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    if (x.dim() < 2) reject(type, "input: got " + to_string(x.sizes()) + ", expected [N, C, …]");
    const at::ScalarType compute = is_half(x) ? at::kFloat : x.scalar_type();
    const at::Tensor scale = in[1].to(compute), bias = in[2].to(compute), mean = in[3].to(compute), var = in[4].to(compute);
    if (!training && spatial) {
      out[0] = at::batch_norm(x.to(compute), scale, bias, mean, var, false, 0, epsilon, true).to(x.scalar_type());
      return;
    }
    std::vector<int64_t> axes{0};
    if (spatial)
      for (int64_t i = 2; i < x.dim(); ++i) axes.push_back(i);
    auto shaped = [&](const at::Tensor& t) { return spatial ? per_channel(t, x.dim()) : t.unsqueeze(0); };
    const at::Tensor value = x.to(compute);
    const at::Tensor used_mean = training ? value.mean(axes) : mean, used_var = training ? value.var(axes, false) : var;
    out[0] = ((value - shaped(used_mean)) / (shaped(used_var) + epsilon).sqrt() * shaped(scale) + shaped(bias)).to(x.scalar_type());
    if (!training) return;
    set_output(out, 1, (mean * momentum + used_mean * (1 - momentum)).to(in[3].scalar_type()));
    set_output(out, 2, (var * momentum + used_var * (1 - momentum)).to(in[4].scalar_type()));
    set_output(out, 3, used_mean);
    set_output(out, 4, used_var);
  };
}

Kernel make_instance_normalization(const OpSpec& spec) {
  return
      [epsilon = epsilon_of(spec)](Inputs in, Outputs out) { out[0] = at::group_norm(in[0], in[0].size(1), in[1], in[2], epsilon, false); };
}

/// Opset 18 has scale and bias for each group, opset 21 for each channel.
Kernel make_group_normalization(const OpSpec& spec) {
  const int64_t groups = spec.node.attributes.get_int("num_groups", 0);
  if (groups < 1) fail(spec.node, "num_groups: got " + std::to_string(groups) + ", expected at least 1");
  return [groups, epsilon = epsilon_of(spec), per_group = spec.opset < 21](Inputs in, Outputs out) {
    if (in[0].dim() < 2 || in[0].size(1) % groups != 0)
      reject("GroupNormalization",
             "num_groups: got " + std::to_string(groups) + ", expected a divisor of the channels of " + to_string(in[0].sizes()));
    const int64_t repeats = per_group ? in[0].size(1) / groups : 1;
    auto channels = [&](const at::Tensor& t) { return repeats == 1 ? t : t.repeat_interleave(repeats); };
    out[0] = at::group_norm(in[0], groups, channels(in[1]), channels(in[2]), epsilon, false);
  };
}

/// Outputs: y, and with trailing dimensions of 1 the mean and the inverse standard deviation. Statistics are computed in
/// float32 for 16-bit inputs (stash_type 1).
Kernel make_layer_normalization(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  const bool stash_float = a.get_int("stash_type", 1) == 1;
  return [axis = a.get_int("axis", -1), epsilon = epsilon_of(spec), stash_float](Inputs in, Outputs out) {
    const at::Tensor &x = in[0], &scale = in[1], bias = input_or_none(in, 2);
    const at::IntArrayRef normalized = x.sizes().slice(normalize_axis(axis, x.dim()));
    const bool widen = stash_float && is_half(x);
    const bool fused = !widen && scale.sizes() == normalized && (!bias.defined() || bias.sizes() == normalized);
    auto [y, mean, inverse] =
        at::native_layer_norm(widen ? x.to(at::kFloat) : x, normalized, fused ? scale : at::Tensor(), fused ? bias : at::Tensor(), epsilon);
    if (!fused) {
      y = y.to(x.scalar_type()) * scale;
      if (bias.defined()) y = y + bias;
    }
    out[0] = y;
    set_output(out, 1, mean);
    set_output(out, 2, inverse);
  };
}

/// y = x / sqrt(mean(x²) + epsilon) * scale over the dimensions from `axis` on.
Kernel make_rms_normalization(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  const bool stash_float = a.get_int("stash_type", 1) == 1;
  return [axis = a.get_int("axis", -1), epsilon = epsilon_of(spec), stash_float](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const at::Tensor value = stash_float && is_half(x) ? x.to(at::kFloat) : x;
    std::vector<int64_t> axes(x.dim() - normalize_axis(axis, x.dim()));
    std::iota(axes.begin(), axes.end(), normalize_axis(axis, x.dim()));
    const at::Tensor inverse = (value.square().mean(axes, true) + epsilon).rsqrt();
    out[0] = (value * inverse).to(x.scalar_type()) * in[1];
    set_output(out, 1, inverse);  // of SimplifiedLayerNormalization
  };
}

/// x / ‖x‖ along one axis; 0 where the norm is 0.
Kernel make_lp_normalization(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  const int64_t p = a.get_int("p", 2);
  if (p != 1 && p != 2) fail(spec.node, "p: got " + std::to_string(p) + ", expected 1 or 2");
  return [axis = a.get_int("axis", -1), p](Inputs in, Outputs out) {
    const at::Tensor norm = at::norm(in[0], p, {axis}, true);
    out[0] = in[0] / norm.masked_fill(norm == 0, 1);
  };
}

Kernel make_mean_variance_normalization(const OpSpec& spec) {
  return [axes = spec.node.attributes.get_ints("axes", {0, 2, 3})](Inputs in, Outputs out) {
    const at::Tensor centered = in[0] - in[0].mean(axes, true);
    out[0] = centered / (centered.square().mean(axes, true).sqrt() + 1e-9);
  };
}

/// Across channels: x / (bias + alpha / size * Σ x²)^beta over `size` neighbours, one more after than before when even.
Kernel make_lrn(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  const int64_t size = a.get_int("size", 0);
  if (size < 1 || size > kMostNeighbours)
    fail(spec.node, "size: got " + std::to_string(size) + ", expected 1 to " + std::to_string(kMostNeighbours));
  return [size, alpha = double{a.get_float("alpha", 1e-4f)}, beta = double{a.get_float("beta", 0.75f)},
          bias = double{a.get_float("bias", 1.0f)}](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    if (x.dim() < 2) reject("LRN", "input: got " + to_string(x.sizes()) + ", expected [N, C, …]");
    std::vector<int64_t> pads(2 * (x.dim() - 1), 0);
    pads[pads.size() - 2] = (size - 1) / 2;
    pads[pads.size() - 1] = size / 2;
    const at::Tensor sums = at::constant_pad_nd(x.square(), pads, 0).unfold(1, size, 1).sum(-1);
    out[0] = x / (sums * (alpha / static_cast<double>(size)) + bias).pow(beta);
  };
}

}  // namespace

Rows normalization() {
  using enum OpKind;
  return {
      {"BatchNormalization", 6, make_batch_normalization, {Computation, "df", "df"}},
      {"InstanceNormalization", 6, make_instance_normalization, {Computation, "df", "d"}},
      // Of opset 17; onnxruntime's exporters write it into models of older opsets too.
      {"LayerNormalization", 1, make_layer_normalization, {Computation, "df", "df"}},
      {"GroupNormalization", 18, make_group_normalization, {Computation, "df", "d"}},
      {"RMSNormalization", 23, make_rms_normalization, {Computation, "df", "d"}},
      {"LpNormalization", 1, make_lp_normalization, {Computation, "d", "d"}},
      {"MeanVarianceNormalization", 9, make_mean_variance_normalization, {Computation, "d", "d"}},
      {"LRN", 1, make_lrn, {Computation, "d", "d"}},
      {"LayerNormalization", 1, make_layer_normalization, {Computation, "df", "df"}, "com.microsoft"},
      {"SimplifiedLayerNormalization", 1, make_rms_normalization, {Computation, "df", "df"}},
      {"SimplifiedLayerNormalization", 1, make_rms_normalization, {Computation, "df", "df"}, "com.microsoft"},
  };
}

}  // namespace ppq::ops
