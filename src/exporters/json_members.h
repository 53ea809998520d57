#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>

namespace ppq {

/// Adds a member to an object that has none of this key, without the search for it, which takes seconds where there are tens of thousands.
inline void append(nlohmann::ordered_json& object, std::string key, nlohmann::ordered_json value) {
  object.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(std::move(key), std::move(value));
}

/// An object in the order in which its keys came first; later values take the place of earlier ones.
class JsonMembers {
 public:
  bool has(const std::string& key) const { return places_.count(key) > 0; }
  void set(const std::string& key, nlohmann::ordered_json value) {
    auto& members = object_.get_ref<nlohmann::ordered_json::object_t&>();
    const auto [place, first] = places_.try_emplace(key, members.size());
    if (first)
      append(object_, key, std::move(value));
    else
      (members.begin() + static_cast<std::ptrdiff_t>(place->second))->second = std::move(value);
  }
  nlohmann::ordered_json take() { return std::move(object_); }

 private:
  nlohmann::ordered_json object_ = nlohmann::ordered_json::object();
  std::unordered_map<std::string, size_t> places_;
};

}  // namespace ppq
