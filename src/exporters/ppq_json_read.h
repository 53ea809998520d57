#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "exporters/exporter.h"

namespace ppq {

/// Whether a file's object is PPQ's configuration ("configs" and "values").
template <class Json>
bool is_ppq_config(const Json& json) {
  return json.is_object() && json.contains("configs") && json.contains("values");
}
/// Puts PPQ's configuration onto the graph's slots (see read_encodings): the file's nodes are computed in integers, places that it does
/// not name stay as they are, and FP32 ones become float. Axes and rounding, which it does not say, are the operator's and the platform's.
EncodingsRead apply_ppq_config(Graph& graph, const PlatformSpec& platform, const nlohmann::json& json, bool fixed,
                               const std::string& where);

/// Computed tensors of the file in its order, once each, with their scales; 0 where they have none, or one a channel.
std::vector<std::pair<std::string, double>> scales_of_ppq_config(const nlohmann::ordered_json& json);

}  // namespace ppq
