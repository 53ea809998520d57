#include "exporters/ppq_configs.h"

#include <ATen/ATen.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <unordered_map>

#include "executor/fused.h"
#include "exporters/json_members.h"
#include "exporters/table_format.h"
#include "graph/readers.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using Json = nlohmann::ordered_json;

struct Place {
  const Node* node;
  size_t index;
  bool output;
  const Value* value() const { return output ? node->output(index) : node->input(index); }
  TensorQuantPtr quant() const { return output ? node->quant_of_output(index) : node->quant_of_input(index); }
};

std::vector<Place> places_of(const Graph& graph) {
  std::vector<Place> places;
  for (const Node* node : graph.nodes()) {
    if (!node->quantized) continue;
    for (size_t i = 0; i < node->inputs().size(); ++i)
      if (node->input(i)) places.push_back({node, i, false});
    for (size_t i = 0; i < node->outputs().size(); ++i)
      if (node->output(i)) places.push_back({node, i, true});
  }
  return places;
}

bool is_passive_state(const TensorQuant& quant) { return quant.state == QuantState::Passive || quant.state == QuantState::PassiveBaked; }

class Roots {
 public:
  explicit Roots(const Graph& graph) : pinned_(graph), places_(places_of(graph)) {
    for (size_t i = 0; i < places_.size(); ++i) {
      const TensorQuantPtr quant = places_[i].quant();
      if (!shared(places_[i])) continue;
      all_.try_emplace(quant.get(), i);
      if (!rounds(places_[i])) continue;
      rounding_.insert(i);
      const auto [root, first] = roots_.try_emplace(quant.get(), i);
      // Whose numbers they are.
      if (!first && places_[i].value()->name() == quant->observed && places_[root->second].value()->name() != quant->observed)
        root->second = i;
    }
    for (const auto& [quant, place] : all_) roots_.try_emplace(quant, place);  // nobody rounds: the first one stands for all
  }

  std::vector<PpqConfig> configs() const {
    std::vector<PpqConfig> result;
    for (size_t i = 0; i < places_.size(); ++i) {
      const TensorQuantPtr quant = places_[i].quant();
      const auto own = static_cast<int64_t>(i + 1);
      PpqConfig config{places_[i].node, places_[i].value(), quant, "FP32", own, own};
      if (shared(places_[i])) {
        const size_t root = roots_.at(quant.get());
        config.state = i == root ? "ACTIVATED" : rounding_.count(i) ? "PASSIVE" : "OVERLAPPED";
        if (i != root && !rounding_.count(i)) config.dominator = static_cast<int64_t>(root + 1);
      } else if (quant) {
        config.state = state_alone(*quant);
      }
      result.push_back(config);
    }
    return result;
  }

 private:
  /// Computed tensors; parameters and what follows others have their numbers to themselves.
  static bool shared(const Place& place) {
    const TensorQuantPtr quant = place.quant();
    return quant && quant->params.defined() && !place.value()->is_constant() && !is_passive_state(*quant);
  }

  static const char* state_alone(const TensorQuant& quant) {
    if (quant.state == QuantState::PassiveBaked) return "PASSIVE_BAKED";
    if (quant.state == QuantState::Passive) return quant.params.defined() ? "PASSIVE" : "PASSIVE_INIT";
    if (!quant.params.defined() || quant.state == QuantState::Initial) return "INITIAL";
    return quant.state == QuantState::Baked ? "BAKED" : "ACTIVATED";
  }

  /// Whether the simulation rounds the tensor at this place.
  bool rounds(const Place& place) const {
    const TensorQuantPtr quant = place.quant();
    const Value& value = *place.value();
    if (place.output) return !(is_passive(*place.node) && place.node->quant_of_input(0) == quant) && !is_fused_interior(value, pinned_);
    const Node* producer = value.producer();
    if (producer && producer->quant_of_output(value.producer_index()) == quant) return false;
    // Of several readers the first.
    for (const Use& use : value.uses())
      if (use.node->quantized && use.node->quant_of_input(use.index) == quant) return use.node == place.node && use.index == place.index;
    return true;
  }

  const Pinned pinned_;
  const std::vector<Place> places_;
  std::set<size_t> rounding_;
  std::map<const TensorQuant*, size_t> roots_, all_;
};

/// The target's usual scheme, for places without one of their own.
const QuantScheme& scheme_of(const PpqConfig& config, const PlatformSpec& platform) {
  return config.quant ? config.quant->scheme : platform.scheme(SlotRole::Data);
}

Json policy_of(const QuantScheme& scheme) {
  return Json{{"PER_TENSOR", scheme.granularity == Granularity::PerTensor},
              {"PER_CHANNEL", scheme.granularity == Granularity::PerChannel},
              {"LINEAR", scheme.format == NumberFormat::Linear},
              {"FLOATING", scheme.format == NumberFormat::Floating},
              {"SYMMETRICAL", scheme.symmetric},
              {"ASYMMETRICAL", !scheme.symmetric},
              {"POWER_OF_2", scheme.power_of_two},
              {"DYNAMIC", scheme.dynamic}};
}

Json integer_or_real(double number) {
  const auto whole = static_cast<int64_t>(number);
  return static_cast<double>(whole) == number ? Json(whole) : Json(number);
}

/// A number of a tensor, a list of channels.
template <class Number>
Json spread(const std::vector<Number>& numbers, const QuantScheme& scheme) {
  return scheme.granularity == Granularity::PerTensor ? Json(numbers.at(0)) : Json(numbers);
}

}  // namespace

std::vector<PpqConfig> ppq_configs(const Graph& graph) { return Roots(graph).configs(); }

Json ppq_config_json(const Graph& graph, const PlatformSpec& platform, Json (*value_of)(const PpqConfig& config)) {
  std::unordered_map<const Node*, Json> of_nodes;
  Json configs = Json::object(), dispatchings = Json::object(), values = Json::object();
  for (const PpqConfig& config : ppq_configs(graph)) {
    const QuantScheme& scheme = scheme_of(config, platform);
    if (scheme.granularity == Granularity::PerBlock)
      throw Error(ErrorKind::Unsupported, "tensor " + config.value->name(),
                  "PPQ's JSON holds scales a tensor or a channel: got a scale a block");
    Json& of_node = of_nodes.try_emplace(config.node, Json::object()).first->second;
    if (of_node.contains(config.value->name())) continue;  // read twice: the first place says it
    of_node[config.value->name()] = Json{{"bit_width", scheme.bits},
                                         {"policy", policy_of(scheme)},
                                         {"state", config.state},
                                         {"quant_min", integer_or_real(scheme.quant_min)},
                                         {"quant_max", integer_or_real(scheme.quant_max)},
                                         {"hash", config.hash},
                                         {"dominator", config.dominator}};
    if (config.quant && config.dominator == config.hash) append(values, std::to_string(config.hash), value_of(config));
  }
  for (const Node* node : graph.nodes()) {
    if (!node->quantized) continue;
    append(configs, node->name, std::move(of_nodes.try_emplace(node, Json::object()).first->second));
    append(dispatchings, node->name, name_of(platform.id));
  }
  return Json{{"configs", configs}, {"dispatchings", dispatchings}, {"values", values}};
}

Json ppq_value(const PpqConfig& config) {
  const QuantParams& params = config.quant->params;
  if (!params.defined()) return Json{{"scale", nullptr}, {"zero_point", nullptr}};
  return Json{{"scale", spread(numbers_of(params.scale), config.quant->scheme)},
              {"zero_point", spread(zero_points_of(params), config.quant->scheme)}};
}

}  // namespace ppq
