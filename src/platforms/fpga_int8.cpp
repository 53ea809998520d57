#include <cmath>

#include "platforms/operator_sets.h"
#include "platforms/platforms.h"

namespace ppq::platforms {

/// Xilinx-like FPGAs, as PPQ's FPGA_INT8: everything per tensor, scales that are powers of two. PPQ takes percentiles of weights.
PlatformSpec fpga_int8() {
  PlatformSpec spec;
  spec.id = TargetPlatform::FPGA_INT8;
  spec.name = "fpga_int8";
  spec.aliases = {"fpga"};
  spec.summary = "FPGA: int8 activations and weights per tensor, 30-bit biases, scales that are powers of two";
  spec.quant_types = nxp_types() + Types{"ConvTranspose"};
  const QuantScheme plain = rules::power_of_two(rules::signed_symmetric(8));
  spec.slots = plain_slots(plain, plain);
  spec.slots.push_back(bias_of(rules::limited(rules::power_of_two(rules::signed_symmetric(30)), -std::exp2(29), std::exp2(29))));
  spec.fusion.activations = {"Relu", "Clip"};
  spec.default_setting = "fpga";
  spec.exporters = {"onnx", "ppq-json"};
  return spec;
}

}  // namespace ppq::platforms
