// Ranges as initializers that are inputs too; the network between them stays what it was.
#include "exporters/twelve_ops.h"
#include "support/python.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::Not;

QuantScheme power_of_two(QuantScheme scheme) {
  scheme.power_of_two = true;
  return scheme;
}

PlatformSpec nxp_target() {
  const QuantScheme int8 = power_of_two(rules::signed_symmetric(8));
  std::set<std::string> types = every_type();
  types.erase("Flatten"), types.erase("GlobalAveragePool");
  PlatformSpec spec = target(int8, rules::per_channel(int8), types, {"Relu", "Clip"});
  SlotRule bias = rules::passive(SlotRole::Bias, rules::per_channel(power_of_two(rules::signed_symmetric(30))));
  bias.exported = true;
  spec.slots.push_back(bias);
  return spec;
}

double number(const Graph& graph, const std::string& name) {
  const Value* value = graph.find_value(name);
  if (!value) throw std::runtime_error("no tensor " + name);
  return static_cast<double>(value->constant().item<float>());
}

TEST(Nxp, RangesOfTheTwelveOps) {
  const QuantizedGraph q(nxp_target());
  const Exported out("nxp", q);
  const auto file = read_onnx(out.path("quantized_nxp.onnx"));
  check_onnx(*file);
  EXPECT_EQ(file->opset(), 13) << "the model's own";
  size_t ranges = 0;
  for (const Value* input : file->inputs()) ranges += input->is_constant() && input->constant().dim() == 0;
  EXPECT_EQ(ranges, 2 * out.summary.written);
  for (const auto& [name, quant] : {std::pair("x", q.in("conv1")),
                                    {"c1", q.out("conv1")},
                                    {"r1", q.out("relu1")},
                                    {"p1", q.out("pool1")},
                                    {"k2", q.out("clip2")},
                                    {"a1", q.out("add1")},
                                    {"s1", q.out("sig1")},
                                    {"cat", q.out("concat1")},
                                    {"fl", q.in("fc1")},
                                    {"g", q.out("fc1")}}) {
    const double scale = scales(quant)[0];
    EXPECT_EQ(std::exp2(std::round(std::log2(scale))), scale) << name << ": a power of two";
    EXPECT_EQ(number(*file, std::string(name) + "_min"), -scale * 128) << name;
    EXPECT_EQ(number(*file, std::string(name) + "_max"), scale * 128 - scale) << name;
  }
  EXPECT_EQ(number(*file, "p1_max"), number(*file, "r1_max")) << "operands of Add share the larger scale, not twice of it";
  EXPECT_FALSE(file->find_value("w1_min"));
  EXPECT_FALSE(file->find_value("y_min")) << "Softmax is float";
}

TEST(Nxp, RangesOfParametersOnRequest) {
  const QuantizedGraph q(nxp_target());
  const auto file = read_onnx(Exported("nxp", q, {{"nxp-parameters", "true"}}).path("quantized_nxp.onnx"));
  const std::vector<double> scale = scales(q.in("conv1", 1));
  const at::Tensor low = file->find_value("w1_min")->constant(), high = file->find_value("w1_max")->constant();
  ASSERT_EQ(low.numel(), 8);
  EXPECT_FALSE(file->find_value("b1_min")) << "worked out by the target";
  for (int64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(static_cast<double>(low[i].item<float>()), -128 * scale[static_cast<size_t>(i)]);
    EXPECT_EQ(static_cast<double>(high[i].item<float>()), 127 * scale[static_cast<size_t>(i)]);
  }
}

TEST(Nxp, OnnxruntimeComputesWhatItComputedBefore) {
  PPQ_REQUIRE_PYTHON();
  const QuantizedGraph q(nxp_target());
  const Exported out("nxp", q);
  write_onnx(*q.graph, out.path("plain.onnx"));
  const std::string said = run_python(R"(
import numpy, onnx, onnxruntime, sys
x = numpy.random.default_rng(0).standard_normal((1, 3, 16, 16)).astype(numpy.float32)
onnx.checker.check_model(sys.argv[1], full_check=True)
a, b = (onnxruntime.InferenceSession(f, providers=['CPUExecutionProvider']).run(None, {'x': x})[0] for f in sys.argv[1:])
print('equal' if (a == b).all() else 'different')
)",
                                      {out.path("quantized_nxp.onnx"), out.path("plain.onnx")});
  EXPECT_THAT(said, HasSubstr("equal"));
}

TEST(Nxp, TheGraphItselfStaysAsItWas) {
  const QuantizedGraph q(nxp_target());
  const std::string before = write_onnx_bytes(*q.graph);
  Exported("nxp", q);
  EXPECT_EQ(write_onnx_bytes(*q.graph), before);
}

TEST(Nxp, WhatARangeCannotSayIsRefused) {
  Quantizing q("(float[1,4] x) => (float[1,4] y, float[1,4] y_max)", "[n] y = Neg(x) [m] y_max = Abs(x)");
  q.node("n").quantized = true;
  const auto refused = [&](const TensorQuantPtr& quant) {
    q.node("n").output_quant = {quant};
    const Error error = thrown([&] { Exported("nxp", *q.graph, q.platform); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    return std::string(error.what());
  };
  EXPECT_THAT(refused(active(0.5, 3)), AllOf(HasSubstr("tensor y"), HasSubstr("0..255"), HasSubstr("-128..127")));
  EXPECT_THAT(refused(active(0.5, 0, -127, 127)), HasSubstr("-127..127"));
  EXPECT_THAT(refused(active(0.5, 0, -128, 127)), AllOf(HasSubstr("tensor y_max"), HasSubstr("rename")));
}

}  // namespace
}  // namespace ppq::test
