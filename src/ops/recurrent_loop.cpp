#include <ATen/ATen.h>

#include "ops/recurrent.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

RecurrentAttributes::Direction parse_direction(const Node& node) {
  const std::string name = node.attributes.get_string("direction", "forward");
  if (name == "forward") return RecurrentAttributes::Direction::Forward;
  if (name == "reverse") return RecurrentAttributes::Direction::Reverse;
  if (name == "bidirectional") return RecurrentAttributes::Direction::Bidirectional;
  fail(node, "direction: got " + name + ", expected forward, reverse or bidirectional");
}

/// Alphas and betas are given in order for those activations that take them.
bool takes_alpha(const std::string& name) {
  return name == "Affine" || name == "LeakyRelu" || name == "ThresholdedRelu" || name == "ScaledTanh" || name == "HardSigmoid" ||
         name == "Elu";
}
bool takes_beta(const std::string& name) { return name == "Affine" || name == "ScaledTanh" || name == "HardSigmoid"; }

std::vector<std::vector<Activation>> parse_activations(const Node& node, size_t directions, const std::vector<std::string>& defaults) {
  const AttrValue* given = node.attributes.find("activations");
  std::vector<std::string> names;
  if (given && std::holds_alternative<std::vector<std::string>>(*given)) names = std::get<std::vector<std::string>>(*given);
  if (names.empty())
    for (size_t d = 0; d < directions; ++d) names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() != directions * defaults.size())
    fail(node, "activations: got " + std::to_string(names.size()) + " names, expected " + std::to_string(directions * defaults.size()));
  const std::vector<float> alphas = node.attributes.get_floats("activation_alpha"), betas = node.attributes.get_floats("activation_beta");
  size_t next_alpha = 0, next_beta = 0;
  std::vector<std::vector<Activation>> result(directions);
  for (size_t i = 0; i < names.size(); ++i) {
    std::optional<double> alpha, beta;
    if (takes_alpha(names[i]) && next_alpha < alphas.size()) alpha = alphas[next_alpha++];
    if (takes_beta(names[i]) && next_beta < betas.size()) beta = betas[next_beta++];
    Activation activation = named_activation(names[i], alpha, beta);
    if (!activation)
      fail(node,
           "activations: got " + names[i] +
               ", expected Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign or Softplus");
    result[i / defaults.size()].push_back(std::move(activation));
  }
  return result;
}

struct Sequence {
  at::Tensor outputs;  ///< [T, B, H]
  State last;
};

/// `inputs` [T, B, gates * H]; `lengths` [B] or undefined. A reversed sequence starts at its own last element, because
/// earlier steps of the reversed walk are masked out and leave the initial state alone.
Sequence walk(const Direction& direction, Cell cell, const at::Tensor& inputs, State state, const at::Tensor& lengths, bool reverse) {
  const int64_t steps = inputs.size(0);
  std::vector<at::Tensor> outputs(steps);
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = reverse ? steps - 1 - i : i;
    State next = cell(direction, inputs.select(0, t), state);
    if (lengths.defined()) {
      const at::Tensor alive = (lengths > t).unsqueeze(1);
      outputs[t] = at::where(alive, next.h, at::zeros_like(next.h));
      next.h = at::where(alive, next.h, state.h);
      if (next.c.defined()) next.c = at::where(alive, next.c, state.c);
    } else {
      outputs[t] = next.h;
    }
    state = next;
  }
  if (steps == 0) return {inputs.new_empty({0, inputs.size(1), direction.hidden}), state};
  return {at::stack(outputs, 0), state};
}

}  // namespace

RecurrentAttributes::RecurrentAttributes(const OpSpec& spec, const std::vector<std::string>& default_activations)
    : type(spec.node.op_type), direction(parse_direction(spec.node)) {
  const Attributes& a = spec.node.attributes;
  hidden_size = a.get_int("hidden_size", 0);
  batch_first = a.get_int("layout", 0) != 0;
  input_forget = a.get_int("input_forget", 0) != 0;
  linear_before_reset = a.get_int("linear_before_reset", 0) != 0;
  if (a.has("clip")) clip = a.get_float("clip", 0);
  activations = parse_activations(spec.node, static_cast<size_t>(directions()), default_activations);
}

void run_recurrent(const RecurrentAttributes& a, Cell cell, int64_t gates, bool with_cell, Inputs in, Outputs out) {
  const at::Tensor x = a.batch_first ? in[0].transpose(0, 1) : in[0];
  const at::Tensor &weights = in[1], &recurrent = in[2];
  const at::Tensor bias = input_or_none(in, 3), h0 = input_or_none(in, 5), c0 = input_or_none(in, 6), peepholes = input_or_none(in, 7);
  at::Tensor lengths = on_device_of(input_or_none(in, 4), x);
  const int64_t hidden = recurrent.size(-1), batch = x.size(1);
  if (x.dim() != 3 || weights.dim() != 3 || weights.size(0) != a.directions() || recurrent.size(1) != gates * hidden)
    reject(a.type, "weights: got X " + to_string(in[0].sizes()) + ", W " + to_string(weights.sizes()) + ", R " +
                       to_string(recurrent.sizes()) + ", expected R [" + std::to_string(a.directions()) + ", " + std::to_string(gates) +
                       " * hidden_size, hidden_size]");
  if (a.hidden_size != 0 && a.hidden_size != hidden)
    reject(a.type, "hidden_size: got " + std::to_string(a.hidden_size) + ", expected the weights' " + std::to_string(hidden));

  auto initial = [&](const at::Tensor& state, int64_t d) {
    if (!state.defined()) return at::zeros({batch, hidden}, x.options());
    return a.batch_first ? state.select(1, d) : state.select(0, d);
  };
  std::vector<at::Tensor> outputs, last_h, last_c;
  for (int64_t d = 0; d < a.directions(); ++d) {
    Direction direction{a, a.activations[d], recurrent[d], {}, peepholes.defined() ? peepholes[d] : at::Tensor(), hidden};
    at::Tensor input_bias;
    if (bias.defined()) {
      input_bias = bias[d].narrow(0, 0, gates * hidden);
      direction.recurrent_bias = bias[d].narrow(0, gates * hidden, gates * hidden);
      if (!a.linear_before_reset) input_bias = input_bias + direction.recurrent_bias;
    }
    const at::Tensor inputs = at::linear(x, weights[d], input_bias);
    State state{initial(h0, d), with_cell ? initial(c0, d) : at::Tensor()};
    const Sequence s = walk(direction, cell, inputs, state, lengths, a.is_reverse(d));
    outputs.push_back(s.outputs);
    last_h.push_back(s.last.h);
    last_c.push_back(s.last.c);
  }
  const int64_t state_axis = a.batch_first ? 1 : 0;
  const at::Tensor y = at::stack(outputs, 1);  // [T, D, B, H]
  out[0] = a.batch_first ? y.permute({2, 0, 1, 3}) : y;
  set_output(out, 1, at::stack(last_h, state_axis));
  if (with_cell) set_output(out, 2, at::stack(last_c, state_axis));
}

}  // namespace ppq::ops
