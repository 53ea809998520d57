#pragma once

#include <memory>
#include <string>

#include "ppq/graph.h"

namespace ppq {

struct ReadOptions {
  /// Run onnx's shape inference and write what it finds into the values.
  bool infer_shapes = true;
  /// Run onnx's checker first (full messages for broken files).
  bool check = true;
  /// Replace calls of model-local functions by their bodies.
  bool inline_functions = true;
};

/// Reads a model: binary (.onnx), text (.onnxtxt, or any file that is not a protobuf but parses as text), external data
/// (memory-mapped; only files inside the model's folder). Throws Model on unreadable or invalid files.
///
/// What the reader makes of a file:
/// - An initializer that is also a graph input (all are, in IR 3) is a constant and in `inputs()`; Constant nodes stay nodes.
/// - Nodes without a name get their op type as name, with a number where that is taken; of several nodes with one name the
///   first keeps it. Nodes are put into topological order.
/// - A sub-graph's use of a value around it is an outer value there, and in the graphs between.
/// - Shapes: what the nodes compute goes before what value_info declares; outputs keep their declared shapes unless numbers
///   contradict (a warning). Operators that onnx does not know are read; who runs them decides.
/// - Everything else is carried through, and written back by `write_onnx` as it came.
/// Opset 7 to the newest the onnx library knows, IR 3 and later; others throw Unsupported.
std::unique_ptr<Graph> read_onnx(const std::string& path, const ReadOptions& options = {});
/// From memory: a serialized ModelProto, or onnx's text syntax.
std::unique_ptr<Graph> read_onnx_bytes(const std::string& bytes, const ReadOptions& options = {});
std::unique_ptr<Graph> read_onnx_text(const std::string& text, const ReadOptions& options = {});

struct WriteOptions {
  /// Tensors of at least this many bytes go to `<file>.data` when the whole is larger than `external_above`.
  size_t external_tensor_threshold = 1024;
  size_t external_above = size_t{1} << 30;
};
/// Writes the file beside its place and renames it when whole. Throws Resource when the disk is full or not writable, Internal where
/// onnx's checker or strict inference refuses it and did not refuse the file that the graph was read from: nothing is written then.
void write_onnx(const Graph& graph, const std::string& path, const WriteOptions& options = {});
std::string write_onnx_bytes(const Graph& graph);
/// onnx's checker and (full) shape inference on what would be written; throws Model.
void check_onnx(const Graph& graph);
/// Runs onnx's shape inference on the graph and writes shapes and dtypes into values that lack them.
void infer_shapes(Graph& graph);

/// A serialized TensorProto (.pb file) as a tensor. Throws Data.
at::Tensor read_tensor_proto(const std::string& path);

/// PPQ's loader: read_onnx and the load-time clean-up passes.
std::unique_ptr<Graph> load_onnx_graph(const std::string& path);

}  // namespace ppq
