#pragma once

// The one place that includes onnx's protobuf messages. Torch's old copy of protobuf comes after the system's (-idirafter).
#include <onnx/onnx_pb.h>
