#pragma once

#include "exporters/exporter.h"
#include "ppq/pass.h"
#include "ppq/platform.h"

namespace ppq::test {

/// A target that says what no platform of the table says, and is in no table itself:
/// - data int8 symmetric; outputs of Conv, Gemm and MatMul float, others int8 as well; biases float
/// - weights of Conv int8 per channel, of 3×3 Convs 6 bits, of Gemm int8 per tensor, of MatMul 4 bits in blocks of 4
/// - Add is computed in integers only where an operand is constant
/// - two passes of its own, "sample-first" and "sample-last", which write their names into the graph's doc
/// - an exporter of its own, "scales"
PlatformSpec sample_platform();

/// Writes a line "name scale, scale" a quantized tensor. Options: "order" (graph or name), "biases".
const ExporterRow& scales_exporter();

}  // namespace ppq::test
