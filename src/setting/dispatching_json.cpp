#include "setting/dispatching_json.h"

#include "ppq/error.h"
#include "ppq/platform.h"

namespace ppq {
namespace {

using nlohmann::json;

/// Rows PPQ writes into every file to show the format. The first spelling is PPQ's own.
const json& example_rows() {
  static const json rows = {{"YOUR OEPRATION NAME", "TARGET PLATFORM(INT)"},
                            {"FP32 OPERATION NAME", 0},
                            {"SOI OPERATION NAME", -1},
                            {"DSP INT8 OPERATION NAME", 301},
                            {"TRT INT8 OPERATION NAME", 101},
                            {"NXP INT8 OPERATION NAME", 501},
                            {"PPL INT8 OPERATION NAME", 201}};
  return rows;
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const auto& [name, id] : target_platforms()) names.push_back(name);
  return names;
}

bool is_target(int64_t number) {
  for (const auto& [name, id] : target_platforms()) {
    if (static_cast<int64_t>(id) == number) return true;
  }
  return false;
}

}  // namespace

json dispatching_to_json(const std::map<std::string, int>& table) {
  json rows = example_rows();
  for (const auto& [name, platform] : table) rows[name] = platform;
  return {{"intro_0", "Sends single operations to a platform of your choice, after the dispatcher has run."},
          {"intro_1", "Each row of 'dispatchings' is an operation name and a platform: its number or its name."},
          {"intro_2", "0 (FP32) keeps an operation in float, -1 (SOI) marks shape or index arithmetic."},
          {"attention", "The rows here are examples; operations that the graph does not have are skipped."},
          {"dispatchings", rows}};
}

std::map<std::string, int> dispatching_from_json(const json& object, const std::string& path, std::vector<std::string>& errors) {
  std::map<std::string, int> table;
  if (!object.is_object()) {
    errors.push_back(path + ": got " + object.dump() + ", expected an object");
    return table;
  }
  const auto rows = object.find("dispatchings");
  if (rows == object.end()) return table;
  const std::string rows_path = path + ".dispatchings";
  if (!rows->is_object()) {
    errors.push_back(rows_path + ": got " + rows->dump() + ", expected an object of operation names");
    return table;
  }
  for (const auto& [operation, value] : rows->items()) {
    if (example_rows().contains(operation)) continue;
    const std::string row_path = rows_path + "." + operation;
    if (value.is_number_integer() && is_target(value.get<int64_t>())) {
      table[operation] = value.get<int>();
    } else if (value.is_string()) {
      const auto platform = parse_target_platform(value.get<std::string>());
      if (platform) {
        table[operation] = static_cast<int>(*platform);
      } else {
        errors.push_back(row_path + ": got " + value.dump() + ", expected a platform; " +
                         did_you_mean(value.get<std::string>(), target_names()));
      }
    } else {
      errors.push_back(row_path + ": got " + value.dump() + ", expected a platform number or name");
    }
  }
  return table;
}

}  // namespace ppq
