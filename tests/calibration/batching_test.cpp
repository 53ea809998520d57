#include "calibration/batching.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/onnx.h"
#include "support/device.h"
#include "support/op_run.h"

namespace ppq {
namespace {

using testing::HasSubstr;

std::unique_ptr<Graph> model(const std::string& signature, const std::string& body) {
  return read_onnx_text("<ir_version: 8, opset_import: [\"\" : 15]> g " + signature + " {" + body + "}");
}

DatasetPtr samples(size_t count, std::vector<int64_t> sizes = {1, 6}) {
  at::manual_seed(5);
  std::vector<at::Tensor> list;
  for (size_t i = 0; i < count; ++i) list.push_back(at::randn(sizes));
  return make_dataset(std::move(list));
}

constexpr size_t kPlenty = size_t{1} << 30;

BatchChoice choose(const std::string& signature, const std::string& body, const DatasetPtr& data, size_t memory = kPlenty,
                   size_t most = 32) {
  return choose_batch_size(*model(signature, body), *data, test::test_device(), memory, most);
}

TEST(Batching, IndependentSamplesAreJoinedEvenWhereTheModelSaysOne) {
  const auto choice = choose("(float[1,6] x) => (float[1,6] y)", "a = Tanh(x) y = Softmax<axis = 1>(a)", samples(10));
  EXPECT_EQ(choice.batch, 10u) << choice.reason;
  EXPECT_EQ(choice.reason, "");
}

TEST(Batching, NoMoreThanAskedForOrFits) {
  const char *signature = "(float[1,6] x) => (float[1,6] y)", *body = "a = Tanh(x) y = Abs(a)";
  EXPECT_EQ(choose(signature, body, samples(100)).batch, 32u);
  EXPECT_EQ(choose(signature, body, samples(100), kPlenty, 7).batch, 7u);
  // The live set of one sample is two tensors of 24 bytes.
  EXPECT_EQ(choose(signature, body, samples(100), 48 * 5).batch, 5u);
  const auto one = choose(signature, body, samples(100), 50);
  EXPECT_EQ(one.batch, 1u);
  EXPECT_THAT(one.reason, HasSubstr("memory"));
  EXPECT_EQ(one.largest, 32u) << "that it may be batched does not depend on the memory";
  EXPECT_EQ(one.sample_bytes, 48u);
}

TEST(Batching, MixingSamplesIsNoticed) {
  struct Case {
    const char *why, *signature, *body, *reason;
  };
  for (const Case& c : std::vector<Case>{
           {"reshaped to a fixed batch: does not run", "(float[1,6] x) => (float[1,6] y) <int64[2] s = {1, 6}>",
            "a = Tanh(x) y = Reshape(a, s)", "does not run"},
           {"reshaped into one row", "(float[1,6] x) => (float[1,6] y) <int64[2] s = {1, -1}>", "a = Tanh(x) y = Reshape(a, s)", "y"},
           {"softmax over the batch", "(float[1,6] x) => (float[1,6] y)", "a = Tanh(x) y = Softmax<axis = 0>(a)", "y"},
           {"mean over the batch", "(float[1,6] x) => (float[1,6] y)", "m = ReduceMean<axes = [0]>(x) y = Sub(x, m)", "m"},
           {"cumulative over the batch", "(float[1,6] x) => (float[1,6] y) <int64 z = {0}>", "y = CumSum(x, z)", "y"},
           {"the first sample only", "(float[1,6] x) => (float[1,6] y) <int64[1] b = {0}, int64[1] e = {1}>",
            "f = Slice(x, b, e, b) y = Add(x, f)", "tensor f "},
       }) {
    const auto choice = choose(c.signature, c.body, samples(10));
    EXPECT_EQ(choice.batch, 1u) << c.why;
    EXPECT_THAT(choice.reason, HasSubstr(c.reason)) << c.why;
  }
}

/// The first sample in everyone's place: its range holds the other's, only the sum tells.
TEST(Batching, ACopyInPlaceOfASampleIsNoticed) {
  const auto data = make_dataset(std::vector<at::Tensor>{test::floats({-10, 10, 0, 0, 0, 0}).reshape({1, 6}), at::ones({1, 6})});
  const auto choice = choose("(float[1,6] x) => (float[1,6] y) <int64[1] b = {0}, int64[1] e = {1}>",
                             "s = Shape(x) n = Slice(s, b, e) i = ConstantOfShape<value = int64[1] {0}>(n) y = Gather(x, i)", data);
  EXPECT_EQ(choice.batch, 1u);
  EXPECT_THAT(choice.reason, HasSubstr("tensor y "));
}

TEST(Batching, WhatDoesNotDependOnTheBatchIsFine) {
  const auto choice = choose("(float[1,6] x) => (float[1,6] y) <float[1,6] k = {1,2,3,4,5,6}>", "p = Neg(k) y = Add(x, p)", samples(4));
  EXPECT_EQ(choice.batch, 4u) << choice.reason;
}

TEST(Batching, SamplesMustBeAlikeAndTwo) {
  const char *signature = "(float[N,M] x) => (float[N,M] y)", *body = "y = Tanh(x)";
  EXPECT_EQ(choose(signature, body, samples(1)).batch, 1u);
  const auto unlike = choose(signature, body, make_dataset(std::vector<at::Tensor>{at::ones({1, 3}), at::ones({1, 4})}));
  EXPECT_EQ(unlike.batch, 1u);
  EXPECT_THAT(unlike.reason, HasSubstr("shape"));
  EXPECT_EQ(choose(signature, body, samples(5), kPlenty, 1).batch, 1u);
}

TEST(SamplesAtOnce, AreAPowerOfTwoThatFits) {
  EXPECT_EQ(samples_at_once(100, 99, 32), 1u);
  EXPECT_EQ(samples_at_once(100, 399, 32), 2u);
  EXPECT_EQ(samples_at_once(100, 400, 32), 4u);
  EXPECT_EQ(samples_at_once(100, 1 << 20, 32), 32u);
  EXPECT_EQ(samples_at_once(0, 1 << 20, 16), 16u) << "not measured";
}

}  // namespace
}  // namespace ppq
