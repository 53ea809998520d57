#include "passes/rewritten.h"

#include <limits>

#include "ppq/error.h"
#include "support/device.h"

namespace ppq::test {

std::string model_text(const std::string& inputs, const std::string& outputs, const std::string& body, int opset) {
  std::string text = "<ir_version: 8, opset_import: [\"\" : ";
  text += std::to_string(opset) + "]> g (";
  return text + inputs + ") => (" + outputs + ") {" + body + "}";
}

std::unique_ptr<Graph> parse_model(const std::string& text, const std::vector<std::string>& constants) {
  at::manual_seed(7);
  auto graph = read_onnx_text(text);
  for (const auto& name : constants) {
    Value* value = graph->find_value(name);
    std::vector<int64_t> sizes;
    for (const Dim& dim : *value->shape) sizes.push_back(dim.value);
    const at::Tensor data = name.starts_with("var") ? at::rand(sizes) + 0.5 : at::randn(sizes);
    graph->remove_input(value);
    graph->make_constant(value, data.to(to_scalar_type(value->dtype)));
  }
  return graph;
}

Tensors random_inputs(const Graph& graph, int64_t open) {
  at::manual_seed(11);
  Tensors inputs;
  for (const Value* value : graph.inputs()) {
    if (value->is_constant()) continue;
    std::vector<int64_t> sizes;
    for (const Dim& dim : *value->shape) sizes.push_back(dim.known() ? dim.value : open);
    const at::ScalarType type = to_scalar_type(value->dtype);
    inputs.push_back(at::isFloatingType(type) ? at::randn(sizes).to(type) : at::zeros(sizes, type));
  }
  return inputs;
}

std::vector<std::string> types_of(const Graph& graph) {
  std::vector<std::string> types;
  for (const Node* node : graph.nodes()) types.push_back(node->op_type);
  return types;
}

Node* node_of_type(const Graph& graph, const std::string& type) {
  for (Node* node : graph.nodes()) {
    if (node->op_type == type) return node;
  }
  return nullptr;
}

double relative_difference(const Tensors& results, const Tensors& reference) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (results.size() != reference.size()) return kInfinite;
  double worst = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].sizes() != reference[i].sizes() || results[i].scalar_type() != reference[i].scalar_type()) return kInfinite;
    if (results[i].numel() == 0) continue;
    const at::Tensor a = results[i].to(at::kDouble), b = reference[i].to(at::kDouble);
    const double scale = std::max(b.abs().max().item<double>(), 1e-12), difference = (a - b).abs().max().item<double>();
    worst = std::max(worst, difference == difference ? difference / scale : kInfinite);
  }
  return worst;
}

Tensors run_float(const Graph& graph, const Tensors& inputs) { return run_on_test_device(*lower(graph, on_test_device()), inputs); }

namespace {

/// Whatever was known before holds; more may be known now.
bool refines(const std::optional<Shape>& after, const std::optional<Shape>& before) {
  if (!before) return true;
  if (!after || after->size() != before->size()) return false;
  for (size_t i = 0; i < before->size(); ++i) {
    if ((*before)[i].known() && (*before)[i] != (*after)[i]) return false;
  }
  return true;
}

/// onnx's checker refuses outputs without a declared rank; tests of unknown shapes have such.
bool is_valid(const Graph& graph) {
  try {
    check_onnx(graph);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void expect_same_interface(const std::vector<Value*>& before, const std::vector<Value*>& after) {
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i]->name(), after[i]->name());
    EXPECT_EQ(before[i]->dtype, after[i]->dtype) << before[i]->name();
    EXPECT_TRUE(refines(after[i]->shape, before[i]->shape)) << before[i]->name();
  }
}

}  // namespace

Rewritten rewrite(std::unique_ptr<Graph> graph, std::unique_ptr<Pass> pass, double tolerance) {
  Rewritten out;
  out.before = graph->clone();
  out.after = std::move(graph);
  PassContext context;
  context.device = test_device();
  out.changes = pass->run(*out.after, context);
  EXPECT_NO_THROW(out.after->verify());
  if (is_valid(*out.before)) {
    EXPECT_NO_THROW(check_onnx(*out.after));
  }
  expect_same_interface(out.before->inputs(), out.after->inputs());
  expect_same_interface(out.before->outputs(), out.after->outputs());
  const Tensors inputs = random_inputs(*out.before);
  EXPECT_LE(relative_difference(run_float(*out.after, inputs), run_float(*out.before, inputs)), tolerance) << pass->name();
  return out;
}

}  // namespace ppq::test
