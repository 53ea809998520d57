#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ops/memory_bound.h"
#include "support/op_run.h"
#include "support/thrown.h"

/// Numbers that no operator description allows (divisors of 0, negative sizes and counts, places outside, sizes beyond any memory),
/// in attributes and in tensors: an error that names the node, of the model or of memory; never a crash or endless work.
namespace ppq::test {
namespace {

using Ints = std::vector<int64_t>;
constexpr int64_t kHuge = std::numeric_limits<int64_t>::max(), kLarge = int64_t{1} << 40;

struct Case {
  const char* type;
  int64_t opset;
  std::vector<std::pair<const char*, AttrValue>> attributes;
  Tensors inputs;
  size_t outputs = 1;
  const char* domain = "";
};

at::Tensor ones(std::initializer_list<int64_t> sizes) { return at::ones(at::IntArrayRef(sizes)); }
at::Tensor number(int64_t value) { return at::scalar_tensor(value, at::kLong); }
at::Tensor real(double value) { return at::scalar_tensor(value, at::kFloat); }

void with(std::vector<Case>& all, const Case& base, const char* attribute, std::initializer_list<AttrValue> values) {
  for (const AttrValue& value : values) {
    Case one = base;
    std::erase_if(one.attributes, [&](const auto& item) { return std::string(item.first) == attribute; });
    one.attributes.emplace_back(attribute, value);
    all.push_back(std::move(one));
  }
}

void with(std::vector<Case>& all, const Case& base, size_t input, std::initializer_list<at::Tensor> values) {
  for (const at::Tensor& value : values) {
    Case one = base;
    one.inputs[input] = value;
    all.push_back(std::move(one));
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const at::Tensor image = ones({1, 4, 6, 6}), none = at::ones({0}, at::kLong);

  // windows
  const Case conv{"Conv", 11, {}, {image, ones({4, 4, 3, 3})}};
  with(all, conv, "strides", {Ints{0, 1}, Ints{-1, 1}, Ints{kHuge, 1}, Ints{1}});
  with(all, conv, "dilations", {Ints{0, 1}, Ints{1, kHuge}, Ints{-3, 1}});
  with(all, conv, "pads", {Ints{kHuge, 0, kHuge, 0}, Ints{-kHuge, 0, 0, 0}, Ints{1, 1}, Ints{kLarge, 0, 0, 0}});
  with(all, conv, "group", {int64_t{0}, int64_t{-1}, int64_t{3}, kHuge});
  with(all, conv, "kernel_shape", {Ints{0, 0}, Ints{3}, Ints{kHuge, 3}});
  with(all, conv, 1, {ones({4, 4, 0, 3}), ones({0}), ones({4, 4, 3})});
  const Case transposed{"ConvTranspose", 11, {}, {image, ones({4, 2, 3, 3})}};
  with(all, transposed, "strides", {Ints{0, 1}, Ints{kHuge, 1}});
  with(all, transposed, "group", {int64_t{0}, int64_t{-4}, int64_t{3}});
  with(all, transposed, "output_padding", {Ints{-1, 0}, Ints{kHuge, 0}});
  with(all, transposed, "output_shape", {Ints{-5, 6}, Ints{kHuge, kHuge}, Ints{kLarge, kLarge}});
  with(all, transposed, "pads", {Ints{1}, Ints{100, 100, 100, 100}, Ints{kHuge, 0, 0, 0}});
  for (const char* type : {"MaxPool", "AveragePool", "LpPool"}) {
    const Case pool{type, 18, {{"kernel_shape", Ints{2, 2}}}, {image}};
    with(all, pool, "kernel_shape", {Ints{0, 2}, Ints{-1, 2}, Ints{kHuge, 2}, Ints{}});
    with(all, pool, "strides", {Ints{0, 1}, Ints{1, -1}});
    with(all, pool, "dilations", {Ints{0, 1}});
    with(all, pool, "pads", {Ints{kLarge, 0, 0, 0}, Ints{-kHuge, 0, 0, 0}});
  }
  const Case unpool{
      "MaxUnpool", 11, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}, {ones({1, 1, 2, 2}), at::zeros({1, 1, 2, 2}, at::kLong)}};
  with(all, unpool, "kernel_shape", {Ints{2}, Ints{0, 2}});
  with(all, unpool, "strides", {Ints{2}, Ints{kHuge, 1}});
  with(all, unpool, "pads", {Ints{9, 9, 9, 9}, Ints{1}});
  with(all, unpool, 1, {at::full({1, 1, 2, 2}, 1000, at::kLong), at::full({1, 1, 2, 2}, -1, at::kLong)});
  const Case deform{"DeformConv", 19, {}, {image, ones({4, 4, 3, 3}), at::zeros({1, 18, 4, 4})}};
  with(all, deform, "group", {int64_t{0}, int64_t{3}});
  with(all, deform, "offset_group", {int64_t{0}, int64_t{-1}, int64_t{3}});

  // spatial layout
  const Case col2im{"Col2Im", 18, {}, {ones({1, 4, 9}), ints({4, 4}), ints({2, 2})}};
  with(all, col2im, 1, {ints({0, 4}), ints({-1, 4}), ints({kHuge, 4}), none});
  with(all, col2im, 2, {ints({0, 2}), ints({0, 0}), ints({-2, 2}), ints({5, 5}), ints({int64_t{1} << 32, int64_t{1} << 32})});
  with(all, col2im, "strides", {Ints{0, 1}, Ints{-1, 1}});
  with(all, col2im, "dilations", {Ints{0, 1}, Ints{kHuge, 1}});
  with(all, col2im, "pads", {Ints{-4, 0, 0, 0}, Ints{kHuge, 0, 0, 0}});
  for (const char* type : {"DepthToSpace", "SpaceToDepth"})
    with(all, {type, 13, {}, {image}}, "blocksize", {int64_t{0}, int64_t{-2}, int64_t{1} << 32, kHuge, int64_t{5}});
  with(all, {"CenterCropPad", 18, {}, {image, ints({1, 4, 3, 3})}}, 1, {ints({1, 4, -3, 3}), ints({kHuge, 4, 3, 3}), none});
  const Case resize{"Resize", 13, {}, {image, at::Tensor(), at::Tensor(), ints({1, 4, 3, 3})}};
  with(all, resize, 3, {ints({1, 4, -3, 3}), ints({1, 4, kHuge, 3}), ints({1, 4, kLarge, kLarge}), none});
  const Case scaled{"Resize", 13, {}, {image, at::Tensor(), floats({1, 1, 2, 2}), at::Tensor()}};
  with(all, scaled, 2,
       {floats({1, 1, 0, 2}), floats({1, 1, -1, 2}), floats({1, 1, 1e30f, 2}), floats({1, 1, NAN, 2}), floats({1, 1, INFINITY, 2})});
  with(all, {"AffineGrid", 20, {}, {ones({1, 2, 3}), ints({1, 1, 4, 4})}}, 1, {ints({1, 1, -4, 4}), ints({1, 1, kLarge, kLarge}), none});

  // shapes
  with(all, {"Reshape", 14, {}, {image, ints({-1})}}, 1, {ints({-2}), ints({-1, -1}), ints({kHuge, kHuge}), ints({7, -1})});
  with(all, {"Expand", 13, {}, {ones({1}), ints({2})}}, 1, {ints({-2}), ints({-1}), ints({kLarge}), ints({kLarge, kLarge})});
  with(all, {"Tile", 13, {}, {ones({2}), ints({2})}}, 1, {ints({-2}), ints({kHuge}), ints({kLarge})});
  with(all, {"ConstantOfShape", 9, {}, {ints({2})}}, 0, {ints({-2}), ints({kHuge, kHuge}), ints({kLarge})});
  const Case range{"Range", 11, {}, {number(0), number(3), number(1)}};
  with(all, range, 1, {number(kHuge)});
  with(all, range, 2, {number(0)});
  all.push_back({"Range", 11, {}, {real(0), real(INFINITY), real(1)}});
  all.push_back({"Range", 11, {}, {real(0), real(NAN), real(1)}});
  all.push_back({"Range", 11, {}, {real(0), real(1), real(0)}});
  all.push_back({"Range", 11, {}, {number(std::numeric_limits<int64_t>::min()), number(kHuge), number(1)}});
  with(all, {"Transpose", 13, {}, {image}}, "perm", {Ints{0, 0, 1, 2}, Ints{9, 0, 1, 2}, Ints{0}});
  with(all, {"Flatten", 13, {}, {image}}, "axis", {int64_t{9}, -kHuge});
  with(all, {"Unsqueeze", 13, {}, {image, ints({0})}}, 1, {ints({9}), ints({0, 0}), ints({kHuge})});
  with(all, {"Squeeze", 13, {}, {image, ints({0})}}, 1, {ints({1}), ints({9})});
  const Case pad{"Pad", 13, {}, {ones({4}), ints({1, 1})}};
  for (const char* mode : {"constant", "edge", "reflect"}) {
    Case one = pad;
    one.attributes = {{"mode", std::string(mode)}};
    with(all, one, 1, {ints({kHuge, 0}), ints({kLarge, 0}), ints({-9, 0}), ints({1}), ints({kHuge, kHuge})});
  }
  with(all, {"Split", 13, {{"axis", int64_t{0}}}, {ones({4}), ints({2, 2})}, 2}, 1,
       {ints({-1, 5}), ints({9, 9}), ints({4}), ints({kHuge, kHuge})});
  with(all, {"Slice", 13, {}, {ones({4}), ints({0}), ints({2}), ints({0}), ints({1})}}, 4, {ints({0})});
  with(all, {"Slice", 13, {}, {ones({4}), ints({0}), ints({2}), ints({0}), ints({1})}}, 3, {ints({5}), ints({kHuge})});
  with(all, {"Trilu", 14, {}, {ones({2, 2}), none}}, 1, {none});
  with(all, {"Concat", 13, {{"axis", int64_t{0}}}, {ones({4}), ones({4})}, 1}, "axis", {int64_t{3}, kHuge});

  // indices
  with(all, {"Gather", 13, {}, {ones({4}), ints({0})}}, 1, {ints({4}), ints({-5}), ints({kHuge}), ints({0, 9})});
  with(all, {"GatherElements", 13, {}, {ones({4}), ints({0})}}, 1, {ints({4}), ints({-5})});
  with(all, {"GatherND", 13, {}, {ones({4, 4}), ints({0, 0}).reshape({1, 2})}}, 1,
       {ints({4, 0}).reshape({1, 2}), ints({0, 0, 0}).reshape({1, 3})});
  with(all, {"GatherND", 13, {}, {ones({4, 4}), ints({0}).reshape({1, 1})}}, "batch_dims", {int64_t{5}});
  with(all, {"ScatterElements", 16, {}, {ones({4}), ints({0}), ones({1})}}, 1, {ints({4}), ints({-5})});
  with(all, {"ScatterND", 16, {}, {ones({2, 4}), ints({0, 0}).reshape({1, 2}), ones({1})}}, 1,
       {ints({0, 5}).reshape({1, 2}), ints({2, 0}).reshape({1, 2}), ints({0, -5}).reshape({1, 2})});
  const Case hot{"OneHot", 11, {}, {ints({0, 1}), number(3), floats({0, 1})}};
  with(all, hot, 1, {number(-3), number(kHuge), number(kLarge), none});
  with(all, hot, 2, {floats({0}), floats({0, 1, 2})});
  with(all, {"TopK", 11, {}, {ones({4}), ints({2})}, 2}, 1, {ints({5}), ints({-1}), none});
  with(all, {"CumSum", 14, {}, {ones({4}), number(0)}}, 1, {number(4), none});
  with(all, {"ReduceSum", 13, {}, {ones({4}), ints({0})}}, 1, {ints({4}), ints({0, 0}), ints({kHuge})});

  for (const char* type : {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}) {
    with(all, {type, 13, {}, {ones({2, 3}), ints({0, 1})}}, 1, {none, ints({0}), ints({0, 1, 2}), ints({0, 3}), ints({0, -1})});
    with(all, {type, 13, {}, {ones({2, 3}), ints({0, 1})}}, 0, {ones({3}), at::ones({})});
  }

  // signals, detection, normalization, attention
  with(all, {"HannWindow", 17, {}, {number(4)}}, 0, {number(-4), number(kHuge), number(kLarge), none});
  const Case mel{"MelWeightMatrix", 17, {}, {number(4), number(16), number(8000), real(0), real(4000)}};
  with(all, mel, 0, {number(0), number(-4), number(kHuge), number(kLarge)});
  with(all, mel, 1, {number(0), number(-16), number(kHuge), number(kLarge)});
  with(all, mel, 2, {number(0), number(-1)});
  with(all, mel, 3, {real(5000), real(-650), real(NAN)});
  with(all, mel, 4, {real(1e30), real(NAN)});
  with(all, {"DFT", 17, {}, {ones({1, 8, 1}), number(8)}}, 1, {number(0), number(-8), number(kHuge), number(kLarge), none});
  const Case stft{"STFT", 17, {}, {ones({1, 16, 1}), number(4), at::Tensor(), number(8)}};
  with(all, stft, 1, {number(0), number(-4), none});
  with(all, stft, 3, {number(0), number(-8), number(32), number(kHuge)});
  const Case roi{"RoiAlign",
                 16,
                 {{"output_height", int64_t{2}}, {"output_width", int64_t{2}}},
                 {image, floats({0, 0, 3, 3}).reshape({1, 4}), ints({0})}};
  with(all, roi, "output_height", {int64_t{0}, int64_t{-1}, kHuge, kLarge});
  with(all, roi, "output_width", {int64_t{0}, kHuge});
  with(all, roi, "sampling_ratio", {int64_t{-1}, kHuge, kLarge});
  with(all, roi, 1, {floats({0, 0, 1e30f, 3}).reshape({1, 4}), floats({NAN, 0, 3, NAN}).reshape({1, 4}), ones({1, 5})});
  with(all, roi, 2, {ints({1}), ints({-1}), ints({0, 0})});
  const Case max_roi{"MaxRoiPool", 1, {{"pooled_shape", Ints{2, 2}}}, {image, floats({0, 0, 0, 3, 3}).reshape({1, 5})}};
  with(all, max_roi, "pooled_shape", {Ints{0, 2}, Ints{-1, 2}, Ints{2}, Ints{kLarge, kLarge}});
  with(all, max_roi, 1, {ones({1, 4}), floats({7, 0, 0, 3, 3}).reshape({1, 5}), floats({0, -1e30f, 0, 3, 3}).reshape({1, 5}), ones({5})});
  with(all, {"LRN", 13, {{"size", int64_t{3}}}, {image}}, "size", {int64_t{0}, int64_t{-1}, kHuge});
  with(all, {"LRN", 13, {{"size", int64_t{3}}}, {image}}, 0, {ones({4}), at::ones({})});
  with(all, {"GroupNormalization", 21, {{"num_groups", int64_t{2}}}, {image, ones({4}), ones({4})}}, "num_groups",
       {int64_t{0}, int64_t{-2}, int64_t{3}, kHuge});
  with(all, {"RotaryEmbedding", 1, {}, {ones({1, 2, 8}), ints({0}), ones({4, 4}), ones({4, 4})}, 1, "com.microsoft"}, 2,
       {ones({4, 0}), ones({4}), ones({4, 3})});
  with(all, {"Attention", 1, {{"num_heads", int64_t{2}}}, {ones({1, 2, 8}), ones({8, 24}), ones({24})}, 1, "com.microsoft"}, "num_heads",
       {int64_t{0}, int64_t{-1}, int64_t{3}});
  with(all, {"DequantizeLinear", 21, {{"block_size", int64_t{2}}, {"axis", int64_t{0}}}, {at::ones({4}, at::kByte), ones({2})}},
       "block_size", {int64_t{-1}, int64_t{1}, kHuge});
  with(all, {"RandomNormal", 1, {}, {}}, "shape", {Ints{-1}, Ints{kHuge, 2}, Ints{kLarge}});
  with(all, {"Multinomial", 7, {}, {ones({1, 3})}}, "sample_size", {int64_t{-1}, kLarge});
  with(all, {"Einsum", 12, {{"equation", std::string("ij->i")}}, {ones({2, 2})}}, "equation",
       {std::string("ij->k"), std::string("i"), std::string("->->"), std::string("ij,jk->ik")});

  // fewer inputs than the kernel reads, of operators that onnx's checker does not know
  for (const char* type : {"QLinearAdd", "QLinearConcat", "QLinearSigmoid", "QGemm", "SkipLayerNormalization", "EmbedLayerNormalization",
                           "FusedConv", "FusedMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "BiasGelu"})
    all.push_back({type, 1, {}, {ones({2, 2})}, 1, "com.microsoft"});
  return all;
}

TEST(HostileNumbers, AreErrorsThatNameTheNode) {
  ops::bound_tensor_memory(size_t{16} << 30);
  for (const Case& c : cases()) {
    std::string label = c.type;
    if (!c.attributes.empty()) label += std::string(" ") + c.attributes.back().first;
    for (const at::Tensor& input : c.inputs)
      if (input.defined() && input.scalar_type() == at::kLong && input.numel() < 8)
        label += " " + std::to_string(input.numel() ? input.reshape({-1})[0].item<int64_t>() : 0);
    SCOPED_TRACE(label);
    OpRun run(c.type, c.opset, c.domain);
    for (const auto& [name, value] : c.attributes) run.attr(name, value);
    const Error error = thrown([&] { run.run(c.inputs, c.outputs); });
    EXPECT_TRUE(error.kind() == ErrorKind::Model || error.kind() == ErrorKind::Unsupported || error.kind() == ErrorKind::Resource)
        << error.what();
    EXPECT_THAT(error.where(), testing::HasSubstr(c.type)) << error.what();
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("_M_range_check"))) << "of the library's inside";
  }
  ops::bound_tensor_memory(0);
}

TEST(MemoryBound, IsOfOneTensorWhileItLivesAndOfAll) {
  constexpr size_t kMega = size_t{1} << 20;
  {
    const ops::TensorBound bound(kMega);
    EXPECT_NO_THROW(at::zeros({int64_t{1} << 18}));
    EXPECT_EQ(thrown([] { at::zeros({int64_t{1} << 20}); }).kind(), ErrorKind::Resource);
    const ops::TensorBound wider(16 * kMega);
    EXPECT_EQ(thrown([] { at::zeros({int64_t{1} << 20}); }).kind(), ErrorKind::Resource) << "the outer one holds";
  }
  EXPECT_NO_THROW(at::zeros({int64_t{1} << 20}));
  ops::bound_tensor_memory(64 * kMega);
  {
    const at::Tensor most = at::zeros({10 << 20});
    EXPECT_EQ(thrown([] { at::zeros({10 << 20}); }).kind(), ErrorKind::Resource) << "40 MB and 40 MB are more than 64";
  }
  EXPECT_NO_THROW(at::zeros({10 << 20})) << "what went is counted off";
  {
    const at::Tensor before = at::zeros({8 << 20});
    const ops::GrowthBound bound(16 * kMega);
    EXPECT_NO_THROW(at::zeros({3 << 20})) << "12 MB more than there were";
    EXPECT_EQ(thrown([] { at::zeros({5 << 20}); }).kind(), ErrorKind::Resource) << "20 MB more";
    const ops::GrowthBound wider(64 * kMega);
    EXPECT_EQ(thrown([] { at::zeros({5 << 20}); }).kind(), ErrorKind::Resource) << "the outer one holds";
  }
  EXPECT_NO_THROW(at::zeros({10 << 20}));
  ops::bound_tensor_memory(0);
}

}  // namespace
}  // namespace ppq::test
