#pragma once

#include <string>

#include "onnx/proto.h"

namespace ppq {

/// Messages up to this many bytes keep their data when a model is checked or inferred; larger weights become inputs.
inline constexpr size_t kLightBytes = 4096;

/// onnx's checker. Operators it does not know are left to whoever runs them unless `strict`. Throws Model at `where`.
void run_checker(onnx::ModelProto& model, const std::string& where, bool strict);

/// Replaces calls of model-local functions by their bodies, as far as the opsets allow.
void inline_functions(onnx::ModelProto& model, const std::string& where);

}  // namespace ppq
