#include "onnx/types.h"

namespace ppq {

std::optional<Shape> shape_of(const onnx::TypeProto& type) {
  if (!type.has_tensor_type() || !type.tensor_type().has_shape()) return std::nullopt;
  Shape shape;
  for (const auto& dim : type.tensor_type().shape().dim()) {
    Dim& d = shape.emplace_back();
    // Some exporters write -1 or 0 for an unknown size; only a negative one cannot be meant.
    if (dim.has_dim_value() && dim.dim_value() >= 0) d.value = dim.dim_value();
    if (dim.has_dim_param()) d.symbol = dim.dim_param();
  }
  return shape;
}

DataType dtype_of(const onnx::TypeProto& type) {
  return type.has_tensor_type() ? static_cast<DataType>(type.tensor_type().elem_type()) : DataType::Undefined;
}

void read_type(const onnx::ValueInfoProto& info, Value& value) {
  value.doc = info.doc_string();
  if (!info.has_type() || info.type().value_case() == onnx::TypeProto::VALUE_NOT_SET) return;
  if (info.type().has_tensor_type()) {
    value.dtype = dtype_of(info.type());
    value.shape = shape_of(info.type());
  } else {
    value.opaque_type = Opaque{"ValueInfoProto", info.SerializeAsString()};
  }
}

void write_type(DataType dtype, const std::optional<Shape>& shape, onnx::TypeProto& type) {
  auto* tensor = type.mutable_tensor_type();
  tensor->set_elem_type(static_cast<int32_t>(dtype));
  tensor->clear_shape();
  if (!shape) return;
  tensor->mutable_shape();
  for (const Dim& d : *shape) {
    auto* dim = tensor->mutable_shape()->add_dim();
    if (d.known())
      dim->set_dim_value(d.value);
    else if (!d.symbol.empty())
      dim->set_dim_param(d.symbol);
  }
}

void write_type(const Value& value, onnx::TypeProto& type) {
  if (value.opaque_type) {
    onnx::ValueInfoProto info;
    info.ParseFromString(value.opaque_type->bytes);
    type = info.type();
  } else if (value.dtype != DataType::Undefined) {
    write_type(value.dtype, value.shape, type);
  }
}

bool contradict(const std::optional<Shape>& a, const std::optional<Shape>& b) {
  if (!a || !b) return false;
  if (a->size() != b->size()) return true;
  for (size_t i = 0; i < a->size(); ++i)
    if ((*a)[i].known() && (*b)[i].known() && (*a)[i].value != (*b)[i].value) return true;
  return false;
}

}  // namespace ppq
