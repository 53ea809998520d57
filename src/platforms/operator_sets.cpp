#include "platforms/operator_sets.h"

#include "ppq/graph.h"

namespace ppq::platforms {
namespace {

/// The one reader of a node's first output, or null.
const Node* reader_of(const Node& node) {
  const Value* output = node.output();
  return output && output->uses().size() == 1 ? output->uses()[0].node : nullptr;
}

}  // namespace

Types operator+(Types types, const Types& others) {
  types.insert(others.begin(), others.end());
  return types;
}

Types moving_types() {
  return {"MaxPool", "GlobalMaxPool", "Reshape",        "Flatten",  "Identity",     "Dropout",     "Slice",
          "Pad",     "Split",         "Transpose",      "Interp",   "Squeeze",      "Unsqueeze",   "Expand",
          "Tile",    "Gather",        "GatherElements", "GatherND", "DepthToSpace", "SpaceToDepth"};
}

Types onnxruntime_types() {
  return {"Conv",
          "ConvTranspose",
          "Gemm",
          "MatMul",
          "Relu",
          "PRelu",
          "Clip",
          "Pad",
          "Resize",
          "MaxPool",
          "AveragePool",
          "GlobalMaxPool",
          "GlobalAveragePool",
          "Softmax",
          "Mul",
          "Add",
          "Max",
          "Sub",
          "Div",
          "Reshape",
          "LeakyRelu",
          "Concat",
          "Sigmoid",
          "Interp",
          "ReduceMean",
          "Transpose",
          "Slice",
          "Flatten",
          "HardSwish",
          "HardSigmoid"};
}

Types tensorrt_types() { return onnxruntime_types() + Types{"Attention", "LayerNormalization", "Gelu", "Softplus", "Tanh"}; }

Types ppl_cuda_types() {
  return {"Conv",          "ConvTranspose",     "Relu",    "PRelu",     "Clip",      "Gemm",  "Resize", "MaxPool",   "AveragePool",
          "GlobalMaxPool", "GlobalAveragePool", "Mul",     "Add",       "LeakyRelu", "Split", "Concat", "Transpose", "Slice",
          "Reshape",       "Flatten",           "Sigmoid", "ReduceMean"};
}

Types nxp_types() {
  return {"Conv", "Gemm", "Relu", "PRelu", "Clip", "Pad",       "Resize", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool",
          "Mul",  "Add",  "Max",  "Sub",   "Div",  "LeakyRelu", "Concat", "Sigmoid", "Slice"};
}

Types hexagon_types() {
  return {// computing
          "Conv", "ConvTranspose", "Gemm", "MatMul",
          // activations
          "Relu", "PRelu", "LeakyRelu", "Clip", "Sigmoid", "Softmax", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Elu",
          // arithmetic
          "Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Scale",
          // pooling, reduction, normalization, resampling
          "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "ReduceMean", "BatchNormalization", "InstanceNormalization",
          "LayerNormalization", "Resize", "Upsample", "Interp",
          // data movement
          "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Gather", "Pad", "DepthToSpace",
          "SpaceToDepth", "Expand", "Tile", "Identity", "Dropout"};
}

bool in_mish(const Node& node) {
  const Node* softplus = node.is("Tanh") && node.input(0) ? node.input(0)->producer() : &node;
  if (!softplus || !softplus->is("Softplus")) return false;
  const Node *tanh = reader_of(*softplus), *product = tanh && tanh->is("Tanh") ? reader_of(*tanh) : nullptr;
  return product && product->is("Mul");
}

}  // namespace ppq::platforms
