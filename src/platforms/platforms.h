#pragma once

#include "ppq/platform.h"

namespace ppq::platforms {

// One function a platform, each in the file of its name.
PlatformSpec qnn_dsp_int8();
PlatformSpec snpe_int8();
PlatformSpec ppl_dsp_int8();
PlatformSpec qnn_htp_int8();
PlatformSpec qnn_htp_a16w8();

/// What the Hexagon DSP targets have in common: uint8 asymmetric per-tensor activations and weights, 30-bit biases that
/// follow input and weight scale, Relu and Clip merged into the operation before them.
PlatformSpec hexagon_dsp();
/// What the Hexagon tensor processor targets have in common: the above with int8 symmetric per-channel weights and 32-bit
/// biases.
PlatformSpec hexagon_htp(int activation_bits);

}  // namespace ppq::platforms
