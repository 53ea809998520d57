#include "support/op_run.h"
#include "support/device.h"

#include <ATen/ATen.h>

#include <sstream>

namespace ppq::test {

OpRun& OpRun::attr(std::string name, AttrValue value) {
  attributes_.emplace_back(std::move(name), std::move(value));
  return *this;
}

Tensors OpRun::run(const Tensors& inputs, size_t outputs) const {
  Graph graph;
  graph.opsets = {{domain_, opset_}};
  std::vector<Value*> in, out;
  Tensors given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    in.push_back(inputs[i].defined() ? graph.add_value("x" + std::to_string(i)) : nullptr);
    if (!inputs[i].defined()) continue;
    graph.add_input(in.back());
    given.push_back(inputs[i]);
  }
  for (size_t i = 0; i < outputs; ++i) out.push_back(graph.add_value("y" + std::to_string(i)));
  Node* node = graph.add_node(type_, "node", in, out);
  node->domain = domain_;
  for (const auto& [name, value] : attributes_) node->attributes.set(name, value);
  for (Value* value : out) graph.add_output(value);
  return run_on_test_device(*lower(graph, on_test_device()), given);
}

at::Tensor floats(std::initializer_list<float> values) { return at::tensor(values, at::kFloat); }
at::Tensor ints(std::initializer_list<int64_t> values) { return at::tensor(values, at::kLong); }

at::Tensor bools(std::initializer_list<int64_t> values) { return ints(values).to(at::kBool); }

at::Tensor iota(std::initializer_list<int64_t> sizes) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  return at::arange(count, at::kFloat).reshape(at::IntArrayRef(sizes));
}

std::string difference(const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
  std::ostringstream text;
  if (!actual.defined()) return "no tensor";
  if (actual.scalar_type() != expected.scalar_type()) {
    text << "got " << actual.scalar_type() << ", expected " << expected.scalar_type();
  } else if (actual.sizes() != expected.sizes()) {
    text << "got shape " << actual.sizes() << ", expected " << expected.sizes();
  } else {
    const auto type = at::isFloatingType(actual.scalar_type()) ? at::kDouble : at::kLong;
    const at::Tensor a = actual.cpu().to(type), e = expected.cpu().to(type);
    if (!at::isclose(a, e, tolerance, tolerance, /*equal_nan=*/true).all().item<bool>()) text << "got " << a << ", expected " << e;
  }
  return text.str();
}

}  // namespace ppq::test
