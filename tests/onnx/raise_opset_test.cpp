#include "onnx/raise_opset.h"

#include "passes/rewritten.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

struct Raised {
  std::unique_ptr<Graph> before, after;
};

/// The graph in opset 19: whole by onnx's checker, and the same to the bit.
Raised raised(const std::string& inputs, const std::string& outputs, const std::string& body, int opset,
              const std::vector<std::string>& constants = {}) {
  Raised result{parse_model(model_text(inputs, outputs, body, opset), constants), nullptr};
  result.after = result.before->clone();
  raise_opset(*result.after, 19);
  EXPECT_EQ(result.after->opset(), 19);
  EXPECT_GE(result.after->ir_version, 9);
  check_onnx(*result.after);
  const Tensors x = random_inputs(*result.before), expected = run_float(*result.before, x), got = run_float(*result.after, x);
  EXPECT_EQ(expected.size(), got.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(at::equal(got[i], expected[i])) << body;
  return result;
}

TEST(RaiseOpset, WhatMeansTheSameStays) {
  raised("float[1,2,6,6] x, float[3,2,3,3] w", "float[1,3,4,4] y", "a = Conv(x, w) y = Relu(a)", 7, {"w"});
  raised("float[2,3] x, float[3,5] w", "float[2,5] y", "a = MatMul(x, w) y = Tanh(a)", 9, {"w"});
  raised("float[1,2,6,6] x", "float[1,18] y", "a = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x) y = Flatten(a)", 11);
  raised("float[1,2,4,4] x", "float[1,2,8,8] y", "s = Constant<value = float[4] {1, 1, 2, 2}>() y = Resize<mode = \"linear\">(x, , s)", 13);
  raised("float[2,6] x", "float[3,4] y", "s = Constant<value = int64[2] {3, 4}>() y = Reshape(x, s)", 13);
}

TEST(RaiseOpset, AttributesBecomeInputs) {
  auto r = raised("float[2,3,4] x", "float[2,1,4] y", "y = ReduceMean<axes = [1]>(x)", 13);
  EXPECT_FALSE(r.after->nodes()[0]->attributes.has("axes"));
  EXPECT_EQ(r.after->nodes()[0]->inputs().size(), 2u);
  raised("float[2,3,4] x", "float[2,3] y", "y = ReduceMax<axes = [-1], keepdims = 0>(x)", 11);
  raised("float[2,3,4] x", "float[2,1,1] y", "y = ReduceSum<axes = [1, 2]>(x)", 11);
  raised("float[2,3,4] x", "float y", "y = ReduceMean<keepdims = 0>(x)", 13);
  raised("float[2,1,4] x", "float[2,4,1] y", "a = Squeeze<axes = [1]>(x) y = Unsqueeze<axes = [2]>(a)", 11);
  raised("float[2,6] x", "float[2,2] y, float[2,4] z", "y, z = Split<axis = 1, split = [2, 4]>(x)", 11);
  raised("float[2,6] x", "float[2,3] y, float[2,3] z", "y, z = Split<axis = 1>(x)", 13);
  r = raised("float[2,6] x", "float[2,6] y", "y = Clip<min = -0.5, max = 0.25>(x)", 7);
  EXPECT_EQ(r.after->nodes()[0]->inputs().size(), 3u);
  r = raised("float[2,6] x", "float[2,6] y", "y = Clip<max = 0.25>(x)", 7);
  EXPECT_EQ(r.after->nodes()[0]->input(1), nullptr) << "no lower bound";
  raised("float[2,6] x", "float[2,9] y", "y = Pad<pads = [0, 1, 0, 2], value = 0.5>(x)", 7);
}

TEST(RaiseOpset, SoftmaxOverTheLastAxisAlone) {
  raised("float[2,3,4] x", "float[2,3,4] y", "y = Softmax<axis = 2>(x)", 11);
  raised("float[2,4] x", "float[2,4] y", "y = LogSoftmax<axis = -1>(x)", 11);
  const auto refused = [](const std::string& body, int opset, const char* why) {
    auto graph = parse_model(model_text("float[2,3,4] x", "float[2,3,4] y", body, opset));
    const Error error = thrown([&] { raise_opset(*graph, 19); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    EXPECT_THAT(error.what(), testing::HasSubstr(why));
    EXPECT_THAT(error.what(), testing::HasSubstr("opset 19"));
  };
  refused("[n] y = Softmax<axis = 1>(x)", 11, "'axis' means one axis now");
  refused("[n] y = Softmax(x)", 11, "means one axis now");
}

TEST(RaiseOpset, WhatCannotBeSaidIsNamed) {
  auto graph = parse_model(model_text("float[1,1,2,2] x", "float[1,1,4,4] y",
                                      "s = Constant<value = float[4] {1, 1, 2, 2}>() [up] y = Upsample<mode = \"nearest\">(x, s)", 9));
  EXPECT_THAT(thrown([&] { raise_opset(*graph, 19); }).what(), testing::HasSubstr("node up"));
  graph = parse_model(
      model_text("float[1,1,2,2] x", "float[1,1,4,4] y", "s = Constant<value = float[4] {1, 1, 2, 2}>() [up] y = Resize(x, s)", 10));
  EXPECT_THAT(thrown([&] { raise_opset(*graph, 19); }).what(), testing::HasSubstr("counted otherwise"));
}

TEST(RaiseOpset, ALaterGraphStays) {
  auto graph = parse_model(model_text("float[2,3] x", "float[2,3] y", "y = Relu(x)", 20));
  raise_opset(*graph, 19);
  EXPECT_EQ(graph->opset(), 20);
}

}  // namespace
}  // namespace ppq::test
