#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "onnx/external_data.h"
#include "onnx/proto.h"
#include "ppq/graph.h"

namespace ppq {

/// The data of a TensorProto: a tensor, or (types LibTorch lacks) the message itself with its data inside.
struct TensorData {
  at::Tensor tensor;
  std::optional<Opaque> opaque;
};

/// Number of elements; throws Model on negative dimensions and on overflow.
int64_t element_count(const onnx::TensorProto& proto, const std::string& where);

/// Checks and converts; external data stays mapped, other data is copied. `where` names the tensor in errors (Model).
TensorData read_tensor(const onnx::TensorProto& proto, ExternalFiles& files, const std::string& where);

/// Replaces external data by raw data inside the message.
void load_external_data(onnx::TensorProto& proto, ExternalFiles& files, const std::string& where);

/// Where the bytes of written tensors go.
class TensorSink {
 public:
  virtual ~TensorSink() = default;
  /// Puts the data of `proto`, whose dims and type are set. The default is raw_data.
  virtual void store(onnx::TensorProto& proto, const void* data, size_t bytes);
};

/// Sets dims, data_type and data.
void write_tensor(const at::Tensor& tensor, onnx::TensorProto& proto, TensorSink& sink);

}  // namespace ppq
