#include "ops/recurrent.h"

#include <ATen/ATen.h>

#include "ops/families.h"

namespace ppq::ops {
namespace {

/// h' = f(x + h·Rᵀ)
State rnn_cell(const Direction& d, const at::Tensor& gates, const State& before) {
  return {d.activations[0](d.attributes.clipped(at::addmm(gates, before.h, d.recurrent.t()))), {}};
}

/// Gates in ONNX's order: update z, reset r, hidden h. h' = (1 - z) * candidate + z * h.
State gru_cell(const Direction& d, const at::Tensor& gates, const State& before) {
  const RecurrentAttributes& a = d.attributes;
  const int64_t n = d.hidden;
  const at::Tensor &h = before.h, &r = d.recurrent, &bias = d.recurrent_bias;
  if (a.linear_before_reset) {  // the recurrent biases stay apart: the candidate's is scaled by the reset gate
    const at::Tensor products = bias.defined() ? at::addmm(bias, h, r.t()) : at::mm(h, r.t());
    const at::Tensor zr = d.activations[0](a.clipped(gates.narrow(1, 0, 2 * n) + products.narrow(1, 0, 2 * n)));
    const at::Tensor z = zr.narrow(1, 0, n), reset = zr.narrow(1, n, n);
    const at::Tensor candidate = d.activations[1](a.clipped(gates.narrow(1, 2 * n, n) + reset * products.narrow(1, 2 * n, n)));
    return {candidate + z * (h - candidate), {}};
  }
  const at::Tensor zr = d.activations[0](a.clipped(at::addmm(gates.narrow(1, 0, 2 * n), h, r.narrow(0, 0, 2 * n).t())));
  const at::Tensor z = zr.narrow(1, 0, n), reset = zr.narrow(1, n, n);
  const at::Tensor candidate = d.activations[1](a.clipped(at::addmm(gates.narrow(1, 2 * n, n), reset * h, r.narrow(0, 2 * n, n).t())));
  return {candidate + z * (h - candidate), {}};
}

/// Gates in ONNX's order: input i, output o, forget f, cell c; peepholes i, o, f.
State lstm_cell(const Direction& d, const at::Tensor& gates, const State& before) {
  const RecurrentAttributes& a = d.attributes;
  const int64_t n = d.hidden;
  const at::Tensor sums = at::addmm(gates, before.h, d.recurrent.t());
  auto gate = [&](int64_t i, int64_t peephole, const at::Tensor& cell) {
    at::Tensor value = sums.narrow(1, i * n, n);
    if (peephole >= 0 && d.peepholes.defined()) value = value + d.peepholes.narrow(0, peephole * n, n) * cell;
    return a.clipped(value);
  };
  const at::Tensor input = d.activations[0](gate(0, 0, before.c));
  const at::Tensor forget = a.input_forget ? 1 - input : d.activations[0](gate(2, 2, before.c));
  const at::Tensor candidate = d.activations[1](gate(3, -1, {}));
  const at::Tensor cell = forget * before.c + input * candidate;
  const at::Tensor output = d.activations[0](gate(1, 1, cell));
  return {output * d.activations[2](cell), cell};
}

Kernel make_rnn(const OpSpec& spec) {
  return [a = RecurrentAttributes(spec, {"Tanh"})](Inputs in, Outputs out) { run_recurrent(a, rnn_cell, 1, false, in, out); };
}

Kernel make_gru(const OpSpec& spec) {
  return [a = RecurrentAttributes(spec, {"Sigmoid", "Tanh"})](Inputs in, Outputs out) { run_recurrent(a, gru_cell, 3, false, in, out); };
}

Kernel make_lstm(const OpSpec& spec) {
  return [a = RecurrentAttributes(spec, {"Sigmoid", "Tanh", "Tanh"})](Inputs in, Outputs out) {
    run_recurrent(a, lstm_cell, 4, true, in, out);
  };
}

}  // namespace

Rows recurrent() {
  const OpFacts facts{OpKind::Computation, "ddddsd", "d"};
  return {{"RNN", 1, make_rnn, facts}, {"GRU", 1, make_gru, facts}, {"LSTM", 1, make_lstm, facts}};
}

}  // namespace ppq::ops
