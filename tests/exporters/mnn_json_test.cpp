#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;

PlatformSpec mnn() {
  const QuantScheme int8 = rules::narrow_symmetric(8);
  return target(int8, rules::per_channel(int8), {"Conv", "Add", "Gemm"}, {"Relu", "Clip", "Sigmoid"});
}

/// With Add in integers, although Clip between it and the convolution is not.
std::unique_ptr<Graph> with_add() {
  auto model = twelve_ops();
  model->find_node("add1")->dispatch = Dispatch::Quantized;
  return model;
}

TEST(MnnJson, ScalesOfTheTwelveOps) {
  const QuantizedGraph q(mnn(), with_add());
  const Exported out("mnn-json", q);
  const Json json = out.json("quantized_mnn.json");
  EXPECT_THAT(keys(json), ElementsAre("shape", "c1 input_tensor_0", "c1 output_tensor_0", "c2 input_tensor_0", "c2 output_tensor_0",
                                      "a1 output_tensor_0"));
  EXPECT_EQ(json.at("shape"), (Json{{"channels", 3}, {"height", 16}, {"width", 16}}));
  EXPECT_EQ(json.at("c1 input_tensor_0").get<double>(), scales(q.in("conv1"))[0]);
  EXPECT_EQ(json.at("c1 output_tensor_0").get<double>(), scales(q.out("conv1"))[0]);
  EXPECT_EQ(json.at("c2 input_tensor_0").get<double>(), scales(q.in("conv2"))[0]);
  EXPECT_EQ(json.at("a1 output_tensor_0").get<double>(), scales(q.out("add1"))[0]) << "the output's own, not that of an operand";
  EXPECT_NE(scales(q.out("add1"))[0], scales(q.in("add1", 1))[0]);
  EXPECT_THAT(out.summary.missing, ElementsAre("g"));
  EXPECT_THAT(out.summary.reasons.at("g"), HasSubstr("Conv and Add only"));
  EXPECT_EQ(out.summary.written, 5u);
}

TEST(MnnJson, FloatNodesHaveNoEntry) {
  const QuantizedGraph q(mnn());
  EXPECT_FALSE(q.node("add1").quantized);
  const Exported out("mnn-json", q);
  EXPECT_THAT(keys(out.json("quantized_mnn.json")),
              ElementsAre("shape", "c1 input_tensor_0", "c1 output_tensor_0", "c2 input_tensor_0", "c2 output_tensor_0"));
  auto model = with_add();
  model->find_node("conv2")->dispatch = model->find_node("add1")->dispatch = Dispatch::Float;
  const QuantizedGraph kept(mnn(), std::move(model));
  EXPECT_THAT(keys(Exported("mnn-json", kept).json("quantized_mnn.json")), ElementsAre("shape", "c1 input_tensor_0", "c1 output_tensor_0"));
}

TEST(MnnJson, WhatMnnCannotTakeIsRefused) {
  Quantizing vector("(float[1,4] x) => (float[1,4] y)", "[a] y = Add(x, x)");
  EXPECT_THAT(thrown([&] { Exported("mnn-json", *vector.graph, vector.platform); }).what(),
              AllOf(HasSubstr("input x"), HasSubstr("[1, 4]"), HasSubstr("--input-shape")));
  Quantizing open("(float[N,3,H,W] x) => (float[N,3,H,W] y)", "[a] y = Add(x, x)");
  EXPECT_EQ(thrown([&] { Exported("mnn-json", *open.graph, open.platform); }).kind(), ErrorKind::Unsupported);
  Quantizing image("(float[N,3,4,4] x) => (float[N,3,4,4] y)", "[a] y = Add(x, x)");
  image.node("a").quantized = true;
  image.node("a").output_quant = {active(0.5, 3)};
  EXPECT_THAT(thrown([&] { Exported("mnn-json", *image.graph, image.platform); }).what(),
              AllOf(HasSubstr("tensor y"), HasSubstr("0..255")));
}

}  // namespace
}  // namespace ppq::test
