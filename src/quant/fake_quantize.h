#pragma once

#include "ppq/quant.h"

namespace ppq {

/// fake_quantize into the tensor itself.
void fake_quantize_(at::Tensor& x, const QuantScheme& scheme, const QuantParams& params);

}  // namespace ppq
