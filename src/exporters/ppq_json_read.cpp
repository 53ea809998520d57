#include "exporters/ppq_json_read.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "exporters/share_equal.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using Json = nlohmann::json;  // whose objects find their members by search trees

constexpr double kMostBits = 64;  // of the widest accumulators

bool is_one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// What a place of the operator holds.
SlotRole role_of(const Node& node, size_t index, bool output) {
  if (output) return SlotRole::Output;
  const Value& value = *node.input(index);
  if (!value.is_constant()) return SlotRole::Data;
  if (is_limit(node, index)) return SlotRole::Bound;
  if (is_bias(node, index)) return SlotRole::Bias;
  return is_weight(node, index) ? SlotRole::Weight : SlotRole::Constant;
}

class Reader {
 public:
  Reader(Graph& graph, const PlatformSpec& platform, const Json& json, bool fixed, std::string where)
      : graph_(graph), platform_(platform), json_(json), fixed_(fixed), where_(std::move(where)) {}

  EncodingsRead apply() {
    for (const char* section : {"configs", "values"})
      if (!json_[section].is_object()) fail("'" + std::string(section) + "': got " + json_[section].type_name() + ", expected an object");
    for (const auto& [name, numbers] : json_["values"].items()) values_.emplace(name, &numbers);
    for (const auto& [name, configs] : json_["configs"].items()) {
      if (!configs.is_object()) fail("'configs': '" + name + "': got " + configs.type_name() + ", expected an object");
      if (Node* node = graph_.find_node(name))
        take(*node);
      else
        read_.unknown.push_back(name);
    }
    if (!read_.unknown.empty() && read_.unknown.size() == json_["configs"].size()) not_of_this_model();
    // Rules look at neighbours.
    for (const auto& [name, configs] : json_["configs"].items())
      if (Node* node = graph_.find_node(name))
        for (const auto& [value, config] : configs.items()) place(*node, value, config);
    share_equal(graph_, platform_.fusion.activations);
    return std::move(read_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { throw Error(ErrorKind::Data, where_, problem); }
  [[noreturn]] void fail(const std::string& place, const std::string& problem) const {
    throw Error(ErrorKind::Data, where_ + ": " + place, problem);
  }

  [[noreturn]] void not_of_this_model() const {
    std::vector<std::string> names;
    for (const Node* node : graph_.nodes()) names.push_back(node->name);
    fail("the configuration is for another model: got '" + read_.unknown[0] + "' and " + std::to_string(read_.unknown.size() - 1) +
         " other names, none of them of this graph");
  }

  void take(Node& node) const {
    node.quantized = true;
    if (node.dispatch != Dispatch::ByPlatform || !platform_.computes(node)) node.dispatch = Dispatch::Quantized;
    node.input_quant.resize(node.inputs().size());
    node.output_quant.resize(node.outputs().size());
  }

  /// Every place of the node that has the value.
  void place(Node& node, const std::string& name, const Json& config) {
    const std::string spot = "node " + node.name + ", tensor " + name;
    bool found = false, quantized = false;
    const auto put = [&](const std::vector<Value*>& values, std::vector<TensorQuantPtr>& slots, bool output) {
      for (size_t i = 0; i < values.size(); ++i) {
        if (!values[i] || values[i]->name() != name) continue;
        slots[i] = quant_of(node, i, output, *values[i], config, spot);
        found = true, quantized |= slots[i] != nullptr;
      }
    };
    put(node.inputs(), node.input_quant, false);
    put(node.outputs(), node.output_quant, true);
    read_.applied += quantized;
    if (!found) read_.unknown.push_back(node.name + ": " + name);
  }

  const Json& key(const Json& object, const char* name, const std::string& spot) const {
    if (!object.is_object() || !object.contains(name)) fail(spot, "'" + std::string(name) + "' is missing");
    return object[name];
  }
  double number(const Json& object, const char* name, const std::string& spot) const {
    const Json& found = key(object, name, spot);
    if (!found.is_number()) fail(spot, "'" + std::string(name) + "': got " + found.type_name() + ", expected a number");
    return found.get<double>();
  }
  bool flag(const Json& policy, const char* name, const std::string& spot) const {
    const Json& found = key(policy, name, spot);
    if (!found.is_boolean()) fail(spot, "'" + std::string(name) + "': got " + found.type_name() + ", expected true or false");
    return found.get<bool>();
  }
  /// PPQ's numbers of places are integers of any size.
  std::string reference(const Json& config, const char* name, const std::string& spot) const {
    const Json& found = key(config, name, spot);
    if (!found.is_number_integer()) fail(spot, "'" + std::string(name) + "': got " + found.type_name() + ", expected an integer");
    return found.dump();
  }

  /// Null for float places, and for what holds no floats: PPQ gives conditions a quantization too.
  TensorQuantPtr quant_of(const Node& node, size_t index, bool output, const Value& value, const Json& config, const std::string& spot) {
    const Json& said = key(config, "state", spot);
    const std::string state = said.is_string() ? said.get<std::string>() : "";
    if (is_one_of(state, {"FP32", "SOI"}) || !may_be_float(value)) return nullptr;
    if (!is_one_of(state, {"ACTIVATED", "PASSIVE", "OVERLAPPED", "BAKED", "PASSIVE_BAKED"}))
      fail(spot, "'state': got " + said.dump() + ", expected ACTIVATED, PASSIVE, OVERLAPPED, BAKED, PASSIVE_BAKED or FP32",
           "finish the quantization before it is exported");
    const SlotRole role = role_of(node, index, output);
    const SlotRule* rule = platform_.rule_for(node, index, role);
    TensorQuant quant;
    quant.scheme = scheme_of(rule && rule->treatment != SlotRule::Treatment::Float ? rule->scheme : platform_.scheme(role), node, index,
                             role, value, config, spot);
    quant.params = params_of(config, quant.scheme, value, spot);
    const bool follows = role == SlotRole::Bias || role == SlotRole::Bound;
    // Rounding again what is stored rounded changes nothing, except for the many steps of a bias.
    quant.state = !follows ? QuantState::Active : state == "PASSIVE_BAKED" ? QuantState::PassiveBaked : QuantState::Passive;
    quant.exported = rule ? rule->exported : !follows;
    quant.fixed = fixed_;
    quant.observed = value.name();
    std::vector<TensorQuantPtr>& sharers = shared_[reference(config, "dominator", spot)];
    for (const TensorQuantPtr& other : sharers) {
      if (!same_quantization(*other, quant) || other->state != quant.state || value.is_constant()) continue;
      if (state == "ACTIVATED") other->observed = value.name();
      return other;
    }
    sharers.push_back(std::make_shared<TensorQuant>(quant));
    return sharers.back();
  }

  [[noreturn]] void fail(const std::string& place, const std::string& problem, const std::string& hint) const {
    throw Error(ErrorKind::Data, where_ + ": " + place, problem, hint);
  }

  QuantScheme scheme_of(QuantScheme scheme, const Node& node, size_t index, SlotRole role, const Value& value, const Json& config,
                        const std::string& spot) const {
    const Json& policy = key(config, "policy", spot);
    const double bits = number(config, "bit_width", spot);
    if (bits != std::floor(bits) || bits < 2 || bits > kMostBits)
      fail(spot, "'bit_width': got " + config["bit_width"].dump() + ", expected 2 to 64");
    scheme.bits = static_cast<int>(bits);
    scheme.quant_min = number(config, "quant_min", spot), scheme.quant_max = number(config, "quant_max", spot);
    if (!(scheme.quant_min < scheme.quant_max) || std::max(-scheme.quant_min, scheme.quant_max) > std::exp2(kMostBits))
      fail(spot, "range of integers: got " + config["quant_min"].dump() + ".." + config["quant_max"].dump());
    scheme.symmetric = flag(policy, "SYMMETRICAL", spot);
    scheme.power_of_two = flag(policy, "POWER_OF_2", spot);
    scheme.granularity = flag(policy, "PER_CHANNEL", spot) ? Granularity::PerChannel : Granularity::PerTensor;
    scheme.block_size = 0;
    if (flag(policy, "DYNAMIC", spot))
      throw Error(ErrorKind::Unsupported, where_ + ": " + spot, "scales that are found at run time are not simulated");
    const NumberFormat format = flag(policy, "FLOATING", spot) ? NumberFormat::Floating : NumberFormat::Linear;
    if (format == NumberFormat::Floating && scheme.format != format)
      throw Error(ErrorKind::Unsupported, where_ + ": " + spot,
                  "floating-point numbers: the file does not say their exponents, and platform " + platform_.name + " has none");
    scheme.format = format;
    if (format == NumberFormat::Linear &&
        (scheme.quant_min != std::floor(scheme.quant_min) || scheme.quant_max != std::floor(scheme.quant_max)))
      fail(spot,
           "'quant_min' and 'quant_max': got " + config["quant_min"].dump() + " and " + config["quant_max"].dump() + ", expected integers");
    scheme.axis = 0;
    if (scheme.granularity == Granularity::PerChannel && role != SlotRole::Bias)
      scheme.axis = role == SlotRole::Weight ? weight_channel_axis(node, index) : rank_of(value) > 1 ? 1 : 0;
    return scheme;
  }

  static int64_t rank_of(const Value& value) {
    return value.constant().defined() ? value.constant().dim() : value.shape ? static_cast<int64_t>(value.shape->size()) : 0;
  }

  at::Tensor tensor_of(const Json& value, const char* name, const QuantScheme& scheme, const std::string& spot) const {
    const Json& found = key(value, name, spot);
    const bool channels = scheme.granularity == Granularity::PerChannel;
    // A list of one channel may come as a number.
    const Json list = found.is_array() ? found : Json::array({found});
    if (list.empty() || (!channels && list.size() != 1)) fail(spot, "'" + std::string(name) + "': got a list, expected one number");
    std::vector<float> numbers;
    for (const Json& item : list) {
      if (!item.is_number()) fail(spot, "'" + std::string(name) + "': got " + item.type_name() + ", expected numbers");
      numbers.push_back(item.get<float>());
    }
    const at::Tensor tensor = at::tensor(numbers, at::kFloat);
    return channels ? tensor : tensor.reshape({});
  }

  QuantParams params_of(const Json& config, const QuantScheme& scheme, const Value& value, const std::string& spot) const {
    const std::string root = reference(config, "dominator", spot);
    const auto found = values_.find(root);
    if (found == values_.end()) fail(spot, "'dominator': got " + root + ", which 'values' does not have");
    const Json& numbers = *found->second;
    QuantParams params{tensor_of(numbers, "scale", scheme, spot), tensor_of(numbers, "zero_point", scheme, spot)};
    const int64_t count = params.scale.numel();
    if (params.offset.numel() != count) fail(spot, "'scale' and 'zero_point': got lists of different length");
    if (!at::isfinite(params.scale).all().item<bool>() || params.scale.le(0).any().item<bool>())
      fail(spot, "'scale': got " + numbers["scale"].dump() + ", expected positive numbers that float32 holds");
    if (!params.offset.eq(params.offset.round()).all().item<bool>() || params.offset.lt(scheme.quant_min).any().item<bool>() ||
        params.offset.gt(scheme.quant_max).any().item<bool>())
      fail(spot, "'zero_point': got " + numbers["zero_point"].dump() + ", expected integers of the range");
    if (scheme.symmetric && params.offset.ne(0).any().item<bool>())
      fail(spot, "'zero_point' of a symmetric tensor: got " + numbers["zero_point"].dump() + ", expected 0");
    if (scheme.granularity == Granularity::PerChannel) check_channels(value, scheme.axis, count, spot);
    return params;
  }

  void check_channels(const Value& value, int axis, int64_t count, const std::string& spot) const {
    int64_t channels = -1;
    if (value.constant().defined() && axis < value.constant().dim())
      channels = value.constant().size(axis);
    else if (value.shape && axis < static_cast<int>(value.shape->size()))
      channels = (*value.shape)[static_cast<size_t>(axis)].value;
    if (channels != count)
      fail(spot, "scales a channel: got " + std::to_string(count) + ", expected " + std::to_string(channels) + " (dimension " +
                     std::to_string(axis) + ")");
  }

  Graph& graph_;
  const PlatformSpec& platform_;
  const Json& json_;
  bool fixed_;
  std::string where_;
  EncodingsRead read_;
  std::unordered_map<std::string, const Json*> values_;
  std::unordered_map<std::string, std::vector<TensorQuantPtr>> shared_;
};

}  // namespace

std::vector<std::pair<std::string, double>> scales_of_ppq_config(const nlohmann::ordered_json& json) {
  using Json = nlohmann::ordered_json;
  std::vector<std::pair<std::string, double>> scales;
  std::unordered_map<std::string, const Json*> values;
  std::unordered_set<std::string> seen;
  for (const auto& [hash, numbers] : json["values"].items()) values.emplace(hash, &numbers);
  for (const auto& [node, configs] : json["configs"].items()) {
    for (const auto& [name, config] : configs.items()) {
      const Json state = config.is_object() ? config.value("state", Json()) : Json();
      if (!state.is_string() || is_one_of(state.get<std::string>(), {"FP32", "SOI", "BAKED", "PASSIVE_BAKED"}) || !seen.insert(name).second)
        continue;
      const auto found = values.find(config.value("dominator", Json()).dump());
      const Json scale = found != values.end() && found->second->is_object() ? found->second->value("scale", Json()) : Json();
      scales.emplace_back(name, scale.is_number() ? scale.get<double>() : 0);
    }
  }
  return scales;
}

EncodingsRead apply_ppq_config(Graph& graph, const PlatformSpec& platform, const Json& json, bool fixed, const std::string& where) {
  return Reader(graph, platform, json, fixed, where).apply();
}

}  // namespace ppq
