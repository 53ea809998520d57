#pragma once

#include <array>
#include <vector>

#include "ops/op.h"

namespace ppq::ops {

using Rows = std::vector<OpRow>;

// One function a family, defined at the end of the file of the same name.
Rows elementwise();  // unary and binary arithmetic, comparison, logic, Where, Cast, Clip, variadic Max/Min/Sum/Mean
Rows activation();   // Relu … HardSwish, Gelu, Softmax, LogSoftmax, PRelu, Mish, Dropout
Rows reduction();    // Reduce*, ArgMax/ArgMin, CumSum, TopK
Rows shape();        // Shape, Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Expand, Tile, Constant, ConstantOfShape, Range, Identity …
Rows indexing();     // Gather*, Scatter*, Slice, Split, Concat, Pad, OneHot, NonZero, Compress, Unique, ReverseSequence, Trilu, EyeLike
Rows convolution();  // Conv, ConvTranspose, (Q)LinearConv, ConvInteger, DeformConv
Rows pooling();      // MaxPool, AveragePool, LpPool, Global*
Rows normalization();  // BatchNormalization, InstanceNormalization, LayerNormalization, GroupNormalization, LRN, LpNormalization,
                       // RMSNormalization …
Rows matmul();         // Gemm, MatMul, Einsum, MatMulInteger, QLinearMatMul, Det
Rows attention();      // Attention (ai.onnx 23, com.microsoft), MultiHeadAttention, RotaryEmbedding, com.microsoft fused ops
Rows recurrent();      // RNN, LSTM, GRU
Rows resize();         // Resize, Upsample, DepthToSpace, SpaceToDepth, GridSample, AffineGrid
Rows detection();      // NonMaxSuppression, RoiAlign, MaxRoiPool
Rows quantize();       // QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear
Rows random();         // RandomNormal*, RandomUniform*, Bernoulli, Multinomial (seeded)
Rows signal();         // DFT, STFT, windows, MelWeightMatrix
Rows loss();           // NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss

inline constexpr std::array kFamilies = {elementwise, activation,    reduction, shape,     indexing,  convolution,
                                         pooling,     normalization, matmul,    attention, recurrent, resize,
                                         detection,   quantize,      random,    signal,    loss};

}  // namespace ppq::ops
