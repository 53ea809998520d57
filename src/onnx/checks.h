#pragma once

#include <string>

#include "onnx/proto.h"

namespace ppq {

/// Messages up to this many bytes keep their data when a model is checked or inferred; larger weights become inputs.
inline constexpr size_t kLightBytes = 4096;

/// onnx's checker. Operators it does not know are left to whoever runs them unless `strict`. Throws Model at `where`.
void run_checker(onnx::ModelProto& model, const std::string& where, bool strict);

/// What onnx's checker, and its type and shape inference at their strictest, say against the model; empty where nothing. Operators that
/// onnx does not know are left alone, and so are inputs and outputs of unknown rank.
std::string fault_of(onnx::ModelProto model);

/// Throws Model where functions call each other in a circle or too deep, Resource where their calls become too many nodes.
void check_calls(const onnx::ModelProto& model, const std::string& where);
/// Replaces calls of model-local functions, which were checked, by their bodies, as far as the opsets allow.
void inline_functions(onnx::ModelProto& model, const std::string& where);

}  // namespace ppq
