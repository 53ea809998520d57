// Pattern:  GRU of one step forward, with constant weights and its own activations (Sigmoid, Tanh)
// Rewrite:  Gemms, Add, Sigmoid, Slices, Mul, Tanh, for targets that quantize those and have no GRU. With gates z, r and candidate c
//           (onnx's operator): z, r = σ(x·Wᵀ + h·Rᵀ + b), c = tanh(x·Wᵀ + r·(h·Rᵀ + b_R) + b_W), or tanh(x·Wᵀ + (r·h)·Rᵀ + b) where
//           linear_before_reset is 0; h' = (1 - z)·c + z·h. Y and Y_h are both kept where somebody uses them.
// Does not fire where steps are more or not known, both directions run, sequence_lens, clip or another activation is given, weights are
// computed at run time, the batch size of an initial state that is not given is not known, or before opset 10 (Slice).

#include <ATen/ATen.h>

#include <algorithm>

#include "passes/cleanup/rewrite.h"
#include "passes/passes.h"

namespace ppq::passes {
namespace {

constexpr int64_t kOpset = 10;

/// Nodes of one step, put in front of the GRU they come from.
class Step {
 public:
  Step(Graph& graph, Node& gru) : graph_(graph), gru_(gru), type_(gru.input(0)->dtype) {}

  Value* constant(const std::string& what, const at::Tensor& value) {
    return graph_.add_constant(graph_.unique_name(gru_.name + "_" + what), value.contiguous());
  }
  Value* add(const std::string& type, const std::string& what, std::vector<Value*> inputs, Value* output = nullptr) {
    if (!output) {
      output = graph_.add_value(graph_.unique_name(gru_.name + "_" + what));
      output->dtype = type_;
    }
    last_ = graph_.add_node(type, graph_.unique_name(gru_.name + "_" + what + "_node"), std::move(inputs), {output}, &gru_);
    last_->dispatch = gru_.dispatch;
    return output;
  }
  Value* gemm(const std::string& what, Value* x, const at::Tensor& weight, const at::Tensor& bias) {
    Value* output = add("Gemm", what, {x, constant(what + "_weight", weight), constant(what + "_bias", bias)});
    last_->attributes.set("transB", int64_t{1});
    return output;
  }
  Value* reshaped(const std::string& what, Value* x, std::vector<int64_t> sizes, Value* output = nullptr) {
    return add("Reshape", what, {x, constant(what + "_shape", at::tensor(sizes, at::kLong))}, output);
  }
  Value* columns(const std::string& what, Value* x, int64_t from, int64_t to) {
    const auto number = [&](const char* name, int64_t value) { return constant(what + "_" + name, at::tensor({value}, at::kLong)); };
    return add("Slice", what, {x, number("from", from), number("to", to), number("axis", 1)});
  }

 private:
  Graph& graph_;
  Node& gru_;
  DataType type_;
  Node* last_ = nullptr;
};

class GruSplit final : public Pass {
 public:
  const char* name() const override { return "gru-split"; }

  size_t run(Graph& graph, PassContext& context) override {
    const Pinned pinned(graph);
    size_t changes = 0;
    std::string left;
    for (Node* node : graph.nodes()) {
      if (!node->is("GRU")) continue;
      if (!can_split(graph, *node)) {
        left += (left.empty() ? "'" : ", '") + node->name + "'";
        continue;
      }
      split(graph, *node, pinned);
      ++changes;
    }
    if (!left.empty())
      context.warn("gru-split leaves " + left +
                   ": it takes a GRU of one step forward with constant weights, Sigmoid and Tanh, and neither clip nor sequence_lens");
    return changes;
  }

 private:
  static bool used(const Value* value) { return value && (value->is_graph_output() || !value->uses().empty()); }

  static int64_t size_of(const Value* value, size_t axis) {
    return value && value->shape && value->shape->size() > axis ? (*value->shape)[axis].value : -1;
  }

  static bool can_split(const Graph& graph, const Node& node) {
    const Attributes& attributes = node.attributes;
    const auto activations = attributes.find("activations");
    const bool usual = !activations || (std::holds_alternative<std::vector<std::string>>(*activations) &&
                                        std::get<std::vector<std::string>>(*activations) == std::vector<std::string>{"Sigmoid", "Tanh"});
    const at::Tensor w = float_constant(node, 1), r = float_constant(node, 2);
    return graph.opset() >= kOpset && usual && !attributes.has("clip") && attributes.get_int("layout", 0) == 0 &&
           attributes.get_string("direction", "forward") == "forward" && w.defined() && r.defined() && w.dim() == 3 && w.size(0) == 1 &&
           (!node.input(3) || float_constant(node, 3).defined()) && !node.input(4) && size_of(node.input(0), 0) == 1 &&
           (node.input(5) || size_of(node.input(0), 1) > 0);
  }

  static void split(Graph& graph, Node& node, const Pinned& pinned) {
    const at::Tensor w = node.constant_input(1)[0], r = node.constant_input(2)[0];
    const int64_t hidden = r.size(1), batch = size_of(node.input(0), 1);
    const at::Tensor b = node.constant_input(3).defined() ? node.constant_input(3)[0] : at::zeros({6 * hidden}, w.options());
    const auto part = [&](const at::Tensor& rows, int64_t from, int64_t to) { return rows.slice(0, from * hidden, to * hidden); };
    Step step(graph, node);
    Value* x = step.reshaped("x", node.input(0), {-1, w.size(1)});
    Value* h =
        node.input(5) ? step.reshaped("h", node.input(5), {-1, hidden}) : step.constant("h", at::zeros({batch, hidden}, w.options()));

    Value* of_x = step.gemm("gates_of_x", x, part(w, 0, 2), part(b, 0, 2));
    Value* of_h = step.gemm("gates_of_h", h, part(r, 0, 2), part(b, 3, 5));
    Value* gates = step.add("Sigmoid", "gates", {step.add("Add", "gates_sum", {of_x, of_h})});
    Value *update = step.columns("update", gates, 0, hidden), *reset = step.columns("reset", gates, hidden, 2 * hidden);

    Value* kept = h;
    if (node.attributes.get_int("linear_before_reset", 0) == 0) kept = step.add("Mul", "kept", {reset, h});
    Value* candidate_of_h = step.gemm("candidate_of_h", kept, part(r, 2, 3), part(b, 5, 6));
    if (kept == h) candidate_of_h = step.add("Mul", "kept", {reset, candidate_of_h});
    Value* candidate_of_x = step.gemm("candidate_of_x", x, part(w, 2, 3), part(b, 2, 3));
    Value* candidate = step.add("Tanh", "candidate", {step.add("Add", "candidate_sum", {candidate_of_x, candidate_of_h})});

    Value* rest = step.add("Sub", "rest", {step.constant("one", at::ones({1}, w.options())), update});
    Value *fresh = step.add("Mul", "fresh", {rest, candidate}), *old = step.add("Mul", "old", {update, h});
    Value* state = step.add("Add", "state", {fresh, old});

    Value *every = node.output(0), *last = node.output(1);
    const bool wants_every = used(every), wants_last = used(last);
    const std::vector<Value*> inputs = node.inputs();
    graph.set_outputs(&node, {});
    if (wants_every) step.reshaped("every", state, {1, 1, -1, hidden}, every);
    if (wants_last) step.reshaped("last", state, {1, -1, hidden}, last);
    graph.remove_node(&node);
    for (size_t i : {1u, 2u, 3u})
      if (Value* value = i < inputs.size() ? inputs[i] : nullptr;
          value && value->uses().empty() && !value->is_graph_input() && !pinned(value))
        graph.remove_value(value);
    if (every && !wants_every) graph.remove_value(every);
    if (last && !wants_last) graph.remove_value(last);
  }
};

}  // namespace

std::unique_ptr<Pass> make_gru_split() { return std::make_unique<GruSplit>(); }

}  // namespace ppq::passes
