#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ppq/error.h"
#include "ppq/setting.h"
#include "setting/dispatching_json.h"
#include "setting/setting_fields.h"

namespace ppq {
namespace {

using nlohmann::json;
using setting_fields::Rule;

constexpr const char* kOldestPlainVersion = "0.6.6";

class Writer {
 public:
  json object = json::object();

  template <class T>
  void field(const char* name, T& member, const Rule& rule = {}) {
    if constexpr (std::is_same_v<T, std::string>) {
      if (rule.nullable && member.empty()) {
        object[name] = nullptr;
        return;
      }
    }
    object[name] = member;
  }
  template <class Group>
  void group(const char* name, Group& setting) {
    Writer inner;
    setting_fields::visit(inner, setting);
    object[name] = std::move(inner.object);
  }
};

/// Fills members from one JSON object; everything wrong is noted with its path, and the member keeps its default.
class Reader {
 public:
  Reader(const json& object, std::string path, std::vector<std::string>& errors, std::vector<std::string>& warnings)
      : object_(object), path_(std::move(path)), errors_(errors), warnings_(warnings) {}

  template <class T>
  void field(const char* name, T& member, const Rule& rule = {}) {
    if (const json* value = find(name)) read(*value, path_ + "." + name, member, rule);
  }
  template <class Group>
  void group(const char* name, Group& setting) {
    const json* value = find(name);
    if (!value) return;
    const std::string path = path_ + "." + name;
    if (!value->is_object()) return wrong(path, *value, "an object");
    Reader inner(*value, path, errors_, warnings_);
    setting_fields::visit(inner, setting);
    inner.report_unknown();
  }
  const json* find(const char* name) {
    known_.push_back(name);
    const auto it = object_.find(name);
    return it == object_.end() ? nullptr : &*it;
  }
  void report_unknown() {
    for (const auto& [key, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
      std::string text = path_ + "." + key + ": unknown key, ignored";
      const auto near = nearest_names(key, known_);
      for (size_t i = 0; i < near.size(); ++i) text += (i ? ", " : "; did you mean ") + near[i];
      warnings_.push_back(text + (near.empty() ? "" : "?"));
    }
  }

 private:
  void wrong(const std::string& path, const json& got, const std::string& expected) {
    errors_.push_back(path + ": got " + got.dump() + ", expected " + expected);
  }
  /// False, and noted, when the number is outside the rule.
  bool in_range(const json& value, const std::string& path, const Rule& rule) {
    const double number = value.get<double>();
    if (number >= rule.min && number <= rule.max) return true;
    char text[96];
    if (std::isinf(rule.max)) {
      std::snprintf(text, sizeof text, "at least %g", rule.min);
    } else {
      std::snprintf(text, sizeof text, "%g to %g", rule.min, rule.max);
    }
    wrong(path, value, text);
    return false;
  }

  void read(const json& value, const std::string& path, bool& member, const Rule&) {
    if (!value.is_boolean()) return wrong(path, value, "true or false");
    member = value.get<bool>();
  }
  void read(const json& value, const std::string& path, int& member, const Rule& rule) {
    constexpr double kMax = std::numeric_limits<int>::max();
    const bool whole = value.is_number() && std::trunc(value.get<double>()) == value.get<double>();
    if (!whole || std::abs(value.get<double>()) > kMax) return wrong(path, value, "a whole number");
    if (in_range(value, path, rule)) member = static_cast<int>(value.get<double>());
  }
  void read(const json& value, const std::string& path, double& member, const Rule& rule) {
    if (!value.is_number()) return wrong(path, value, "a number");
    if (in_range(value, path, rule)) member = value.get<double>();
  }
  void read(const json& value, const std::string& path, std::string& member, const Rule& rule) {
    if (value.is_null() && rule.nullable) {
      member.clear();
      return;
    }
    if (!value.is_string()) return wrong(path, value, rule.nullable ? "a string or null" : "a string");
    std::string text = value.get<std::string>(), compared = text;
    if (rule.any_case) {
      for (char& c : compared) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    if (!rule.choices.empty() && std::find(rule.choices.begin(), rule.choices.end(), compared) == rule.choices.end()) {
      std::string expected = "one of";
      for (const auto& choice : rule.choices) expected += " '" + choice + "'";
      const auto near = nearest_names(text, rule.choices, 1);
      return wrong(path, value, expected + (near.empty() ? "" : "; did you mean '" + near[0] + "'?"));
    }
    member = std::move(text);
  }
  void read(const json& value, const std::string& path, std::vector<std::string>& member, const Rule&) {
    if (!value.is_array()) return wrong(path, value, "a list of strings");
    std::vector<std::string> items;
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i].is_string()) {
        items.push_back(value[i].get<std::string>());
      } else {
        wrong(path + "[" + std::to_string(i) + "]", value[i], "a string");
      }
    }
    member = std::move(items);
  }
  template <class T>
  void read(const json& value, const std::string& path, std::map<std::string, T>& member, const Rule& rule) {
    if (!value.is_object()) return wrong(path, value, "an object");
    member.clear();
    for (const auto& [key, item] : value.items()) {
      T element{};
      const size_t before = errors_.size();
      read(item, path + "." + key, element, rule);
      if (errors_.size() == before) member[key] = element;
    }
  }

  const json& object_;
  std::string path_;
  std::vector<std::string>& errors_;
  std::vector<std::string>& warnings_;
  std::vector<std::string> known_;
};

/// "0.10.2" as {0, 10, 2}; nullopt when it is no version.
std::optional<std::array<int, 3>> parse_version(const std::string& text) {
  std::array<int, 3> parts{};
  const int found = std::sscanf(text.c_str(), "%d.%d.%d", &parts[0], &parts[1], &parts[2]);
  return found >= 2 ? std::optional(parts) : std::nullopt;
}

void check_version(bool present, const std::string& version, std::vector<std::string>& warnings) {
  if (!present) {
    warnings.push_back("$.version: missing; read as a file of PPQ " + std::string(kOldestPlainVersion));
    return;
  }
  const auto parts = parse_version(version);
  if (!parts) {
    warnings.push_back("$.version: got '" + version + "', expected a version like " + kOldestPlainVersion);
  } else if (*parts < *parse_version(kOldestPlainVersion)) {
    warnings.push_back("$.version: written by PPQ " + version + ", older than " + kOldestPlainVersion +
                       "; fields may have had another meaning");
  }
}

void check_combinations(const QuantizationSetting& setting, std::vector<std::string>& errors, std::vector<std::string>& warnings) {
  if (setting.weight_split && setting.weight_split_setting.interested_layers.empty()) {
    errors.push_back("$.weight_split_setting.interested_layers: got [], expected the layers to split (weight_split is true)");
  }
  if (setting.matrix_factorization) {
    warnings.push_back("$.matrix_factorization: has no effect (PPQ took it out in 0.6.5)");
  }
}

}  // namespace

std::string QuantizationSetting::to_json() const {
  QuantizationSetting copy = *this;
  Writer writer;
  setting_fields::visit(writer, copy);
  writer.object["extension_setting"] = {{"my_first_parameter", "For passes of your own; nothing here reads it."}};
  writer.object["dispatching_table"] = dispatching_to_json(dispatching_table);
  return writer.object.dump(4);
}

QuantizationSetting QuantizationSetting::from_json(const std::string& text, std::vector<std::string>* warnings) {
  std::vector<std::string> errors, notes;
  json document;
  try {
    document = json::parse(text);
  } catch (const json::parse_error& error) {
    throw Error(ErrorKind::Usage, "setting", std::string("not JSON: ") + error.what());
  }
  if (!document.is_object()) {
    throw Error(ErrorKind::Usage, "setting", "got a JSON " + std::string(document.type_name()) + ", expected an object");
  }
  QuantizationSetting setting;
  Reader reader(document, "$", errors, notes);
  setting_fields::visit(reader, setting);
  if (const json* table = reader.find("dispatching_table")) {
    setting.dispatching_table = dispatching_from_json(*table, "$.dispatching_table", errors);
  }
  if (const json* extension = reader.find("extension_setting"); extension && !extension->is_object()) {
    errors.push_back("$.extension_setting: got " + extension->dump() + ", expected an object");
  }
  reader.report_unknown();
  check_version(document.contains("version"), setting.version, notes);
  check_combinations(setting, errors, notes);
  if (!errors.empty()) {
    std::string problem = errors.size() == 1 ? "a wrong value: " : std::to_string(errors.size()) + " wrong values: ";
    for (size_t i = 0; i < errors.size(); ++i) problem += (i ? "; " : "") + errors[i];
    throw Error(ErrorKind::Usage, "setting", problem);
  }
  if (warnings) warnings->insert(warnings->end(), notes.begin(), notes.end());
  return setting;
}

}  // namespace ppq
