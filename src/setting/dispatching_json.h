#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ppq {

/// The "dispatching_table" object of a settings file: explanations, PPQ's seven example rows, and the user's rows.
nlohmann::json dispatching_to_json(const std::map<std::string, int>& table);
/// Platform numbers or names by operation name; the example rows are left out. Faults go to `errors` with their JSON path.
std::map<std::string, int> dispatching_from_json(const nlohmann::json& object, const std::string& path, std::vector<std::string>& errors);

}  // namespace ppq
