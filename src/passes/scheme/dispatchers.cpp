#include <algorithm>
#include <deque>
#include <functional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "graph/readers.h"
#include "ops/op_facts.h"
#include "ppq/error.h"
#include "ppq/pass.h"

/// Which nodes are quantized, which stay float, which are shape-or-index arithmetic: one function a dispatcher, over node
/// sets that are closed by breadth-first walks.
namespace ppq {
namespace {

using Nodes = std::unordered_set<const Node*>;

class Dispatcher {
 public:
  Dispatcher(const Graph& graph, const PlatformSpec& platform) : graph_(graph), platform_(platform) {
    for (const Node* node : graph.nodes())
      if (is_computing(*node)) computing_.insert(node);
  }

  /// Quantized: what lies on value paths from computing operations down to the first operation the target cannot do.
  void conservative(bool any_type = false) {
    Nodes quantized = on_paths(any_type);
    add_movers_above(quantized);
    const Nodes extensions =
        close(computing_, [&](const Node& from, const Node& to, size_t) { return !is_generator(from) && !is_generator(to); });
    const Nodes indices = shape_or_index(quantized);
    for (Node* node : graph_.nodes()) {
      if (indices.count(node) && !extensions.count(node))
        node->dispatch = Dispatch::ShapeOrIndex;
      else
        node->dispatch = quantized.count(node) ? Dispatch::ByPlatform : Dispatch::Float;
    }
    follow_producers();
  }

  void pointwise() {
    conservative();
    for (Node* node : graph_.nodes())
      if (node->dispatch == Dispatch::ByPlatform && !computing_.count(node)) node->dispatch = Dispatch::Float;
  }

  void allin() {
    for (Node* node : graph_.nodes()) node->dispatch = quantizable(*node) ? Dispatch::ByPlatform : Dispatch::Float;
  }

  /// Quantized: what lies between Convs.
  void pplnn() {
    Nodes convs;
    for (const Node* node : computing_)
      if (node->is("Conv")) convs.insert(node);
    auto relay = [&](const Node& from, const Node& to, size_t index) { return quantizable(to) && carries(from, to, index); };
    const Nodes below = close(convs, relay), above = close_up(convs, [&](const Node&to, const Node&from, size_t index) {
                                               return quantizable(from) && carries(from, to, index);
                                             });
    Nodes quantized;
    for (const Node* node : below)
      if (above.count(node)) quantized.insert(node);
    const Nodes indices = shape_or_index(quantized);
    for (Node* node : graph_.nodes())
      node->dispatch = quantized.count(node) ? Dispatch::ByPlatform : indices.count(node) ? Dispatch::ShapeOrIndex : Dispatch::Float;
    follow_producers();
  }

  /// Closure of computing operations over data links in both directions, without what comes from non-quantizable sources.
  void perseus() {
    Nodes data = computing_;
    for (size_t before = 0; before != data.size();) {
      before = data.size();
      data = close(data, [&](const Node& from, const Node& to, size_t index) { return links(from, to, index); });
      data = close_up(data, [&](const Node& to, const Node& from, size_t index) { return links(from, to, index); });
    }
    Nodes sources;
    for (const Node* node : graph_.nodes()) {
      for (size_t j = 0; j < node->outputs().size(); ++j)
        if (node->output(j) && output_socket(*node, j) != Socket::Quantizable)
          for (const Use& use : node->output(j)->uses())
            if (input_socket(*use.node, use.index) == Socket::Quantizable) sources.insert(use.node);
      for (size_t i = 0; i < node->inputs().size(); ++i)
        if (node->input(i) && node->input(i)->producer() && input_socket(*node, i) == Socket::ShapeOrIndex)
          sources.insert(node->input(i)->producer());
    }
    // Through integers too: that is what shapes and indices are.
    const Nodes tainted = close(sources, [&](const Node& from, const Node& to, size_t index) {
      const Value* value = to.input(index);
      return output_socket(from, value->producer_index()) == Socket::Quantizable && carries_value(to, index) && !computing_.count(&to);
    });
    for (Node* node : graph_.nodes()) {
      const bool a = data.count(node), b = tainted.count(node);
      node->dispatch = a && !b ? Dispatch::ByPlatform : b && !a ? Dispatch::ShapeOrIndex : Dispatch::Float;
      if (is_generator(*node)) node->dispatch = Dispatch::ShapeOrIndex;
    }
  }

 private:
  using Rule = std::function<bool(const Node& from, const Node& to, size_t input)>;

  bool quantizable(const Node& node) const { return platform_.computes(node); }
  static bool is_generator(const Node& node) {
    static const std::set<std::string> types = {"Shape", "Size", "NonMaxSuppression", "ConstantOfShape", "TopK", "NonZero", "Range"};
    return types.count(node.op_type) > 0;
  }
  /// Data of `from` becomes data of `to` (PPQ's value tracing).
  static bool carries(const Node&, const Node& to, size_t index) { return carries_value(to, index); }
  static bool links(const Node& from, const Node& to, size_t index) {
    const Value* value = to.input(index);
    return value && output_socket(from, value->producer_index()) == Socket::Quantizable && carries_value(to, index) && may_be_float(*value);
  }
  static bool is_boundary(const Node& node) {
    bool has_source = false, has_reader = false;
    for (const Value* v : node.inputs()) has_source |= v && v->producer();
    for (const Value* v : node.outputs()) has_reader |= v && !v->uses().empty();
    return !has_source || !has_reader;
  }

  static Nodes close(const Nodes& seeds, const Rule& follow) {
    Nodes closed = seeds;
    std::deque<const Node*> queue(seeds.begin(), seeds.end());
    for (; !queue.empty(); queue.pop_front())
      for (const Value* value : queue.front()->outputs())
        if (value)
          for (const Use& use : value->uses())
            if (!closed.count(use.node) && follow(*queue.front(), *use.node, use.index)) closed.insert(use.node), queue.push_back(use.node);
    return closed;
  }
  /// `follow(reader, producer, input)`: from readers to producers.
  static Nodes close_up(const Nodes& seeds, const Rule& follow) {
    Nodes closed = seeds;
    std::deque<const Node*> queue(seeds.begin(), seeds.end());
    for (; !queue.empty(); queue.pop_front())
      for (size_t i = 0; i < queue.front()->inputs().size(); ++i) {
        const Value* value = queue.front()->input(i);
        const Node* producer = value ? value->producer() : nullptr;
        if (producer && !closed.count(producer) && follow(*queue.front(), *producer, i)) closed.insert(producer), queue.push_back(producer);
      }
    return closed;
  }

  /// Operations on value paths from a computing operation to an end point (a type the target cannot do, or a boundary).
  Nodes on_paths(bool any_type) const {
    auto ends = [&](const Node& node) { return (!any_type && !quantizable(node)) || is_boundary(node) || is_generator(node); };
    std::unordered_map<const Node*, std::vector<const Node*>> readers_back;
    Nodes reached = computing_, good;
    std::deque<const Node*> queue(computing_.begin(), computing_.end()), back;
    for (const Node* node : computing_)
      if (is_boundary(*node)) back.push_back(node), good.insert(node);
    for (; !queue.empty(); queue.pop_front()) {
      const Node* from = queue.front();
      for (const Value* value : from->outputs()) {
        if (!value) continue;
        for (const Use& use : value->uses()) {
          if (!carries(*from, *use.node, use.index)) continue;
          readers_back[use.node].push_back(from);
          if (ends(*use.node) && good.insert(use.node).second) back.push_back(use.node);
          if (!ends(*use.node) && reached.insert(use.node).second) queue.push_back(use.node);
        }
      }
    }
    for (; !back.empty(); back.pop_front())
      for (const Node* node : readers_back[back.front()])
        if (good.insert(node).second) back.push_back(node);
    Nodes quantized;
    for (const Node* node : good)
      if ((any_type || quantizable(*node)) && !is_generator(*node)) quantized.insert(node);
    return quantized;
  }

  /// Data movement in front of quantized operations only (a Pad before the first Conv): its input can carry their encoding,
  /// so the graph input gets one. PPQ leaves it in float.
  void add_movers_above(Nodes& quantized) const {
    const Pinned pinned(graph_);
    auto only_quantized_readers = [&](const Node& node) {
      for (const Value* value : node.outputs()) {
        if (!value) continue;
        if (value->uses().empty() || pinned(value)) return false;
        for (const Use& use : value->uses())
          if (!quantized.count(use.node) || input_socket(*use.node, use.index) != Socket::Quantizable) return false;
      }
      return true;
    };
    const auto nodes = graph_.nodes();
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node)
      if (!quantized.count(*node) && is_passive(**node) && quantizable(**node) && (*node)->input(0) && may_be_float(*(*node)->input(0)) &&
          only_quantized_readers(**node))
        quantized.insert(*node);
  }

  /// Producers of shapes and indices, what is computed from Shape and its like, and what feeds them.
  Nodes shape_or_index(const Nodes& quantized) const {
    Nodes seeds;
    for (const Node* node : graph_.nodes()) {
      if (is_generator(*node)) seeds.insert(node);
      for (size_t i = 0; i < node->inputs().size(); ++i) {
        const Value* value = node->input(i);
        if (!value || !value->producer()) continue;
        if (input_socket(*node, i) == Socket::ShapeOrIndex || !may_be_float(*value)) seeds.insert(value->producer());
      }
    }
    auto keeps = [&](const Node& node) { return !quantized.count(&node) && !computing_.count(&node); };
    Nodes found = close(seeds, [&](const Node& from, const Node& to, size_t index) {
      return keeps(to) && input_socket(to, index) == Socket::Quantizable && !is_boundary(to) && from.op_type != "TopK";
    });
    found = close_up(found, [&](const Node& to, const Node& from, size_t index) {
      return keeps(from) && !is_generator(to) && carries_value(to, index);
    });
    Nodes result;
    for (const Node* node : found)
      if (keeps(*node)) result.insert(node);
    return result;
  }

  /// Relu and Clip go with the operation before them; Shape and its like are index arithmetic, TopK and NMS float.
  void follow_producers() const {
    for (Node* node : graph_.nodes()) {
      if (is_generator(*node)) {
        node->dispatch = node->is("TopK") || node->is("NonMaxSuppression") ? Dispatch::Float : Dispatch::ShapeOrIndex;
        continue;
      }
      if (!node->is("Relu") && !node->is("Clip")) continue;
      const Value* value = node->input(0);
      if (value && value->producer()) node->dispatch = value->producer()->dispatch;
    }
  }

  const Graph& graph_;
  const PlatformSpec& platform_;
  Nodes computing_;
};

}  // namespace

Graph& dispatch_graph(Graph& graph, TargetPlatform platform, const std::string& dispatcher) {
  return dispatch_graph(graph, find_platform(platform), dispatcher);
}

Graph& dispatch_graph(Graph& graph, const PlatformSpec& platform, const std::string& dispatcher) {
  std::string name = dispatcher;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  Dispatcher rules(graph, platform);
  if (name == "conservative")
    rules.conservative();
  else if (name == "pointwise")
    rules.pointwise();
  else if (name == "allin")
    rules.allin();
  else if (name == "perseus" || name == "pursus")
    rules.perseus();
  else if (name == "pplnn")
    rules.pplnn();
  else if (name == "aggresive" || name == "aggressive")
    rules.conservative(/*any_type=*/true);
  else
    throw Error(ErrorKind::Usage, "dispatcher", "unknown dispatcher '" + dispatcher + "'",
                did_you_mean(dispatcher, {"conservative", "pointwise", "allin", "perseus", "pplnn", "aggressive"}));
  return graph;
}

}  // namespace ppq
