#include <ATen/ATen.h>

#include <algorithm>

#include "executor/program.h"
#include "ops/memory_bound.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using ops::Inputs;
using ops::Outputs;

/// Shapes, counters and what else the host computed, where the body and those who read its outputs look for it.
at::Tensor on(at::Device device, const at::Tensor& tensor) { return tensor.defined() ? tensor.to(device) : tensor; }

/// Runs a body on its own inputs followed by the captured values.
Tensors run_body(const Program& body, const std::vector<at::Tensor>& own, Inputs captured) {
  std::vector<at::Tensor> frame = body.initial;
  if (own.size() + captured.size() != body.inputs.size())
    throw Error(ErrorKind::Model, "sub-graph",
                "takes " + std::to_string(body.inputs.size() - captured.size()) + " inputs, got " + std::to_string(own.size()));
  for (size_t i = 0; i < body.inputs.size(); ++i) {
    const at::Tensor& given = i < own.size() ? own[i] : captured[i - own.size()];
    frame[body.inputs[i].slot] = on(body.device, given);
  }
  run_steps(body, frame, nullptr);
  Tensors outputs;
  for (const auto& [name, slot] : body.outputs) outputs.push_back(on(body.device, frame[slot]));
  return outputs;
}

std::shared_ptr<const Program> lower_attribute(const Node& node, const char* name, const Graph& root,
                                               const std::vector<std::string>& captured, at::Device device) {
  auto body = node.attributes.get_graph(name);
  if (!body) throw Error(ErrorKind::Model, "node " + node.name, std::string("attribute ") + name + " is missing");
  return lower_subgraph(*body, root, captured, device);
}

/// Throws Model where a body does not take or give as much as its node needs.
void check_ends(const Node& node, const Program& body, size_t captured, size_t inputs, size_t outputs) {
  const size_t taken = body.inputs.size() - captured, given = body.outputs.size();
  if (taken == inputs && given >= outputs) return;
  throw Error(ErrorKind::Model, "node " + node.name + " (" + node.op_type + ")",
              "its sub-graph takes " + std::to_string(taken) + " and gives " + std::to_string(given) + " values, expected " +
                  std::to_string(inputs) + " and " + std::to_string(outputs));
}

bool to_bool(const at::Tensor& tensor) { return tensor.numel() > 0 && tensor.reshape({-1})[0].item<bool>(); }

void copy_outputs(Tensors& from, Outputs to) {
  for (size_t i = 0; i < to.size() && i < from.size(); ++i) to[i] = std::move(from[i]);
}

ops::Kernel make_if(std::shared_ptr<const Program> yes, std::shared_ptr<const Program> no) {
  return [yes, no](Inputs in, Outputs out) {
    Tensors results = run_body(to_bool(in[0]) ? *yes : *no, {}, in.subspan(1));
    copy_outputs(results, out);
  };
}

/// What a scan output is when nothing was scanned: no elements, of the type and dimensions that the body declares (0 where it
/// declares none, as onnxruntime has it).
at::Tensor empty_scan(const Value& declared) {
  std::vector<int64_t> sizes = {0};
  if (declared.shape)
    for (const Dim& dim : *declared.shape) sizes.push_back(dim.known() ? dim.value : 0);
  return at::zeros(sizes, has_scalar_type(declared.dtype) ? to_scalar_type(declared.dtype) : at::kFloat);
}

/// At a microsecond each, most of a day.
constexpr int64_t kMostTrips = int64_t{1} << 36;
/// A kept tensor takes that much at least, however few elements it has.
constexpr size_t kKeptBytes = 64;

/// Whether the condition that a body gives is the one it got, or always true: then the trip count alone ends the Loop. What a computed
/// condition becomes nobody knows before it does.
bool counts_alone(const Graph& body) {
  if (body.outputs().empty() || body.inputs().size() < 2) return false;
  const Value* value = body.outputs()[0];
  while (value->producer() && value->producer()->is("Identity") && value->producer()->input(0)) value = value->producer()->input(0);
  if (value == body.inputs()[1]) return true;
  const Node* producer = value->producer();
  const at::Tensor constant = producer && producer->is("Constant") ? producer->attributes.get_tensor("value") : value->constant();
  return constant.defined() && to_bool(constant);
}

/// Throws Resource where `count` tensors like this one are more than memory can hold.
void check_scan(const at::Tensor& one, int64_t count) {
  ops::check_room("", {count, std::max<int64_t>(one.numel(), 1)}, one.numel() ? one.element_size() : kKeptBytes);
}

/// The tensors that the trips of a Loop or Scan leave behind, one list for each output.
class Scans {
 public:
  /// `trips`: how many there will be, 0 where that is not known.
  Scans(size_t outputs, int64_t trips) : lists_(outputs), trips_(trips) {}
  void keep(size_t output, at::Tensor value) {
    auto& list = lists_[output];
    const auto count = static_cast<int64_t>(list.size()) + 1;
    if (trips_ > 0 ? count == 1 : (count & (count - 1)) == 0) check_scan(value, std::max(trips_, count));
    list.push_back(std::move(value));
  }
  std::vector<at::Tensor>& operator[](size_t output) { return lists_[output]; }
  size_t size() const { return lists_.size(); }

 private:
  std::vector<std::vector<at::Tensor>> lists_;
  int64_t trips_;
};

/// How many trips the counted Loops around this one make in all, while it lives.
thread_local double trips_around = 1;
struct Around {
  explicit Around(double trips) : before(trips_around) { trips_around = trips; }
  Around(const Around&) = delete;
  ~Around() { trips_around = before; }
  double before;
};

/// Loop: inputs M, condition, carried values…; the body maps (iteration, condition, carried…) to (condition, carried…, scans…).
ops::Kernel make_loop(std::shared_ptr<const Program> body, size_t carried_count, std::vector<at::Tensor> empty_scans, bool counted) {
  return [body, carried_count, empty_scans, counted](Inputs in, Outputs out) {
    const int64_t limit = in[0].defined() ? in[0].reshape({-1})[0].item<int64_t>() : INT64_MAX;
    bool go_on = !in[1].defined() || to_bool(in[1]);
    const double around = trips_around, trips = counted && go_on ? static_cast<double>(std::max<int64_t>(limit, 1)) : 1;
    if (around * trips > static_cast<double>(kMostTrips))
      throw Error(ErrorKind::Model, "",
                  "would not end: its condition stays true, and its trip count is " + std::to_string(limit) +
                      (around > 1 ? " in Loops of " + std::to_string(static_cast<int64_t>(around)) + " trips" : std::string()) +
                      ", expected at most " + std::to_string(kMostTrips) + " in all",
                  "export the model with a condition that is computed in the loop, or with a trip count");
    const Around nested(around * trips);
    std::vector<at::Tensor> carried(in.begin() + 2, in.begin() + 2 + static_cast<long>(carried_count));
    const Inputs captured = in.subspan(2 + carried_count);
    Scans scans(out.size() > carried_count ? out.size() - carried_count : 0, counted ? limit : 0);
    for (int64_t i = 0; i < limit && go_on; ++i) {
      std::vector<at::Tensor> own = {at::scalar_tensor(i, at::kLong), at::scalar_tensor(true, at::kBool)};
      own.insert(own.end(), carried.begin(), carried.end());
      Tensors results = run_body(*body, own, captured);
      go_on = to_bool(results.at(0));
      for (size_t k = 0; k < carried_count; ++k) carried[k] = results.at(1 + k);
      for (size_t k = 0; k < scans.size(); ++k) scans.keep(k, results.at(1 + carried_count + k));
    }
    for (size_t k = 0; k < carried_count && k < out.size(); ++k) out[k] = carried[k];
    for (size_t k = 0; k < scans.size(); ++k) out[carried_count + k] = scans[k].empty() ? empty_scans[k] : at::stack(scans[k]);
  };
}

struct ScanPlan {
  size_t states, scan_inputs;
  std::vector<int64_t> input_axes, input_reverse, output_axes, output_reverse;
};

ops::Kernel make_scan(std::shared_ptr<const Program> body, ScanPlan plan) {
  return [body, plan](Inputs in, Outputs out) {
    std::vector<at::Tensor> state(in.begin(), in.begin() + static_cast<long>(plan.states));
    const Inputs captured = in.subspan(plan.states + plan.scan_inputs);
    auto option = [](const std::vector<int64_t>& list, size_t k) { return k < list.size() ? list[k] : 0; };
    const int64_t length = in[plan.states].size(option(plan.input_axes, 0));
    Scans scans(out.size() - plan.states, length);
    for (int64_t t = 0; t < length; ++t) {
      std::vector<at::Tensor> own = state;
      for (size_t k = 0; k < plan.scan_inputs; ++k)
        own.push_back(in[plan.states + k].select(option(plan.input_axes, k), option(plan.input_reverse, k) ? length - 1 - t : t));
      Tensors results = run_body(*body, own, captured);
      for (size_t k = 0; k < plan.states; ++k) {
        TORCH_CHECK(results.at(k).sizes() == state[k].sizes(), "a state of a Scan keeps its shape: got ", to_string(results[k].sizes()),
                    " after ", to_string(state[k].sizes()));
        state[k] = results[k];
      }
      for (size_t k = 0; k < scans.size(); ++k) scans.keep(k, results.at(plan.states + k));
    }
    for (size_t k = 0; k < plan.states; ++k) out[k] = state[k];
    for (size_t k = 0; k < scans.size(); ++k) {
      if (option(plan.output_reverse, k)) std::reverse(scans[k].begin(), scans[k].end());
      if (scans[k].empty()) throw Error(ErrorKind::Unsupported, "", "Scan over an empty sequence");
      out[plan.states + k] = at::stack(scans[k], option(plan.output_axes, k));
    }
  };
}

}  // namespace

bool is_control_flow(const Node& node) { return node.is("If") || node.is("Loop") || node.is("Scan"); }

ops::Kernel make_control_flow(const Node& node, int64_t opset, const std::vector<std::string>& captured, const Graph& root,
                              at::Device device) {
  const size_t node_inputs = node.inputs().size(), node_outputs = node.outputs().size();
  if (node.is("If")) {
    auto yes = lower_attribute(node, "then_branch", root, captured, device),
         no = lower_attribute(node, "else_branch", root, captured, device);
    for (const auto& branch : {yes, no}) check_ends(node, *branch, captured.size(), 0, node_outputs);
    return make_if(std::move(yes), std::move(no));
  }
  auto body = lower_attribute(node, "body", root, captured, device);
  if (node.is("Loop")) {
    if (node_inputs < 2) throw Error(ErrorKind::Model, "node " + node.name, "inputs: got " + std::to_string(node_inputs) + ", expected 2");
    const size_t carried = node_inputs - 2;
    for (size_t k = 2; k < node_inputs; ++k)
      if (!node.input(k))
        throw Error(ErrorKind::Model, "node " + node.name + " (Loop)", "carried value " + std::to_string(k - 2) + " is missing");
    check_ends(node, *body, captured.size(), 2 + carried, 1 + std::max(carried, node_outputs));
    const auto& declared = node.attributes.get_graph("body")->outputs();
    std::vector<at::Tensor> empty_scans;
    for (size_t k = carried; k < node.outputs().size(); ++k)
      empty_scans.push_back(k + 1 < declared.size() ? empty_scan(*declared[k + 1]).to(device) : at::zeros({0}).to(device));
    return make_loop(body, carried, std::move(empty_scans), counts_alone(*node.attributes.get_graph("body")));
  }
  if (opset < 9) throw Error(ErrorKind::Unsupported, "node " + node.name, "Scan of opset 8 (with a batch axis)");
  ScanPlan plan;
  plan.scan_inputs = static_cast<size_t>(node.attributes.get_int("num_scan_inputs", 1));
  if (plan.scan_inputs == 0 || plan.scan_inputs > node.inputs().size())
    throw Error(ErrorKind::Model, "node " + node.name, "num_scan_inputs does not fit the inputs");
  plan.states = node.inputs().size() - plan.scan_inputs;
  if (node_outputs < plan.states)
    throw Error(ErrorKind::Model, "node " + node.name, "outputs: got " + std::to_string(node_outputs) + ", expected its states at least");
  check_ends(node, *body, captured.size(), node_inputs, node_outputs);
  plan.input_axes = node.attributes.get_ints("scan_input_axes");
  plan.input_reverse = node.attributes.get_ints("scan_input_directions");
  plan.output_axes = node.attributes.get_ints("scan_output_axes");
  plan.output_reverse = node.attributes.get_ints("scan_output_directions");
  return make_scan(body, plan);
}

}  // namespace ppq
