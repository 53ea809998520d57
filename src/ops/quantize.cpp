#include <ATen/ATen.h>

#include "ops/families.h"
#include "ops/linear_quantization.h"
#include "ops/window.h"
#include "ppq/error.h"

namespace ppq::ops {
namespace {

bool is_packed(DataType type) {
  return type == DataType::Int4 || type == DataType::UInt4 || type == DataType::Int2 || type == DataType::UInt2 ||
         type == DataType::Float4E2M1;
}

/// LibTorch has no tensors of 2 and 4-bit numbers: refused while lowering, before any data moves.
void refuse_packed(const Node& node, DataType type) {
  if (!is_packed(type)) return;
  throw Error(ErrorKind::Unsupported, node.op_type,
              std::string("quantized type: got ") + name_of(type) + ", expected an 8, 16 or 32-bit integer or float8",
              "store the tensor as int8 or uint8");
}

QuantLayout layout_of(const OpSpec& spec) {
  QuantLayout layout;
  layout.axis = spec.node.attributes.get_int("axis", 1);
  layout.block = spec.node.attributes.get_int("block_size", 0);
  if (layout.block < 0) fail(spec.node, "block_size: got " + std::to_string(layout.block) + ", expected 0 or more");
  return layout;
}

Kernel make_quantize_linear(const OpSpec& spec) {
  const Node& node = spec.node;
  const auto requested = static_cast<DataType>(node.attributes.get_int("output_dtype", 0));
  refuse_packed(node, requested);
  if (node.output()) refuse_packed(node, node.output()->dtype);
  if (node.input(2)) refuse_packed(node, node.input(2)->dtype);
  const at::ScalarType type = requested == DataType::Undefined ? at::kByte : to_scalar_type(requested);
  return [layout = layout_of(spec), type, saturate = node.attributes.get_int("saturate", 1) != 0](Inputs in, Outputs out) {
    const at::Tensor zero_point = input_or_none(in, 2);
    out[0] = quantize(in[0], in[1], zero_point, layout, zero_point.defined() ? zero_point.scalar_type() : type, saturate);
  };
}

Kernel make_dequantize_linear(const OpSpec& spec) {
  const Node& node = spec.node;
  if (node.input(0)) refuse_packed(node, node.input(0)->dtype);
  const auto requested = static_cast<DataType>(node.attributes.get_int("output_dtype", 0));
  const bool given = requested != DataType::Undefined;
  const at::ScalarType type = given ? to_scalar_type(requested) : at::kFloat;
  return [layout = layout_of(spec), given, type](Inputs in, Outputs out) {
    out[0] = dequantize(in[0], in[1], input_or_none(in, 2), layout, given ? type : in[1].scalar_type());
  };
}

Kernel make_dynamic_quantize_linear(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    const DynamicQuantized q = quantize_dynamically(in[0]);
    out[0] = q.values;
    set_output(out, 1, q.scale);
    set_output(out, 2, q.zero_point);
  };
}

}  // namespace

Rows quantize() {
  using enum OpKind;
  return {
      {"QuantizeLinear", 10, make_quantize_linear, {Computation, "dff", "f"}},
      {"DequantizeLinear", 10, make_dequantize_linear, {Computation, "f", "d"}},
      {"DynamicQuantizeLinear", 11, make_dynamic_quantize_linear, {Computation, "d", "f"}},
      {"QuantizeLinear", 1, make_quantize_linear, {Computation, "dff", "f"}, "com.microsoft"},
      {"DequantizeLinear", 1, make_dequantize_linear, {Computation, "f", "d"}, "com.microsoft"},
  };
}

}  // namespace ppq::ops
