#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace ppq::ops {

/// Sum over every window of x [N, C, spatial…], which is padded with zeros.
at::Tensor window_sum(const at::Tensor& x, const Window& window);

Kernel make_max_pool(const OpSpec& spec);
Kernel make_max_unpool(const OpSpec& spec);

/// ONNX AveragePool: any rank; padding is left out of the mean unless `count_include_pad`.
at::Tensor average_pool(const at::Tensor& x, const WindowAttributes& attributes, bool count_include_pad);

}  // namespace ppq::ops
