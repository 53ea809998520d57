#pragma once

#include <onnx/defs/schema.h>

namespace ppq {

/// onnx's schemas for shape inference, with two differences: the elements of vectors that are longer than any shape are not followed (onnx
/// makes a dimension of each, of as many as a file claims), and an EyeLike of a value without a type has none (onnx reads it anyway).
const onnx::ISchemaRegistry& bounded_schemas();

}  // namespace ppq
