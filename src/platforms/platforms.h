#pragma once

#include "ppq/platform.h"

namespace ppq::platforms {

// One function a platform, in the file of its name or of its family's.
PlatformSpec qnn_dsp_int8();
PlatformSpec snpe_int8();
PlatformSpec ppl_dsp_int8();
PlatformSpec qnn_htp_int8();
PlatformSpec qnn_htp_a16w8();
PlatformSpec qnn_htp_v85_int8();
PlatformSpec qnn_enpu_int8();
PlatformSpec onnxruntime();
PlatformSpec trt_int8();
PlatformSpec trt_int8_input_only();
PlatformSpec trt_fp8();
PlatformSpec openvino_int8();
PlatformSpec ncnn_int8();
PlatformSpec mnn_int8();
PlatformSpec tengine_int8();
PlatformSpec rknn_int8();
PlatformSpec rknn_int8_c();
PlatformSpec asc_int8();
PlatformSpec nxp_int8();
PlatformSpec fpga_int8();
PlatformSpec espdl_int8();
PlatformSpec espdl_int16();
PlatformSpec espdl_s3_int8();
PlatformSpec espdl_s3_int16();
PlatformSpec espdl_c_int8();
PlatformSpec espdl_c_int16();
PlatformSpec metax_int8_c();
PlatformSpec metax_int8_t();
PlatformSpec ppl_cuda_int8();
PlatformSpec ppl_cuda_int4();
PlatformSpec ppl_cuda_fp8();
PlatformSpec ppl_dsp_ti_int8();
PlatformSpec graphcore_fp8();

/// What the Hexagon DSP targets have in common: uint8 asymmetric per-tensor activations and weights, 30-bit biases that
/// follow input and weight scale, Relu and Clip merged into the operation before them.
PlatformSpec hexagon_dsp();
/// What the Hexagon tensor processor targets have in common: the above with int8 symmetric per-channel weights and 32-bit
/// biases.
PlatformSpec hexagon_htp(int activation_bits);
/// Of the other processors that QNN serves: one scheme for activations and weights, both per tensor.
PlatformSpec hexagon_symmetric(const QuantScheme& scheme, const QuantScheme& bias);
/// What TensorRT and OpenVINO have in common.
PlatformSpec tensorrt_int8();

// What most targets have in common.

/// Activations and constant operands have one scheme, weights another; biases and bounds stay float.
std::vector<SlotRule> plain_slots(const QuantScheme& activation, const QuantScheme& weight);
/// Integers of an accumulator, written with the rest.
SlotRule bias_of(QuantScheme scheme);

// For PlatformSpec::adjust_setting.

/// Weights with one scale for all channels lose most where channels differ: layers are equalized, as PPQ's setting for DSPs does.
void equalize(QuantizationSetting& setting);
/// Inputs of Add keep their scales: the target takes any.
void scales_of_its_own(QuantizationSetting& setting);

}  // namespace ppq::platforms
