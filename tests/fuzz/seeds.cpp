#include <onnx/defs/parser.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "fuzz/mutant.h"

namespace ppq::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGraphs[][2] = {
    {"residual", R"(residual (float[1,3,8,8] image) => (float[1,5] y)
      <float[4,3,3,3] w = {0.5}, float[4] b = {1, -2, 3, 0}, float[4] scale = {1, 2, 0.5, 1}, float[4] mean = {0, 1, 0, -1},
       float[4] var = {1, 2, 1, 0.5}, float[4,1,3,3] dw = {0.25}, float[4,5] fw = {0.1}, float[5] fb = {1, 2, 3, 4, 5}, float low = {0}, float high = {6}> {
      [conv] a = Conv <pads = [1, 1, 1, 1]> (image, w, b)
      [bn] n = BatchNormalization (a, scale, b, mean, var)
      [relu] r = Relu (n)
      [depthwise] d = Conv <group = 4, pads = [1, 1, 1, 1]> (r, dw)
      [clip] c = Clip (d, low, high)
      [add] s = Add (c, r)
      [pool] p = GlobalAveragePool (s)
      [flat] f = Flatten (p)
      [fc] y = Gemm (f, fw, fb) })"},
    {"branches", R"(branches (float[N,4,6,6] x) => (float[N,6,3,3] y, float[N,2,12,12] z)
      <int64[2] sizes = {2, 2}, float[2,2,2,2] t = {0.5}, float[4] scales = {1, 1, 2, 2}, int64[8] pads = {0, 0, 1, 1, 0, 0, 1, 1}> {
      [split] a, b = Split <axis = 1> (x, sizes)
      [max] m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)
      [avg] v = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (b)
      [sig] g = Sigmoid (m)
      [join] y = Concat <axis = 1> (m, v, g)
      [up] u = Resize <mode = "nearest"> (b, , scales)
      [pad] q = Pad (a, pads)
      [unpool] o = ConvTranspose <strides = [2, 2]> (a, t)
      [swish] s = Sigmoid (o)
      [mul] h = Mul (o, s)
      [sub] z = Sub (h, u) })"},
    {"attention", R"(attention (float[1,4,8] x) => (float[1,4,8] y)
      <float[8,8] wq = {0.1}, float[8,8] wk = {0.2}, float[8,8] wv = {0.3}, float[8] g = {1, 1, 1, 1, 1, 1, 1, 1}, float[8] b = {0, 0, 0, 0, 0, 0, 0, 1},
       int64[4] heads = {0, 0, 2, 4}, int64[3] flat = {0, 0, -1}, float half = {0.5}> {
      [norm] n = LayerNormalization (x, g, b)
      q0 = MatMul (n, wq)   k0 = MatMul (n, wk)   v0 = MatMul (n, wv)
      q1 = Reshape (q0, heads)   k1 = Reshape (k0, heads)   v1 = Reshape (v0, heads)
      q = Transpose <perm = [0, 2, 1, 3]> (q1)   k = Transpose <perm = [0, 2, 3, 1]> (k1)   v = Transpose <perm = [0, 2, 1, 3]> (v1)
      a = MatMul (q, k)   c = Mul (a, half)   s = Softmax <axis = -1> (c)   o = MatMul (s, v)
      t = Transpose <perm = [0, 2, 1, 3]> (o)   f = Reshape (t, flat)   e = Erf (f)   y = Add (e, x) })"},
    {"shapes", R"(shapes (float[1,2,6] x, int64[2] which) => (float[A,B] y, float[C] z)
      <int64[1] zero = {0}, int64[1] one = {1}, int64[1] minus = {-1}, int64 start = {0}, int64 step = {2}, int64[2] reps = {2, 1}> {
      shape = Shape (x)   first = Slice (shape, one, reps)   both = Concat <axis = 0> (minus, one)   flat = Reshape (x, both)
      picked = Gather (flat, which)   more = Tile (picked, reps)   y = Relu (more)
      n = ReduceProd <keepdims = 0> (shape)   counts = Range (start, n, step)   real = Cast <to = 1> (counts)
      filled = ConstantOfShape (one)   wide = Expand (real, one)   z = Add (wide, filled) })"},
    {"loop", R"(loops (float[2,3] x) => (float[2,3] y, float[T,2,3] all)
      <int64 trips = {3}, bool go = {1}, float[2,3] w = {0.5}> {
      y, all = Loop (trips, go, x) <body = body (int64 i, bool c, float[2,3] s) => (bool c2, float[2,3] s2, float[2,3] out) {
        c2 = Identity (c)   s2 = Mul (s, w)   out = Relu (s2) }> })"},
    {"if", R"(conditions (float[2,3] x) => (float[2,3] y)
      <float zero = {0}> {
      sum = ReduceSum <keepdims = 0> (x)   positive = Greater (sum, zero)
      y = If (positive) <then_branch = yes () => (float[2,3] a) { a = Relu (x) }, else_branch = no () => (float[2,3] b) { b = Neg (x) }> })"},
    {"scan", R"(scans (float[2] start, float[4,2] steps) => (float[2] last, float[4,2] all) {
      last, all = Scan <num_scan_inputs = 1, body = body (float[2] s, float[2] v) => (float[2] s2, float[2] out) {
        s2 = Add (s, v)   out = Tanh (s2) }> (start, steps) })"},
    {"quantized", R"(quantized (float[1,4] x) => (float[1,3] y)
      <float scale = {0.1}, uint8 point = {128}, int8[4,3] w = {1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12}, float[3] ws = {0.1, 0.2, 0.3}, int8[3] wz = {0, 0, 0}> {
      q = QuantizeLinear (x, scale, point)   d = DequantizeLinear (q, scale, point)
      wd = DequantizeLinear <axis = 1> (w, ws, wz)   m = MatMul (d, wd)   y = Relu (m) })"},
    {"recurrent", R"(recurrent (float[3,1,2] x) => (float[3,1,1,2] y, float[1,1,2] last)
      <float[1,8,2] w = {0.1}, float[1,8,2] r = {0.2}, float[1,16] b = {0}> {
      y, last = LSTM <hidden_size = 2> (x, w, r, b) })"},
};

constexpr const char* kFunctions = R"(<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
    calls (float[2,3] x) => (float[2,3] y) { a = own.twice (x)   y = own.last <alpha = 0.5> (a) }
    <domain: "own", opset_import: ["" : 17, "own" : 1]> twice (v) => (w) { u = own.last <alpha = 0.25> (v)   w = own.last <alpha = 2.0> (u) }
    <domain: "own", opset_import: ["" : 17]> last <alpha> (v) => (w) { w = LeakyRelu <alpha : float = @alpha> (v) })";

/// The text form lists every element; a list of one stands for all.
void fill(onnx::TensorProto& tensor) {
  size_t count = 1;
  for (const int64_t dim : tensor.dims()) count *= static_cast<size_t>(dim);
  for (int i = 0; tensor.float_data_size() > 0 && static_cast<size_t>(tensor.float_data_size()) < count; ++i)
    tensor.add_float_data(tensor.float_data(0) * static_cast<float>(i % 7 - 3));
}

Seed parse(const std::string& name, const std::string& text) {
  onnx::ModelProto model;
  onnx::OnnxParser parser(text.c_str());
  const auto status = parser.Parse(model);
  if (!status.IsOK()) throw std::runtime_error("seed " + name + ": " + status.ErrorMessage());
  for (auto& tensor : *model.mutable_graph()->mutable_initializer()) fill(tensor);
  return {name, model.SerializeAsString()};
}

template <class Message>
bool read(const fs::path& path, Message& message) {
  std::ifstream file(path, std::ios::binary);
  return file && message.ParseFromIstream(&file);
}

bool is_small_integer(const onnx::TensorProto& tensor) {
  int64_t count = 1;
  for (const int64_t dim : tensor.dims()) count *= dim;
  return count <= 64 && (tensor.data_type() == onnx::TensorProto::INT64 || tensor.data_type() == onnx::TensorProto::INT32 ||
                         tensor.data_type() == onnx::TensorProto::BOOL);
}

/// A node test; its small integer inputs become constants where another input is left.
void add_node_test(const fs::path& folder, std::vector<Seed>& seeds) {
  constexpr uintmax_t kMostBytes = 200000;
  onnx::ModelProto model;
  if (fs::file_size(folder / "model.onnx") > kMostBytes || !read(folder / "model.onnx", model)) return;
  auto& graph = *model.mutable_graph();
  google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> kept;
  for (int i = 0; i < graph.input_size(); ++i) {
    onnx::TensorProto tensor;
    const bool constant = graph.input_size() > 1 && read(folder / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb"), tensor) &&
                          is_small_integer(tensor);
    if (!constant) {
      *kept.Add() = graph.input(i);
      continue;
    }
    tensor.set_name(graph.input(i).name());
    *graph.add_initializer() = tensor;
  }
  if (kept.empty()) return;
  graph.mutable_input()->Swap(&kept);
  seeds.push_back({folder.filename().string(), model.SerializeAsString()});
}

}  // namespace

std::vector<Seed> make_seeds(const std::string& node_tests) {
  std::vector<Seed> seeds;
  // As many times as there are node tests for each, so that whole networks come up often enough.
  constexpr int kTimes = 20;
  for (int i = 0; i < kTimes; ++i) {
    for (const auto& [name, text] : kGraphs)
      seeds.push_back(parse(name, std::string("<ir_version: 8, opset_import: [\"\" : 17]> ") + text));
    seeds.push_back(parse("functions", kFunctions));
  }
  std::vector<fs::path> folders;
  if (fs::exists(node_tests))
    for (const auto& entry : fs::directory_iterator(node_tests))
      if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) add_node_test(folder, seeds);
  return seeds;
}

Seed read_seed(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (!file || !(bytes << file.rdbuf())) throw std::runtime_error("cannot read " + path);
  return {fs::path(path).stem().string(), bytes.str()};
}

}  // namespace ppq::fuzz
