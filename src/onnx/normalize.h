#pragma once

#include <vector>

#include "onnx/tensors.h"

namespace ppq {

/// IR version, opset imports. Throws Model or Unsupported.
void check_versions(const onnx::ModelProto& model, const std::string& where);

/// An initializer: its name and data.
struct Initializer {
  std::string name;
  DataType dtype = DataType::Undefined;
  Shape shape;
  TensorData data;
};
/// Reads the dense and sparse initializers of a graph, in file order.
std::vector<Initializer> read_initializers(const onnx::GraphProto& graph, ExternalFiles& files);

/// Replaces external data by raw data in every tensor of the message (attributes, sub-graphs, functions).
void load_all_external_data(google::protobuf::Message& message, ExternalFiles& files);

/// Initializers of more than `max_bytes` become graph inputs at the end of the list: the checker and the shape inference
/// need their types only. Dense initializers of the main graph alone.
void lighten(onnx::GraphProto& graph, const std::vector<Initializer>& initializers, size_t max_bytes);

/// Every value is defined once and every one that is read is defined; nodes are put into topological order, here and in
/// sub-graphs. Throws Model naming node and value, or the nodes of a cycle.
void order_nodes(onnx::GraphProto& graph, const std::string& where);

/// Gives nodes unique names: a name that one node alone has stays, others get the op type or a number.
void name_nodes(onnx::GraphProto& graph);

/// "node conv1", or "node #3 (Conv)" for a nameless one.
std::string describe(const onnx::NodeProto& node, int index);

}  // namespace ppq
