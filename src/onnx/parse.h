#pragma once

#include <string>
#include <string_view>

#include "onnx/proto.h"

namespace ppq {

/// A serialized ModelProto, or text in onnx's syntax. Throws Model at `where`.
onnx::ModelProto parse_model(std::string_view bytes, const std::string& where);
onnx::ModelProto parse_model_text(std::string_view text, const std::string& where);

}  // namespace ppq
