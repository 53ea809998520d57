#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "ppq/executor.h"
#include "ppq/graph.h"

namespace ppq::test {

/// One operator as a graph of one node, lowered and run:
/// `OpRun("Softmax", 11).attr("axis", int64_t{1})(x)`. Undefined inputs are absent ones.
class OpRun {
 public:
  OpRun(std::string type, int64_t opset, std::string domain = "") : type_(std::move(type)), opset_(opset), domain_(std::move(domain)) {}
  OpRun& attr(std::string name, AttrValue value);
  /// Runs and returns the only output.
  at::Tensor operator()(const Tensors& inputs) const { return run(inputs, 1).at(0); }
  at::Tensor operator()(const at::Tensor& input) const { return run({input}, 1).at(0); }
  Tensors run(const Tensors& inputs, size_t outputs) const;

 private:
  std::string type_;
  int64_t opset_;
  std::string domain_;
  std::vector<std::pair<std::string, AttrValue>> attributes_;
};

/// Tensors of known contents.
at::Tensor floats(std::initializer_list<float> values);
at::Tensor ints(std::initializer_list<int64_t> values);
at::Tensor bools(std::initializer_list<int64_t> values);
/// 0, 1, 2, … as float32 of the given sizes.
at::Tensor iota(std::initializer_list<int64_t> sizes);

/// An empty text when type, shape and every element agree (relative and absolute tolerance; 0 for exact), else what differs.
std::string difference(const at::Tensor& actual, const at::Tensor& expected, double tolerance = 0);

}  // namespace ppq::test

#define EXPECT_TENSOR(actual, expected) EXPECT_EQ(ppq::test::difference(actual, expected), "")
#define EXPECT_TENSOR_NEAR(actual, expected, tolerance) EXPECT_EQ(ppq::test::difference(actual, expected, tolerance), "")
