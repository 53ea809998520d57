#pragma once

#include <map>
#include <string>
#include <vector>

namespace ppq::test {

/// A small graph of the platforms' golden tables: a signature and a body in onnx's text form. Inputs whose names begin with
/// w, b or k become constants.
struct GoldenCase {
  const char *title, *signature, *body;
  enum How {
    Configured,  ///< dispatched "allin" and configured
    Forced,      ///< every node dispatched Quantized, and configured
    Fused,       ///< dispatched "conservative", configured, fused and simplified
  } how = Configured;
  std::map<std::string, int> bits;  ///< of the setting
  bool checked = true;              ///< onnx knows the operators
};

inline std::vector<GoldenCase> computing_cases() {
  return {
      {"Conv", "(float[N,4,8,8] x, float[8,4,3,3] w) => (float[N,8,6,6] y)", "y = Conv(x, w)"},
      {"Conv, bias", "(float[N,4,8,8] x, float[8,4,3,3] w, float[8] b) => (float[N,8,6,6] y)", "y = Conv(x, w, b)"},
      {"Conv 1x1, bias", "(float[N,4,8,8] x, float[8,4,1,1] w, float[8] b) => (float[N,8,8,8] y)", "y = Conv(x, w, b)"},
      {"Conv of stride 2", "(float[N,4,9,9] x, float[8,4,3,3] w) => (float[N,8,4,4] y)", "y = Conv<strides = [2, 2]>(x, w)"},
      {"Conv, depthwise", "(float[N,4,8,8] x, float[4,1,3,3] w, float[4] b) => (float[N,4,6,6] y)", "y = Conv<group = 4>(x, w, b)"},
      {"Conv of one dimension", "(float[N,4,9] x, float[6,4,3] w, float[6] b) => (float[N,6,7] y)", "y = Conv(x, w, b)"},
      {"Conv, weight at run time", "(float[N,4,8,8] x, float[8,4,3,3] v, float[8] b) => (float[N,8,6,6] y)", "y = Conv(x, v, b)"},
      {"Conv, bias at run time", "(float[N,4,8,8] x, float[8,4,3,3] w, float[8] v) => (float[N,8,6,6] y)", "y = Conv(x, w, v)"},
      {"ConvTranspose", "(float[N,4,5,5] x, float[4,6,3,3] w) => (float[N,6,7,7] y)", "y = ConvTranspose(x, w)"},
      {"ConvTranspose, bias", "(float[N,4,5,5] x, float[4,6,3,3] w, float[6] b) => (float[N,6,7,7] y)", "y = ConvTranspose(x, w, b)"},
      {"ConvTranspose, groups", "(float[N,4,5,5] x, float[4,3,3,3] w, float[6] b) => (float[N,6,7,7] y)",
       "y = ConvTranspose<group = 2>(x, w, b)"},
      {"Gemm", "(float[N,4] x, float[4,3] w) => (float[N,3] y)", "y = Gemm(x, w)"},
      {"Gemm, bias", "(float[N,4] x, float[4,3] w, float[3] b) => (float[N,3] y)", "y = Gemm(x, w, b)"},
      {"Gemm, transposed weight", "(float[N,4] x, float[3,4] w, float[3] b) => (float[N,3] y)", "y = Gemm<transB = 1>(x, w, b)"},
      {"Gemm, weight at run time", "(float[N,4] x, float[4,3] v, float[3] b) => (float[N,3] y)", "y = Gemm(x, v, b)"},
      {"Gemm, bias at run time", "(float[N,4] x, float[4,3] w, float[N,3] v) => (float[N,3] y)", "y = Gemm(x, w, v)"},
      {"Gemm, constant on the left", "(float[5,4] w, float[4,3] x) => (float[5,3] y)", "y = Gemm(w, x)"},
      {"MatMul, constant", "(float[N,4] x, float[4,3] w) => (float[N,3] y)", "y = MatMul(x, w)"},
      {"MatMul, batch of constants", "(float[2,N,4] x, float[2,4,3] w) => (float[2,N,3] y)", "y = MatMul(x, w)"},
      {"MatMul, constant vector", "(float[N,4] x, float[4] w) => (float[N] y)", "y = MatMul(x, w)"},
      {"MatMul, constant on the left", "(float[5,4] w, float[4,N] x) => (float[5,N] y)", "y = MatMul(w, x)"},
      {"MatMul of two data inputs", "(float[N,4] x, float[4,3] v) => (float[N,3] y)", "y = MatMul(x, v)"},
  };
}

inline std::vector<GoldenCase> pointwise_cases() {
  return {
      {"Relu", "(float[N,4] x) => (float[N,4] y)", "y = Relu(x)"},
      {"PRelu", "(float[N,4,3,3] x, float[4,1,1] k) => (float[N,4,3,3] y)", "y = PRelu(x, k)"},
      {"LeakyRelu", "(float[N,4] x) => (float[N,4] y)", "y = LeakyRelu(x)"},
      {"Clip", "(float[N,4] x) => (float[N,4] y)", "y = Clip(x)"},
      {"Clip, minimum", "(float[N,4] x, float k) => (float[N,4] y)", "y = Clip(x, k)"},
      {"Clip, maximum", "(float[N,4] x, float k) => (float[N,4] y)", "y = Clip(x, , k)"},
      {"Clip, both", "(float[N,4] x, float k, float k2) => (float[N,4] y)", "y = Clip(x, k, k2)"},
      {"Clip, bounds at run time", "(float[N,4] x, float v, float u) => (float[N,4] y)", "y = Clip(x, v, u)"},
      {"Sigmoid", "(float[N,4] x) => (float[N,4] y)", "y = Sigmoid(x)"},
      {"Softmax", "(float[N,4] x) => (float[N,4] y)", "y = Softmax(x)"},
      {"HardSigmoid", "(float[N,4] x) => (float[N,4] y)", "y = HardSigmoid(x)"},
      {"HardSwish", "(float[N,4] x) => (float[N,4] y)", "y = HardSwish(x)"},
      {"Tanh", "(float[N,4] x) => (float[N,4] y)", "y = Tanh(x)"},
      {"Gelu", "(float[N,4] x) => (float[N,4] y)", "y = Gelu(x)"},
      {"Elu", "(float[N,4] x) => (float[N,4] y)", "y = Elu(x)"},
      {"Add", "(float[N,4] x, float[N,4] v) => (float[N,4] y)", "y = Add(x, v)"},
      {"Add of a constant", "(float[N,4] x, float[4] k) => (float[N,4] y)", "y = Add(x, k)"},
      {"Add of one tensor to itself", "(float[N,4] x) => (float[N,4] y)", "y = Add(x, x)"},
      {"Add of integers", "(int64[N,4] x, int64[N,4] v) => (int64[N,4] y)", "y = Add(x, v)"},
      {"Sub", "(float[N,4] x, float[N,4] v) => (float[N,4] y)", "y = Sub(x, v)"},
      {"Sub from a constant", "(float[4] k, float[N,4] x) => (float[N,4] y)", "y = Sub(k, x)"},
      {"Mul", "(float[N,4] x, float[N,4] v) => (float[N,4] y)", "y = Mul(x, v)"},
      {"Mul by a scalar", "(float[N,4] x, float k) => (float[N,4] y)", "y = Mul(x, k)"},
      {"Div", "(float[N,4] x, float[N,4] v) => (float[N,4] y)", "y = Div(x, v)"},
      {"Div by a scalar", "(float[N,4] x, float k) => (float[N,4] y)", "y = Div(x, k)"},
      {"Max", "(float[N,4] x, float[4] k) => (float[N,4] y)", "y = Max(x, k)"},
      {"Min", "(float[N,4] x, float[N,4] v) => (float[N,4] y)", "y = Min(x, v)"},
      {"Sum", "(float[N,4] x, float[N,4] v, float[N,4] u) => (float[N,4] y)", "y = Sum(x, v, u)"},
      {"Scale",
       "(float[N,4,3,3] x, float[4] k, float[4] k2) => (float[N,4,3,3] y)",
       "y = Scale(x, k, k2)",
       GoldenCase::Configured,
       {},
       false},
  };
}

inline std::vector<GoldenCase> spatial_cases() {
  return {
      {"MaxPool", "(float[N,4,8,8] x) => (float[N,4,7,7] y)", "y = MaxPool<kernel_shape = [2, 2]>(x)"},
      {"MaxPool, indices", "(float[N,4,8,8] x) => (float[N,4,7,7] y, int64[N,4,7,7] i)", "y, i = MaxPool<kernel_shape = [2, 2]>(x)"},
      {"AveragePool", "(float[N,4,8,8] x) => (float[N,4,7,7] y)", "y = AveragePool<kernel_shape = [2, 2]>(x)"},
      {"GlobalMaxPool", "(float[N,4,8,8] x) => (float[N,4,1,1] y)", "y = GlobalMaxPool(x)"},
      {"GlobalAveragePool", "(float[N,4,8,8] x) => (float[N,4,1,1] y)", "y = GlobalAveragePool(x)"},
      {"ReduceMean", "(float[N,4,8,8] x) => (float[N,4,1,1] y) <int64[2] a = {2, 3}>", "y = ReduceMean(x, a)"},
      {"BatchNormalization", "(float[N,4,3,3] x, float[4] k, float[4] k2, float[4] k3, float[4] k4) => (float[N,4,3,3] y)",
       "y = BatchNormalization(x, k, k2, k3, k4)"},
      {"InstanceNormalization", "(float[N,4,3,3] x, float[4] k, float[4] k2) => (float[N,4,3,3] y)", "y = InstanceNormalization(x, k, k2)"},
      {"LayerNormalization", "(float[N,4] x, float[4] k) => (float[N,4] y)", "y = LayerNormalization(x, k)"},
      {"LayerNormalization, bias", "(float[N,4] x, float[4] k, float[4] k2) => (float[N,4] y)", "y = LayerNormalization(x, k, k2)"},
      {"Resize, nearest", "(float[N,4,3,3] x) => (float[N,4,6,6] y) <float[4] s = {1, 1, 2, 2}>", "y = Resize<mode = \"nearest\">(x, , s)"},
      {"Resize, linear", "(float[N,4,3,3] x) => (float[N,4,6,6] y) <float[4] s = {1, 1, 2, 2}>", "y = Resize<mode = \"linear\">(x, , s)"},
      {"Upsample",
       "(float[N,4,3,3] x) => (float[N,4,6,6] y) <float[4] s = {1, 1, 2, 2}>",
       "y = Upsample<mode = \"nearest\">(x, s)",
       GoldenCase::Configured,
       {},
       false},
      {"Interp", "(float[N,4,3,3] x) => (float[N,4,6,6] y)", "y = Interp(x)", GoldenCase::Configured, {}, false},
  };
}

inline std::vector<GoldenCase> movement_cases() {
  return {
      {"Reshape", "(float[2,6] x) => (float[3,4] y) <int64[2] s = {3, 4}>", "y = Reshape(x, s)"},
      {"Flatten", "(float[N,4,3] x) => (float[N,12] y)", "y = Flatten(x)"},
      {"Squeeze", "(float[N,1,4] x) => (float[N,4] y) <int64[1] a = {1}>", "y = Squeeze(x, a)"},
      {"Unsqueeze", "(float[N,4] x) => (float[N,1,4] y) <int64[1] a = {1}>", "y = Unsqueeze(x, a)"},
      {"Transpose", "(float[2,4] x) => (float[4,2] y)", "y = Transpose(x)"},
      {"Concat", "(float[N,4] x, float[N,2] v) => (float[N,6] y)", "y = Concat<axis = 1>(x, v)"},
      {"Concat with a constant", "(float[2,4] x, float[2,2] k) => (float[2,6] y)", "y = Concat<axis = 1>(x, k)"},
      {"Split", "(float[N,6] x) => (float[N,3] y, float[N,3] z)", "y, z = Split<axis = 1, num_outputs = 2>(x)"},
      {"Split, sizes", "(float[N,6] x) => (float[N,2] y, float[N,4] z) <int64[2] s = {2, 4}>", "y, z = Split<axis = 1>(x, s)"},
      {"Slice", "(float[N,6] x) => (float[N,2] y) <int64[1] s = {1}, int64[1] e = {3}, int64[1] a = {1}>", "y = Slice(x, s, e, a)"},
      {"Gather", "(float[N,6] x) => (float[N,2] y) <int64[2] i = {1, 3}>", "y = Gather<axis = 1>(x, i)"},
      {"Gather from a constant", "(int64[N] i, float[6,4] k) => (float[N,4] y)", "y = Gather(k, i)"},
      {"Pad", "(float[N,4] x) => (float[N,6] y) <int64[4] p = {0, 1, 0, 1}>", "y = Pad(x, p)"},
      {"Pad, zero", "(float[N,4] x) => (float[N,6] y) <int64[4] p = {0, 1, 0, 1}, float z = {0}>", "y = Pad(x, p, z)"},
      {"Pad, one", "(float[N,4] x, float k) => (float[N,6] y) <int64[4] p = {0, 1, 0, 1}>", "y = Pad(x, p, k)"},
      {"Pad, reflected", "(float[N,4] x) => (float[N,6] y) <int64[4] p = {0, 1, 0, 1}>", "y = Pad<mode = \"reflect\">(x, p)"},
      {"DepthToSpace", "(float[N,4,3,3] x) => (float[N,1,6,6] y)", "y = DepthToSpace<blocksize = 2>(x)"},
      {"SpaceToDepth", "(float[N,1,6,6] x) => (float[N,4,3,3] y)", "y = SpaceToDepth<blocksize = 2>(x)"},
      {"Expand", "(float[1,4] x) => (float[3,4] y) <int64[2] s = {3, 4}>", "y = Expand(x, s)"},
      {"Tile", "(float[1,4] x) => (float[3,4] y) <int64[2] s = {3, 1}>", "y = Tile(x, s)"},
      {"Identity", "(float[N,4] x) => (float[N,4] y)", "y = Identity(x)"},
      {"Dropout", "(float[N,4] x) => (float[N,4] y, bool[N,4] m)", "y, m = Dropout(x)"},
  };
}

/// Types that no table of today's platforms lists.
inline std::vector<GoldenCase> other_cases() {
  const auto forced = GoldenCase::Forced;
  return {
      {"LSTM", "(float[5,N,4] x, float[1,12,4] w, float[1,12,3] w2, float[1,24] b) => (float[5,1,N,3] y)",
       "y = LSTM<hidden_size = 3>(x, w, w2, b)"},
      {"LSTM, forced", "(float[5,N,4] x, float[1,12,4] w, float[1,12,3] w2, float[1,24] b) => (float[5,1,N,3] y)",
       "y = LSTM<hidden_size = 3>(x, w, w2, b)", forced},
      {"Erf", "(float[N,4] x) => (float[N,4] y)", "y = Erf(x)"},
      {"Erf, forced", "(float[N,4] x) => (float[N,4] y)", "y = Erf(x)", forced},
      {"Pow, forced", "(float[N,4] x, float k) => (float[N,4] y)", "y = Pow(x, k)", forced},
      {"Sqrt", "(float[N,4] x) => (float[N,4] y)", "y = Sqrt(x)"},
      {"Exp, forced", "(float[N,4] x) => (float[N,4] y)", "y = Exp(x)", forced},
      {"ReduceSum, forced", "(float[N,4,8,8] x) => (float[N,4,1,1] y) <int64[2] a = {2, 3}>", "y = ReduceSum(x, a)", forced},
      {"TopK, forced", "(float[N,4] x) => (float[N,2] y, int64[N,2] i) <int64[1] k = {2}>", "y, i = TopK(x, k)", forced},
      {"Where, forced", "(bool[N,4] c, float[N,4] x, float[N,4] v) => (float[N,4] y)", "y = Where(c, x, v)", forced},
      {"Equal, forced", "(float[N,4] x, float[N,4] v) => (bool[N,4] y)", "y = Equal(x, v)", forced},
      {"Cast, forced", "(float[N,4] x) => (int64[N,4] y)", "y = Cast<to = 7>(x)", forced},
      {"Shape", "(float[N,4] x) => (int64[2] y)", "y = Shape(x)"},
      {"ScatterND, forced", "(float[N,4] x, int64[2,1] i, float[2,4] v) => (float[N,4] y)", "y = ScatterND(x, i, v)", forced},
      {"GridSample, forced", "(float[N,4,3,3] x, float[N,3,3,2] g) => (float[N,4,3,3] y)", "y = GridSample(x, g)", forced},
      {"Softplus", "(float[N,4] x) => (float[N,4] y)", "y = Softplus(x)"},
      {"Mish, forced", "(float[N,4] x) => (float[N,4] y)", "y = Mish(x)", forced},
      {"Relu, forced", "(float[N,4] x) => (float[N,4] y)", "y = Relu(x)", forced},
      {"Conv and Relu, forced", "(float[N,4,8,8] x, float[8,4,3,3] w, float[8] b) => (float[N,8,6,6] y)", "c = Conv(x, w, b) y = Relu(c)",
       forced},
  };
}

/// Types that only some platforms list.
inline std::vector<GoldenCase> further_cases() {
  std::vector<GoldenCase> all = {
      {"GatherElements", "(float[N,6] x, int64[N,2] i) => (float[N,2] y)", "y = GatherElements<axis = 1>(x, i)"},
      {"GatherND", "(float[N,6] x) => (float[2] y) <int64[2,2] i = {0, 1, 0, 3}>", "y = GatherND(x, i)"},
      {"Softplus alone", "(float[N,4] x) => (float[N,4] y)", "y = Softplus(x)"},
      {"Mish of parts", "(float[N,4,8,8] x, float[8,4,1,1] w) => (float[N,8,8,8] y)",
       "c = Conv(x, w) s = Softplus(c) t = Tanh(s) y = Mul(c, t)", GoldenCase::Fused},
      {"Swish of parts", "(float[N,4,8,8] x, float[8,4,1,1] w) => (float[N,8,8,8] y)", "c = Conv(x, w) s = Sigmoid(c) y = Mul(c, s)",
       GoldenCase::Fused},
      {"Attention",
       "(float[N,4,6] x, float[N,4,6] v, float[N,4,6] u) => (float[N,4,6] y)",
       "y = Attention<q_num_heads = 2, kv_num_heads = 2>(x, v, u)",
       GoldenCase::Configured,
       {},
       false},
      {"RMSNormalization", "(float[N,4] x, float[4] k) => (float[N,4] y)", "y = RMSNormalization(x, k)", GoldenCase::Configured, {}, false},
      {"LogSoftmax", "(float[N,4] x) => (float[N,4] y)", "y = LogSoftmax(x)"},
      {"Exp", "(float[N,4] x) => (float[N,4] y)", "y = Exp(x)"},
      {"Neg", "(float[N,4] x) => (float[N,4] y)", "y = Neg(x)"},
      {"Mod", "(float[N,4] x, float[N,4] v) => (float[N,4] y)", "y = Mod<fmod = 1>(x, v)"},
      {"ScatterND", "(float[N,4] x, int64[2,1] i, float[2,4] v) => (float[N,4] y)", "y = ScatterND(x, i, v)"},
      {"ReverseSequence", "(float[4,N] x, int64[N] l) => (float[4,N] y)", "y = ReverseSequence(x, l)"},
  };
  // Their axes are an input in this opset.
  static const char* const kReductions[] = {"ReduceL1",  "ReduceL2",        "ReduceMax",    "ReduceMin",      "ReduceProd",
                                            "ReduceSum", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"};
  static const std::map<std::string, std::string> kBodies = [] {
    std::map<std::string, std::string> bodies;
    for (const char* type : kReductions) bodies[type] = std::string("y = ") + type + "(x, a)";
    return bodies;
  }();
  for (const auto& [type, body] : kBodies)
    all.push_back({type.c_str(), "(float[N,4,8,8] x) => (float[N,4,1,1] y) <int64[2] a = {2, 3}>", body.c_str()});
  return all;
}

inline std::vector<GoldenCase> chain_cases() {
  const auto fused = GoldenCase::Fused;
  const char *layer = "(float[N,4,8,8] x, float[4,4,3,3] w, float[4] b) => (float[N,4,6,6] y)",
             *two = "(float[N,4,8,8] x, float[4,4,3,3] w, float[4] b, float[4,4,3,3] w2) => (float[N,4,6,6] y)";
  return {
      {"Conv, Relu", layer, "c = Conv(x, w, b) y = Relu(c)", fused},
      {"Conv, Clip", "(float[N,4,8,8] x, float[4,4,3,3] w, float k, float k2) => (float[N,4,6,6] y)", "c = Conv(x, w) y = Clip(c, k, k2)",
       fused},
      {"Conv, LeakyRelu", layer, "c = Conv(x, w, b) y = LeakyRelu(c)", fused},
      {"Conv, PRelu", "(float[N,4,8,8] x, float[4,4,3,3] w, float[4,1,1] k) => (float[N,4,6,6] y)", "c = Conv(x, w) y = PRelu(c, k)",
       fused},
      {"Conv, Sigmoid", layer, "c = Conv(x, w, b) y = Sigmoid(c)", fused},
      {"Conv, Tanh", layer, "c = Conv(x, w, b) y = Tanh(c)", fused},
      {"Conv, Gelu", layer, "c = Conv(x, w, b) y = Gelu(c)", fused},
      {"Conv, HardSwish", layer, "c = Conv(x, w, b) y = HardSwish(c)", fused},
      {"Conv, Swish", layer, "c = Conv(x, w, b) s = Sigmoid(c) y = Mul(c, s)", fused},
      {"Conv, HardSwish of two", layer, "c = Conv(x, w, b) s = HardSigmoid(c) y = Mul(c, s)", fused},
      {"Conv, Softmax", layer, "c = Conv(x, w, b) y = Softmax(c)", fused},
      {"Conv, Relu of two readers", "(float[N,4,8,8] x, float[4,4,3,3] w) => (float[N,4,6,6] y, float[N,4,6,6] c)",
       "c = Conv(x, w) y = Relu(c)", fused},
      {"Conv, Relu, Conv", "(float[N,4,8,8] x, float[4,4,3,3] w, float[4,4,3,3] w2) => (float[N,4,4,4] y)",
       "c = Conv(x, w) r = Relu(c) y = Conv(r, w2)", fused},
      {"Add of two Convs, Relu", two, "c = Conv(x, w, b) d = Conv(x, w2) a = Add(c, d) y = Relu(a)", fused},
      {"Add of a Conv and its input", "(float[N,4,8,8] x, float[4,4,1,1] w) => (float[N,4,8,8] y)", "c = Conv(x, w) y = Add(c, x)", fused},
      {"Concat of two Convs", "(float[N,4,8,8] x, float[4,4,3,3] w, float[4,4,3,3] w2) => (float[N,8,6,6] y)",
       "c = Conv(x, w) r = Relu(c) d = Conv(x, w2) y = Concat<axis = 1>(r, d)", fused},
      {"Conv, MaxPool, Flatten, Gemm", "(float[N,4,4,4] x, float[4,4,3,3] w, float[4,3] w2, float[3] b) => (float[N,3] y)",
       "c = Conv(x, w) p = MaxPool<kernel_shape = [2, 2]>(c) f = Flatten(p) y = Gemm(f, w2, b)", fused},
      {"Conv, AveragePool, Transpose", "(float[N,4,4,4] x, float[4,4,3,3] w) => (float[N,1,1,4] y)",
       "c = Conv(x, w) p = GlobalAveragePool(c) y = Transpose<perm = [0, 2, 3, 1]>(p)", fused},
      {"Conv, Resize, Conv", "(float[N,4,5,5] x, float[4,4,3,3] w, float[4,4,1,1] w2) => (float[N,4,6,6] y) <float[4] s = {1, 1, 2, 2}>",
       "c = Conv(x, w) r = Resize<mode = \"linear\">(c, , s) y = Conv(r, w2)", fused},
      {"Pad, Conv", "(float[N,4,6,6] x, float[4,4,3,3] w) => (float[N,4,6,6] y) <int64[8] p = {0, 0, 1, 1, 0, 0, 1, 1}>",
       "a = Pad(x, p) y = Conv(a, w)", fused},
      {"Conv, Erf, Conv", "(float[N,4,8,8] x, float[4,4,3,3] w, float[4,4,3,3] w2) => (float[N,4,4,4] y)",
       "c = Conv(x, w) e = Erf(c) y = Conv(e, w2)", fused},
      {"Conv, shape arithmetic, Reshape",
       "(float[N,4,8,8] x, float[4,4,3,3] w) => (float[N,144] y) <int64 i = {0}, int64[1] a = {0}, int64[1] m = {-1}>",
       "c = Conv(x, w) s = Shape(c) n = Gather(s, i) u = Unsqueeze(n, a) t = Concat<axis = 0>(u, m) y = Reshape(c, t)", fused},
      {"Attention", "(float[2,5,4] q, float[2,4,5] t, float[2,5,4] v) => (float[2,5,4] y) <float d = {2}>",
       "s = MatMul(q, t) u = Div(s, d) p = Softmax(u) y = MatMul(p, v)", fused},
      {"LayerNormalization, MatMul, Gelu", "(float[N,4] x, float[4] k, float[4] k2, float[4,3] w, float[3] b) => (float[N,3] y)",
       "n = LayerNormalization(x, k, k2) m = MatMul(n, w) a = Add(m, b) y = Gelu(a)", fused},
      {"Gemm of a float network's tail", "(float[N,4] x, float[4,3] w) => (float[N,3] y, int64[N,1] i)",
       "y = Gemm(x, w) i = ArgMax<axis = 1>(y)", fused},
      {"Conv, Relu at 16 bits", layer, "c = Conv(x, w, b) y = Relu(c)", fused, {{"Relu", 16}}},
      {"Conv, Relu, weight of 4 bits", layer, "c = Conv(x, w, b) y = Relu(c)", fused, {{"Conv", 4}}},
      {"Conv, Relu, said apart", layer, "c = Conv(x, w, b) y = Relu(c)", fused, {{"weight:Conv", 16}, {"activation:Conv", 4}}},
      {"Conv, Sigmoid, Add of a constant at 16 bits",
       "(float[N,4,8,8] x, float[4,4,3,3] w, float[4,1,1] k) => (float[N,4,6,6] y)",
       "c = Conv(x, w) s = Sigmoid(c) y = Add(s, k)",
       fused,
       {{".*", 16}}},
  };
}

}  // namespace ppq::test
