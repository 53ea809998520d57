#pragma once

#include "ops/op.h"

namespace ppq::ops {

Kernel make_ms_attention(const OpSpec& spec);
Kernel make_ms_multi_head_attention(const OpSpec& spec);
Kernel make_ms_rotary_embedding(const OpSpec& spec);
Kernel make_skip_layer_normalization(const OpSpec& spec);
Kernel make_skip_rms_normalization(const OpSpec& spec);
Kernel make_embed_layer_normalization(const OpSpec& spec);
Kernel make_ms_gelu(const OpSpec& spec);
Kernel make_fast_gelu(const OpSpec& spec);
Kernel make_quick_gelu(const OpSpec& spec);

Kernel make_qlinear_add(const OpSpec& spec);
Kernel make_qlinear_mul(const OpSpec& spec);
Kernel make_qlinear_average_pool(const OpSpec& spec);
Kernel make_qlinear_global_average_pool(const OpSpec& spec);
Kernel make_qlinear_concat(const OpSpec& spec);
Kernel make_qlinear_sigmoid(const OpSpec& spec);
Kernel make_qlinear_leaky_relu(const OpSpec& spec);
Kernel make_qlinear_softmax(const OpSpec& spec);

}  // namespace ppq::ops
