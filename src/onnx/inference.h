#pragma once

#include <set>
#include <string>

#include "onnx/proto.h"

namespace onnx {
struct ShapeInferenceOptions;
}

namespace ppq {

/// Runs onnx's shape inference and leaves what it finds in value_info (also of sub-graphs). What the nodes say is taken
/// before what the file declares; where the two contradict each other, the names of the values come back. Never throws for
/// nodes that cannot be inferred, but as infer_within_bounds for shapes that no tensor can have.
std::set<std::string> infer_types(onnx::ModelProto& model);

/// Runs onnx's shape inference with these options; throws what it throws. Where an operator takes the rank of its result from the
/// length of a shape, a length that is known is looked at first: above 64 it throws Model, before that many dimensions are made.
void infer_within_bounds(onnx::ModelProto& model, const onnx::ShapeInferenceOptions& options);

}  // namespace ppq
