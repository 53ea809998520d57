#pragma once

#include "onnx/proto.h"
#include "ppq/graph.h"

namespace ppq {

/// The shape of a dense tensor type; nullopt for other types and for tensors of unknown rank.
std::optional<Shape> shape_of(const onnx::TypeProto& type);
/// Element type of a dense tensor type; Undefined for other types.
DataType dtype_of(const onnx::TypeProto& type);
/// Dtype and shape, and the whole message where the type is not a dense tensor.
void read_type(const onnx::ValueInfoProto& info, Value& value);
void write_type(const Value& value, onnx::TypeProto& type);
/// A dense tensor type.
void write_type(DataType dtype, const std::optional<Shape>& shape, onnx::TypeProto& type);
/// True where both say a number and the numbers differ, or the ranks differ.
bool contradict(const std::optional<Shape>& a, const std::optional<Shape>& b);

}  // namespace ppq
