#include <nlohmann/json.hpp>

#include "fuzz/mutant.h"

namespace ppq::fuzz {
namespace {

using nlohmann::json;

/// A place in the document, deeper ones as likely as high ones.
json* some_place(json& root, Random& random) {
  json* place = &root;
  while (place->is_structured() && !place->empty() && !random.one_in(6)) {
    auto it = place->begin();
    std::advance(it, random.below(place->size()));
    place = &*it;
  }
  return place;
}

void change(json& root, Random& random) {
  const json values[] = {nullptr,
                         true,
                         "",
                         "False",
                         "x",
                         0,
                         -1,
                         1,
                         2,
                         4,
                         32,
                         33,
                         255,
                         -255,
                         1e308,
                         -1e308,
                         1e-320,
                         0.5,
                         INT64_MAX,
                         INT64_MIN,
                         UINT64_MAX,
                         json::array(),
                         json::object(),
                         json::array({1, "a"})};
  json& place = *some_place(root, random);
  if (!place.is_structured() || random.one_in(3))
    place = random.pick(values);
  else if (place.is_array() && !place.empty() && random.one_in(2))
    place.push_back(place[random.below(place.size())]);
  else if (place.is_array() && !place.empty())
    place.erase(random.below(place.size()));
  else if (place.is_object() && !place.empty()) {
    auto it = place.begin();
    std::advance(it, random.below(place.size()));
    if (random.one_in(2))
      place.erase(it);
    else
      place["other"] = *it;
  }
}

}  // namespace

std::string spoil_table(std::string table, Random random) {
  if (table.empty()) return table;
  if (random.one_in(10)) {
    const std::string nested(1 + random.below(100000), random.one_in(2) ? '[' : '{');
    return table.substr(0, random.below(table.size())) + (random.one_in(2) ? nested : "");
  }
  json root = json::parse(table);
  for (size_t count = 1 + random.below(3); count > 0; --count) change(root, random);
  return root.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace ppq::fuzz
