#pragma once

#include <set>
#include <string>

#include "onnx/proto.h"

namespace ppq {

/// Runs onnx's shape inference and leaves what it finds in value_info (also of sub-graphs). What the nodes say is taken
/// before what the file declares; where the two contradict each other, the names of the values come back. Never throws for
/// nodes that cannot be inferred.
std::set<std::string> infer_types(onnx::ModelProto& model);

}  // namespace ppq
