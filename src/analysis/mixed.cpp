#include "analysis/mixed.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace ppq {
namespace {

using Json = nlohmann::ordered_json;

Json point_to_json(const MixedPoint& point) {
  return {{"layers", point.layers},
          {"snr", point.noise},
          {"top1_agreement", point.agreement ? Json(*point.agreement) : Json()},
          {"macs_share", point.macs_share}};
}

Json layer_to_json(const LayerSensitivity& layer) {
  return {{"name", layer.name},
          {"type", layer.type},
          {"snr_alone", layer.error},
          {"snr_of_activations", layer.activations},
          {"macs_share", layer.macs_share}};
}

}  // namespace

Json to_json(const MixedPrecision& mixed) {
  Json json = {{"budget", mixed.budget}, {"met", mixed.met}, {"layers", Json::array()}};
  for (const MixedPrecision::Layer& layer : mixed.layers) {
    Json one = layer_to_json(layer.sensitivity);
    one["bits"] = layer.to_float ? Json("float") : Json(16);
    json["layers"].push_back(std::move(one));
  }
  json["macs_share"] = mixed.after.macs_share;
  json["options"] = mixed.options;
  json["before"] = point_to_json(mixed.before);
  json["after"] = point_to_json(mixed.after);
  json["curve"] = Json::array();
  for (const MixedPoint& point : mixed.curve) json["curve"].push_back(point_to_json(point));
  json["seconds"] = mixed.seconds;
  return json;
}

Json to_json(const std::vector<LayerSensitivity>& layers) {
  Json json = Json::array();
  for (const LayerSensitivity& layer : layers) {
    json.push_back(layer_to_json(layer));
    json.back()["try"] = advice(layer);
  }
  return json;
}

std::string to_summary(const MixedPrecision& mixed) {
  char line[256];
  if (mixed.layers.empty()) {
    std::snprintf(line, sizeof line, "%s: %s, noise/signal %.3g\n", mixed.budget.c_str(),
                  mixed.met ? "met as it is, no layer was moved" : "not met, no layer was moved", mixed.before.noise);
    return "mixed precision, " + std::string(line);
  }
  const size_t floats = static_cast<size_t>(
      std::count_if(mixed.layers.begin(), mixed.layers.end(), [](const MixedPrecision::Layer& layer) { return layer.to_float; }));
  const size_t wide = mixed.layers.size() - floats;
  std::string moved = wide > 0 ? std::to_string(wide) + " layer(s) at 16 bits" : "";
  if (floats > 0) moved += (wide > 0 ? " and " : "") + std::to_string(floats) + (wide > 0 ? " in float" : " layer(s) in float");
  std::snprintf(line, sizeof line, " (%.1f %% of MACs), noise/signal %.3g -> %.3g", 100 * mixed.after.macs_share, mixed.before.noise,
                mixed.after.noise);
  return "mixed precision, " + mixed.budget + (mixed.met ? ": met by " : ": not met by ") + moved + line +
         "\nthe same without a search: " + mixed.options + "\n";
}

}  // namespace ppq
