#include <cmath>

#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;

PlatformSpec ppl_cuda() {
  const QuantScheme int8 = rules::signed_symmetric(8);
  PlatformSpec spec = target(int8, rules::per_channel(int8), every_type(), {"Relu", "Clip", "Sigmoid", "LeakyRelu"});
  spec.slots.push_back(rules::passive(SlotRole::Bias, rules::per_channel(rules::narrow_symmetric(32))));
  return spec;
}

TEST(PplCudaJson, EntriesOfTheTwelveOps) {
  const QuantizedGraph q(ppl_cuda());
  const Exported out("ppl-cuda-json", q);
  Json json = out.json("quantized_ppl.json");
  EXPECT_THAT(keys(json), ElementsAre("quant_info", "op_info"));
  // Of what is rounded at a place of its own: not c1 and c2 (in front of their activations), p1 and fl (moved), y (float), no biases.
  EXPECT_THAT(keys(json["quant_info"]), ElementsAre("x", "w1", "r1", "w2", "k2", "a1", "s1", "cat", "gap", "w3", "g"));
  EXPECT_EQ(out.summary.written, 11u);
  EXPECT_THAT(keys(json["op_info"]),
              ElementsAre("conv1", "relu1", "pool1", "conv2", "clip2", "add1", "sig1", "concat1", "gap1", "flat1", "fc1"));
  for (const auto& [name, info] : json["op_info"].items()) EXPECT_EQ(info, (Json{{"data_type", "INT8"}}));
  for (const auto& [name, entry] : json["quant_info"].items())
    EXPECT_THAT(keys(entry), ElementsAre("bit_width", "per_channel", "quant_flag", "sym", "scale", "zero_point", "tensor_min", "tensor_max",
                                         "q_min", "q_max", "hash", "dominator"));
  for (const auto& [name, quant] : {std::pair("x", q.in("conv1")), {"r1", q.out("relu1")}, {"gap", q.out("gap1")}, {"g", q.out("fc1")}}) {
    Json& entry = json["quant_info"][name];
    const double scale = scales(quant)[0];
    EXPECT_EQ(entry["scale"].get<double>(), scale);
    EXPECT_EQ(entry["tensor_min"].get<double>(), -128 * scale);
    EXPECT_EQ(entry["tensor_max"].get<double>(), 127 * scale);
    EXPECT_EQ(entry["zero_point"], 0);
    EXPECT_EQ(entry["per_channel"], false);
    EXPECT_EQ(entry["sym"], true);
  }
  Json& weight = json["quant_info"]["w1"];
  EXPECT_EQ(weight["per_channel"], true);
  EXPECT_EQ(weight["scale"].get<std::vector<double>>(), scales(q.in("conv1", 1)));
  EXPECT_EQ(weight["zero_point"], Json(std::vector<int>(8, 0)));
  EXPECT_EQ(weight["tensor_max"][3].get<double>(), 127 * scales(q.in("conv1", 1))[3]);
}

TEST(PplCudaJson, WhatTheEngineDoesNotComputeIsRefused) {
  Quantizing q("(float[1,4] x) => (float[1,4] y)", "[n] y = Neg(x)");
  q.node("n").quantized = true;
  const auto refused = [&](const TensorQuantPtr& quant) {
    q.node("n").output_quant = {quant};
    const Error error = thrown([&] { Exported("ppl-cuda-json", *q.graph, q.platform); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    return std::string(error.what());
  };
  EXPECT_THAT(refused(active(0.5, 0, 0, 65535)), AllOf(HasSubstr("tensor y"), HasSubstr("0..65535")));
  auto channels = active(0.5, 0, -128, 127);
  channels->scheme.granularity = Granularity::PerChannel;
  EXPECT_THAT(refused(channels), HasSubstr("one scale a tensor"));
}

}  // namespace
}  // namespace ppq::test
