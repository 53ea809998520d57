#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace ppq::ops {

/// ONNX Conv on float tensors: x [N, C, spatial…], weight [M, C/group, kernel…], bias [M] or undefined; 1 to 3 spatial
/// dimensions. Asymmetric padding is written out, negative padding crops.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const WindowAttributes& attributes,
                    int64_t group);

/// Sums of whole numbers as a convolution gives them: an algorithm that transforms its inputs (Winograd, FFT) may leave 2.9999.
at::Tensor whole_sums(const at::Tensor& sums);

Kernel make_conv_integer(const OpSpec& spec);
Kernel make_qlinear_conv(const OpSpec& spec);
Kernel make_deform_conv(const OpSpec& spec);
Kernel make_fused_conv(const OpSpec& spec);

}  // namespace ppq::ops
