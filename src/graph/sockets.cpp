#include "graph/sockets.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace ppq::passes {
namespace {

/// One letter an input (the last one repeats), one letter an output: q, f or s.
struct Row {
  const char* inputs;
  const char* outputs;
};

const Row* find_row(const Node& node) {
  static const std::unordered_map<std::string, Row> rows = {{"Reshape", {"qs", "q"}},
                                                            {"Pad", {"qsfs", "q"}},
                                                            {"Gather", {"qf", "q"}},
                                                            {"Resize", {"qsss", "q"}},
                                                            {"Upsample", {"qs", "q"}},
                                                            {"Split", {"qs", "q"}},
                                                            {"TopK", {"qs", "qf"}},
                                                            {"Tile", {"qs", "q"}},
                                                            {"Expand", {"qs", "q"}},
                                                            {"RoiAlign", {"qfs", "q"}},
                                                            {"MMCVRoiAlign", {"qfs", "q"}},
                                                            {"MaxRoiPool", {"qf", "q"}},
                                                            {"grid_sampler", {"qf", "q"}},
                                                            {"GridSample", {"qf", "q"}},
                                                            {"Clip", {"qff", "q"}},
                                                            {"ConstantOfShape", {"s", "q"}},
                                                            {"GatherElements", {"qf", "q"}},
                                                            {"GatherND", {"qf", "q"}},
                                                            {"NonMaxSuppression", {"qqsff", "f"}},
                                                            {"NonZero", {"q", "f"}},
                                                            {"Range", {"s", "q"}},
                                                            {"ScatterElements", {"qfq", "q"}},
                                                            {"ScatterND", {"qfq", "q"}},
                                                            {"Shape", {"q", "s"}},
                                                            {"Size", {"q", "s"}},
                                                            {"Slice", {"qssss", "q"}},
                                                            {"Squeeze", {"qs", "q"}},
                                                            {"Unsqueeze", {"qs", "q"}},
                                                            {"Where", {"fqq", "q"}},
                                                            {"OneHot", {"ssf", "f"}},
                                                            {"MaxPool", {"q", "qf"}},
                                                            {"Dropout", {"qfs", "qf"}},
                                                            {"Equal", {"qq", "f"}},
                                                            {"Greater", {"qq", "f"}},
                                                            {"Less", {"qq", "f"}},
                                                            {"GreaterOrEqual", {"qq", "f"}},
                                                            {"LessOrEqual", {"qq", "f"}},
                                                            {"Xor", {"ff", "f"}},
                                                            {"Or", {"ff", "f"}},
                                                            {"And", {"ff", "f"}},
                                                            {"Not", {"f", "f"}},
                                                            {"IsNaN", {"q", "f"}},
                                                            {"IsInf", {"q", "f"}},
                                                            {"ArgMax", {"q", "f"}},
                                                            {"ArgMin", {"q", "f"}},
                                                            {"ReduceMean", {"qs", "q"}},
                                                            {"ReduceSum", {"qs", "q"}},
                                                            {"ReduceMax", {"qs", "q"}},
                                                            {"ReduceMin", {"qs", "q"}},
                                                            {"ReduceL2", {"qs", "q"}},
                                                            {"CumSum", {"qs", "q"}},
                                                            {"Trilu", {"qs", "q"}},
                                                            {"Compress", {"qf", "q"}},
                                                            {"ReverseSequence", {"qs", "q"}},
                                                            {"BatchNormalization", {"qf", "qf"}},
                                                            {"InstanceNormalization", {"qf", "q"}},
                                                            {"LayerNormalization", {"qf", "qf"}},
                                                            {"GroupNormalization", {"qf", "q"}},
                                                            {"RMSNormalization", {"qf", "q"}},
                                                            {"QuantizeLinear", {"qff", "f"}},
                                                            {"DequantizeLinear", {"fff", "q"}},
                                                            {"EyeLike", {"s", "q"}},
                                                            {"Unique", {"q", "qf"}},
                                                            {"MaxUnpool", {"qfs", "q"}}};
  if (!node.domain.empty() && node.domain != "ai.onnx") return nullptr;
  auto it = rows.find(node.op_type);
  return it == rows.end() ? nullptr : &it->second;
}

Socket socket_of(const char* letters, size_t index) {
  const size_t count = std::char_traits<char>::length(letters);
  switch (letters[std::min(index, count - 1)]) {
    case 'f':
      return Socket::Float;
    case 's':
      return Socket::ShapeOrIndex;
    default:
      return Socket::Quantizable;
  }
}

}  // namespace

Socket input_socket(const Node& node, size_t index) {
  const Row* row = find_row(node);
  return row ? socket_of(row->inputs, index) : Socket::Quantizable;
}

Socket output_socket(const Node& node, size_t index) {
  const Row* row = find_row(node);
  return row ? socket_of(row->outputs, index) : Socket::Quantizable;
}

bool carries_value(const Node& node, size_t index) {
  static const std::unordered_set<std::string> none = {
      "Shape", "Size", "ConstantOfShape", "Range", "OneHot", "NonZero", "NonMaxSuppression", "EyeLike", "ArgMax", "ArgMin"};
  if (none.count(node.op_type)) return false;
  return input_socket(node, index) == Socket::Quantizable;
}

bool is_computing(const Node& node) { return node.is("Conv") || node.is("ConvTranspose") || node.is("Gemm") || node.is("MatMul"); }

bool is_passive(const Node& node) {
  static const std::unordered_set<std::string> types = {
      "MaxPool", "GlobalMaxPool",  "Reshape",   "Flatten",      "Identity",     "Dropout",        "Slice",
      "Pad",     "Split",          "Transpose", "Squeeze",      "Unsqueeze",    "Expand",         "Tile",
      "Gather",  "GatherElements", "GatherND",  "DepthToSpace", "SpaceToDepth", "ChannelShuffle", "Crop"};
  if (node.is("Resize") || node.is("Upsample")) return node.attributes.get_string("mode", "nearest") == "nearest";
  if (node.is("Pad") && node.attributes.get_string("mode", "constant") == "constant" && node.input(2)) {
    // A padding value outside the data's range would be clipped by the data's scale.
    const at::Tensor value = node.constant_input(2);
    return value.defined() && value.numel() == 1 && value.to(at::kDouble).item<double>() == 0;
  }
  return types.count(node.op_type) > 0;
}

bool may_be_float(const Value& value) {
  return value.dtype == DataType::Undefined || value.dtype == DataType::Float || value.dtype == DataType::Float16 ||
         value.dtype == DataType::BFloat16;
}

int weight_channel_axis(const Node& node) {
  if (node.is("Conv")) return 0;
  if (node.is("ConvTranspose")) return 1;
  if (node.is("Gemm")) return node.attributes.get_int("transB", 0) ? 0 : 1;
  const Value* weight = node.input(1);
  return weight && weight->constant().defined() ? static_cast<int>(weight->constant().dim()) - 1 : 0;
}

Node* only_reader(const Value& value) { return value.uses().size() == 1 && !value.is_graph_output() ? value.uses()[0].node : nullptr; }

}  // namespace ppq::passes
