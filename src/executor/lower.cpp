#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "executor/fused.h"
#include "executor/program.h"
#include "graph/readers.h"
#include "ops/expendable.h"
#include "ppq/error.h"
#include "ppq/quant.h"
#include "quant/fake_quantize.h"

namespace ppq {
namespace {

enum class Place { Device, Host };

bool is_integer_like(const Value& value) {
  switch (value.dtype) {
    case DataType::Int64:
    case DataType::Int32:
    case DataType::Bool:
    case DataType::UInt8:
    case DataType::Int8:
    case DataType::Int16:
    case DataType::UInt16:
    case DataType::UInt32:
    case DataType::UInt64:
      return true;
    default:
      return false;
  }
}

class Lowering {
 public:
  Lowering(const Graph& graph, const Graph& root, const LowerOptions& options, std::vector<std::string> captured, bool host_apart)
      : graph_(graph),
        pinned_(graph),
        root_(root),
        options_(options),
        captured_(std::move(captured)),
        host_apart_(host_apart),
        program_(std::make_shared<Program>()) {
    program_->device = options.device;
  }

  std::shared_ptr<const Program> run() {
    find_needed();
    place_values();
    for (const Value* value : graph_.inputs())
      if (!value->is_constant()) add_input(*value);
    for (const std::string& name : captured_)
      if (const Value* value = graph_.find_value(name))
        add_input(*value);
      else
        add_hidden_input(name);
    for (const Node* node : graph_.nodes())
      if (needed_.count(node)) lower_node(*node);
    for (const Value* value : requested()) program_->outputs.emplace_back(value->name(), final_slot(*value));
    resolve_watches();
    find_deaths();
    return program_;
  }

 private:
  std::vector<const Value*> requested() const {
    if (!options_.outputs.empty()) return options_.outputs;
    return {graph_.outputs().begin(), graph_.outputs().end()};
  }

  /// Nodes that a requested or watched value depends on.
  void find_needed() {
    std::vector<const Value*> stack = requested();
    stack.insert(stack.end(), options_.watch.begin(), options_.watch.end());
    std::unordered_set<const Value*> seen;
    while (!stack.empty()) {
      const Value* value = stack.back();
      stack.pop_back();
      if (!seen.insert(value).second || !value->producer()) continue;
      if (!needed_.insert(value->producer()).second) continue;
      for (const Value* input : graph_.implicit_and_explicit_inputs(*value->producer())) stack.push_back(input);
    }
  }

  /// Shape-or-index arithmetic stays on the host: outputs of Shape, and what is computed from host integers alone.
  void place_values() {
    if (!host_apart_) return;
    for (const Node* node : graph_.nodes()) {
      const ops::OpRow* row = ops::find_op(*node, root_.opset(node->domain));
      bool host = row && row->host_outputs;
      if (!host && row) {
        bool any = false, all = true;
        for (const Value* v : node->inputs()) {
          if (!v) continue;
          any |= host_values_.count(v) > 0;
          all &= host_values_.count(v) > 0 || (v->is_constant() && (is_integer_like(*v) || v->constant().numel() <= 8));
        }
        host = any && all;
      }
      if (!host) continue;
      host_nodes_.insert(node);
      for (const Value* v : node->outputs())
        if (v) host_values_.insert(v);
    }
  }

  int new_slot() {
    program_->initial.emplace_back();
    return static_cast<int>(program_->initial.size()) - 1;
  }

  void add_input(const Value& value) {
    const int slot = new_slot();
    program_->inputs.push_back({value.name(), slot, value.dtype, value.shape});
    raw_[&value] = slot;
  }

  /// Captured by a sub-graph of this sub-graph only: it has no Value here.
  void add_hidden_input(const std::string& name) {
    const int slot = new_slot();
    program_->inputs.push_back({name, slot, DataType::Undefined, std::nullopt});
    hidden_[name] = slot;
  }

  int add_step(ops::Kernel kernel, std::vector<int> inputs, std::vector<int> outputs, std::string where) {
    program_->steps.push_back({std::move(kernel), std::move(inputs), std::move(outputs), {}, {}, std::move(where), ""});
    return static_cast<int>(program_->steps.size()) - 1;
  }

  /// Slot of a constant as stored, or rounded by `quant`, on its place.
  /// `format`: how a 4-dimensional constant lies in memory.
  int constant_slot(const Value& value, const TensorQuantPtr& quant, Place place, at::MemoryFormat format = at::MemoryFormat::Contiguous) {
    auto key = std::make_tuple(&value, quant.get(), place, format);
    auto it = constants_.find(key);
    if (it != constants_.end()) return it->second;
    if (!value.constant().defined())
      throw Error(ErrorKind::Unsupported, "constant " + value.name(),
                  std::string("element type ") + name_of(value.dtype) + " cannot be computed with");
    at::Tensor tensor = value.constant();
    if (quant) tensor = fake_quantize(tensor, *quant);
    if (place == Place::Device) tensor = tensor.to(options_.device);
    if (format != at::MemoryFormat::Contiguous) tensor = tensor.contiguous(format);
    const int slot = new_slot();
    program_->initial[slot] = tensor;
    return constants_[key] = slot;
  }

  bool simulates(const TensorQuantPtr& quant, bool parameter) const {
    if (!quant || !quant->params.defined()) return false;
    if (options_.mode == ExecutionMode::Simulated) return quant->simulated();
    return parameter && options_.quantize_parameters && quant->state == QuantState::Active;
  }

  int quantize_step(int slot, const TensorQuantPtr& quant, Place place, const std::string& where) {
    const int result = new_slot();
    const QuantScheme scheme = quant->scheme;
    const at::Device device = place == Place::Host ? at::Device(at::kCPU) : options_.device;
    QuantParams params = quant->params;
    params.scale = params.scale.to(device);
    if (params.offset.defined()) params.offset = params.offset.to(device);
    add_step(
        [scheme, params](ops::Inputs in, ops::Outputs out) {
          if (!in[0].is_floating_point())
            out[0] = in[0];
          else if (ops::expendable(in[0]))
            fake_quantize_(out[0] = ops::overwrite(in[0]), scheme, params);
          else
            out[0] = fake_quantize(in[0], scheme, params);
        },
        {slot}, {result}, where + " (fake quantization)");
    return result;
  }

  /// Slot of a computed value after the quantization at its producer.
  int produced_slot(const Value& value) {
    auto it = quantized_.find(&value);
    if (it != quantized_.end()) return it->second;
    auto raw = raw_.find(&value);
    if (raw == raw_.end()) throw Error(ErrorKind::Model, "value " + value.name(), "is read before it is computed");
    return raw->second;
  }

  int final_slot(const Value& value) {
    return value.is_constant() && !raw_.count(&value) ? constant_slot(value, nullptr, Place::Device) : produced_slot(value);
  }

  int input_slot(const Node& node, size_t index, Place place) {
    const Value* value = node.input(index);
    if (!value) return kNoSlot;
    const TensorQuantPtr quant = node.quant_of_input(index);
    if (value->is_constant() && !raw_.count(value))
      return constant_slot(*value, simulates(quant, true) ? quant : nullptr, place, wanted_format(node, index, *value));
    int slot = produced_slot(*value);
    const bool on_host = host_values_.count(value) && place == Place::Host;
    if (host_values_.count(value) && !on_host) slot = copy_slot(*value, slot);
    if (!simulates(quant, false)) return slot;
    const Node* producer = value->producer();
    if (producer && producer->quant_of_output(value->producer_index()) == quant) return slot;
    auto key = std::make_tuple(value, quant.get(), on_host);
    auto it = requantized_.find(key);
    if (it != requantized_.end()) return it->second;
    return requantized_[key] = quantize_step(slot, quant, on_host ? Place::Host : Place::Device, "value " + value->name());
  }

  /// Two-dimensional convolutions run channels-last where that is quicker: a weight that lies so makes LibTorch compute, and leave
  /// its output, that way, and what follows keeps it.
  at::MemoryFormat wanted_format(const Node& node, size_t index, const Value& value) const {
    const at::Tensor& weight = value.constant();
    return prefers_channels_last(options_.device) && index == 1 && node.is("Conv") && weight.defined() && weight.dim() == 4 &&
                   weight.is_floating_point()
               ? at::MemoryFormat::ChannelsLast
               : at::MemoryFormat::Contiguous;
  }

  int copy_slot(const Value& value, int slot) {
    auto it = copies_.find(&value);
    if (it != copies_.end()) return it->second;
    const int result = new_slot();
    const at::Device device = options_.device;
    add_step([device](ops::Inputs in, ops::Outputs out) { out[0] = in[0].to(device, /*non_blocking=*/true); }, {slot}, {result},
             "value " + value.name() + " (copy to device)");
    return copies_[&value] = result;
  }

  void lower_node(const Node& node) {
    const std::string where = node.name + " (" + node.op_type + ")";
    const int64_t opset = root_.opset(node.domain);
    std::vector<std::string> captured;
    ops::Kernel kernel;
    const ops::OpRow* row = nullptr;
    if (is_control_flow(node)) {
      captured = captured_names(node);
      kernel = make_control_flow(node, opset, captured, root_, options_.device);
    } else {
      row = ops::find_op(node, opset);
      if (!row) check_supported(graph_);
      if (!row) throw Error(ErrorKind::Unsupported, "node " + where, "operator is not known");
      if (const size_t least = ops::least_inputs(node); node.inputs().size() < least)
        throw Error(ErrorKind::Model, "node " + where,
                    "inputs: got " + std::to_string(node.inputs().size()) + ", expected at least " + std::to_string(least));
      kernel = with_error_context(ErrorKind::Model, "node " + where, [&] { return row->make({node, opset}); });
    }
    std::vector<int> inputs, outputs;
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      const bool host = host_nodes_.count(&node) || (row && i < 32 && (row->host_inputs >> i & 1));
      inputs.push_back(input_slot(node, i, host ? Place::Host : Place::Device));
    }
    for (const std::string& name : captured) inputs.push_back(captured_slot(name));
    for (const Value* value : node.outputs()) {
      if (!value) {
        outputs.push_back(kNoSlot);
        continue;
      }
      outputs.push_back(new_slot());
      raw_[value] = outputs.back();
    }
    const int step = add_step(std::move(kernel), std::move(inputs), std::move(outputs), where);
    if (node.output()) program_->steps.back().makes = node.output()->name();
    for (size_t i = 0; i < node.outputs().size(); ++i)
      if (const Value* value = node.output(i)) {
        computed_after_[value] = step;
        quantize_output(node, i, *value);
      }
  }

  void quantize_output(const Node& node, size_t index, const Value& value) {
    const TensorQuantPtr quant = node.quant_of_output(index);
    if (!simulates(quant, false)) return;
    // Elements that were only moved are on the grid already.
    if (is_passive(node) && node.quant_of_input(0) == quant) return;
    if (is_fused_interior(value, pinned_)) return;
    const Place place = host_values_.count(&value) ? Place::Host : Place::Device;
    quantized_[&value] = quantize_step(raw_.at(&value), quant, place, "value " + value.name());
    quantized_after_[&value] = static_cast<int>(program_->steps.size()) - 1;
  }

  std::vector<std::string> captured_names(const Node& node) const {
    std::vector<std::string> names;
    for (const Graph* body : sub_graphs(node))
      for (const std::string& name : body->outer_names())
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    return names;
  }

  int captured_slot(const std::string& name) {
    auto hidden = hidden_.find(name);
    if (hidden != hidden_.end()) return hidden->second;
    const Value* value = graph_.find_value(name);
    if (!value) throw Error(ErrorKind::Model, "graph " + graph_.name, "a sub-graph reads '" + name + "', which nothing defines");
    return final_slot(*value);
  }

  void resolve_watches() {
    for (size_t i = 0; i < options_.watch.size(); ++i) {
      const Value* value = options_.watch[i];
      if (value->is_constant() && !raw_.count(value)) {
        program_->watches.push_back({-1, constant_slot(*value, nullptr, Place::Device), i});
        continue;
      }
      const bool quantized = options_.watch_quantized && quantized_.count(value);
      auto after = quantized ? quantized_after_.find(value) : computed_after_.find(value);
      const int step = after == (quantized ? quantized_after_.end() : computed_after_.end()) ? -1 : after->second;
      program_->watches.push_back({step, quantized ? quantized_.at(value) : raw_.at(value), i});
    }
    std::stable_sort(program_->watches.begin(), program_->watches.end(), [](const Watch& a, const Watch& b) { return a.after < b.after; });
  }

  void find_deaths() {
    std::vector<int> last(program_->initial.size(), -1);
    std::vector<bool> keep(program_->initial.size(), false);
    for (size_t slot = 0; slot < keep.size(); ++slot) keep[slot] = program_->initial[slot].defined();
    for (const auto& [name, slot] : program_->outputs) keep[slot] = true;
    for (int s = 0; s < static_cast<int>(program_->steps.size()); ++s) {
      for (int slot : program_->steps[s].inputs)
        if (slot != kNoSlot) last[slot] = s;
      for (int slot : program_->steps[s].outputs)
        if (slot != kNoSlot) last[slot] = std::max(last[slot], s);
    }
    for (size_t slot = 0; slot < last.size(); ++slot)
      if (last[slot] >= 0 && !keep[slot]) {
        Step& step = program_->steps[last[slot]];
        const int number = static_cast<int>(slot);
        const bool unread = std::find(step.outputs.begin(), step.outputs.end(), number) != step.outputs.end();
        (unread ? step.dies_unread : step.dies).push_back(number);
      }
  }

  const Graph& graph_;
  const Pinned pinned_;
  const Graph& root_;
  const LowerOptions& options_;
  std::vector<std::string> captured_;
  bool host_apart_;  ///< the host is not the device
  std::shared_ptr<Program> program_;
  std::unordered_set<const Node*> needed_, host_nodes_;
  std::unordered_set<const Value*> host_values_;
  std::unordered_map<const Value*, int> raw_, quantized_, copies_, computed_after_, quantized_after_;
  std::unordered_map<std::string, int> hidden_;
  std::map<std::tuple<const Value*, const TensorQuant*, Place, at::MemoryFormat>, int> constants_;
  std::map<std::tuple<const Value*, const TensorQuant*, bool>, int> requantized_;
};

}  // namespace

std::shared_ptr<const Program> lower(const Graph& graph, const LowerOptions& options) {
  prepare_device(options.device);
  return Lowering(graph, graph, options, {}, !options.device.is_cpu()).run();
}

std::shared_ptr<const Program> lower_with_host_apart(const Graph& graph, const LowerOptions& options) {
  prepare_device(options.device);
  return Lowering(graph, graph, options, {}, true).run();
}

std::shared_ptr<const Program> lower_subgraph(const Graph& body, const Graph& root, const std::vector<std::string>& captured,
                                              at::Device device) {
  LowerOptions options;
  options.device = device;
  return Lowering(body, root, options, captured, !device.is_cpu()).run();
}

}  // namespace ppq
