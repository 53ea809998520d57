#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "ops/named_activation.h"
#include "ops/op.h"

namespace ppq::ops {

/// The attributes that RNN, GRU and LSTM share.
struct RecurrentAttributes {
  enum class Direction { Forward, Reverse, Bidirectional };

  std::string type;
  Direction direction = Direction::Forward;
  int64_t hidden_size = 0;           ///< 0: taken from R
  bool batch_first = false;          ///< layout 1
  std::optional<double> clip;        ///< of the pre-activations
  bool input_forget = false;         ///< LSTM: forget = 1 - input
  bool linear_before_reset = false;  ///< GRU
  /// One list for each direction.
  std::vector<std::vector<Activation>> activations;

  RecurrentAttributes(const OpSpec& spec, const std::vector<std::string>& default_activations);
  int64_t directions() const { return direction == Direction::Bidirectional ? 2 : 1; }
  bool is_reverse(int64_t d) const { return d == 1 || direction == Direction::Reverse; }
  at::Tensor clipped(const at::Tensor& x) const { return clip ? x.clamp(-*clip, *clip) : x; }
};

/// What one direction computes with: weights without their direction dimension, and X·Wᵀ + b of all steps.
struct Direction {
  const RecurrentAttributes& attributes;
  const std::vector<Activation>& activations;
  at::Tensor recurrent;       ///< R [gates * H, H]
  at::Tensor recurrent_bias;  ///< [gates * H] or undefined; folded into `inputs` unless a GRU needs it apart
  at::Tensor peepholes;       ///< [3 * H] or undefined
  int64_t hidden;
};

/// Hidden and (LSTM) cell state [B, H].
struct State {
  at::Tensor h, c;
};

/// One step: the gates' input part [B, gates * H] and the state before it give the state after it.
using Cell = State (*)(const Direction&, const at::Tensor& gates, const State& before);

/// Runs `cell` over time in every direction and fills Y, Y_h and (with_cell) Y_c. Steps beyond a sequence's length keep
/// its state and output 0.
void run_recurrent(const RecurrentAttributes& attributes, Cell cell, int64_t gates, bool with_cell, Inputs in, Outputs out);

}  // namespace ppq::ops
