// Reading encodings of every version, PPQ's own five-key files, and files that only say bitwidth, min and max.
#include <cmath>
#include <nlohmann/json.hpp>

#include "exporters/qualcomm/encoding.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using Json = nlohmann::ordered_json;

class Parser {
 public:
  Parser(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  EncodingFile parse() {
    if (!json_.is_object()) fail("got no object, expected an encodings file");
    const std::string version = json_.contains("version") ? text(json_["version"], "version") : guessed_version();
    EncodingFile file;
    if (version.starts_with("0.4") || version.starts_with("0.5") || version.starts_with("0.6")) {
      file.version = "0.6.1";
      sections(
          [&](const std::string& name, const Json& value, bool parameter) { file.encodings.push_back(entry_061(name, value, parameter)); });
    } else if (version == "1.0.0") {
      file.version = version;
      sections([&](const std::string&, const Json& value, bool parameter) { file.encodings.push_back(entry_100(value, parameter)); });
      if (json_.contains("excluded_layers"))
        for (const Json& name : json_["excluded_layers"]) file.float_nodes.push_back(text(name, "excluded_layers"));
    } else if (is_version_2(version)) {
      file.version = version;
      if (!json_.contains("encodings") || !json_["encodings"].is_array())
        fail("got no list 'encodings', expected one in version " + version);
      for (const Json& value : json_["encodings"]) file.encodings.push_back(entry_200(value));
    } else {
      fail("version of the encodings: got '" + version + "', expected 0.6.1, 1.0.0, 2.0.0 or 2.1.0");
    }
    return file;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { throw Error(ErrorKind::Data, where_, problem); }
  [[noreturn]] void fail(const std::string& tensor, const std::string& problem) const {
    throw Error(ErrorKind::Data, where_ + ": tensor " + tensor, problem);
  }

  /// Files of PPQ and of old tools name no version.
  std::string guessed_version() const {
    if (json_.contains("encodings")) return "2.0.0";
    for (const char* section : {"activation_encodings", "param_encodings"})
      if (json_.contains(section)) return json_[section].is_array() ? "1.0.0" : "0.6.1";
    fail("got neither 'version' nor 'activation_encodings' nor 'encodings', expected an encodings file");
  }

  std::string text(const Json& value, const std::string& key) const {
    if (!value.is_string()) fail("'" + key + "': got " + std::string(value.type_name()) + ", expected a string");
    return value.get<std::string>();
  }
  double number(const Json& entry, const char* key, const std::string& tensor) const {
    if (!entry.contains(key) || !entry[key].is_number())
      fail(tensor, "'" + std::string(key) + "': got " + (entry.contains(key) ? entry[key].type_name() : "nothing") + ", expected a number");
    const double value = entry[key].get<double>();
    if (!std::isfinite(value)) fail(tensor, "'" + std::string(key) + "': got a number that is not finite");
    return value;
  }
  bool flag(const Json& entry, const char* key) const {
    if (!entry.contains(key)) return false;
    if (entry[key].is_boolean()) return entry[key].get<bool>();
    return entry[key].is_string() && (entry[key] == "True" || entry[key] == "true");
  }
  int bits_of(const Json& entry, const char* key, const std::string& tensor) const {
    const double bits = number(entry, key, tensor);
    if (bits != std::floor(bits) || bits < 2 || bits > 32)
      fail(tensor, "'" + std::string(key) + "': got " + entry[key].dump() + ", expected 2 to 32");
    return static_cast<int>(bits);
  }

  int axis_of(const Json& entry, const std::string& tensor) const {
    constexpr double kMostDimensions = 64;
    const double axis = number(entry, "axis", tensor);
    if (axis != std::floor(axis) || std::abs(axis) > kMostDimensions)
      fail(tensor, "'axis': got " + entry["axis"].dump() + ", expected a dimension");
    return static_cast<int>(axis);
  }

  template <class Visit>
  void sections(Visit visit) const {
    bool any = false;
    for (auto [section, parameter] : {std::pair{"activation_encodings", false}, {"param_encodings", true}}) {
      if (!json_.contains(section)) continue;
      any = true;
      if (!json_[section].is_object() && !json_[section].is_array())
        fail("'" + std::string(section) + "': got " + json_[section].type_name() + ", expected its entries");
      for (const auto& [key, value] : json_[section].items()) visit(key, value, parameter);
    }
    if (!any) fail("got neither 'activation_encodings' nor 'param_encodings'");
  }

  void add(Encoding& entry, double scale, double offset) const {
    const double lowest = -(std::ldexp(1.0, entry.bits) - 1);
    if (!(static_cast<float>(scale) > 0) || !std::isfinite(static_cast<float>(scale)))
      fail(entry.name, "scale: got " + Json(scale).dump() + ", expected a positive number that float32 holds");
    if (offset != std::floor(offset) || offset > 0 || offset < lowest)
      fail(entry.name,
           "offset: got " + Json(offset).dump() + ", expected an integer in " + Json(lowest).dump() + "..0 (the range must hold 0)");
    entry.scale.push_back(scale);
    entry.offset.push_back(static_cast<int64_t>(offset));
  }

  /// Only bitwidth, min and max count, as SNPE documents; `scale` is taken where it agrees, because it is exact.
  Encoding entry_061(const std::string& name, const Json& list, bool parameter) const {
    if (!list.is_array() || list.empty())
      fail(name, "got " + std::string(list.empty() ? "an empty list" : list.type_name()) + ", expected a list of encodings");
    Encoding entry;
    entry.name = name;
    entry.parameter = parameter;
    entry.per_channel = list.size() > 1;
    for (const Json& item : list) {
      if (!item.is_object()) fail(name, "got " + std::string(item.type_name()) + ", expected an object with bitwidth, min and max");
      entry.bits = bits_of(item, "bitwidth", name);
      if (item.contains("dtype") && item["dtype"] == "float") {
        entry.floating = true;
        return entry;
      }
      entry.symmetric = flag(item, "is_symmetric");
      const double min = number(item, "min", name), max = number(item, "max", name), steps = std::ldexp(1.0, entry.bits) - 1;
      if (!(max > min)) fail(name, "range: got min " + item["min"].dump() + " and max " + item["max"].dump() + ", expected min < max");
      double scale = (max - min) / steps;
      if (item.contains("scale") && item["scale"].is_number() && std::abs(item["scale"].get<double>() - scale) <= 1e-5 * scale)
        scale = item["scale"].get<double>();
      add(entry, scale, std::nearbyint(min / scale));
    }
    return entry;
  }

  Encoding entry_100(const Json& item, bool parameter) const {
    if (!item.is_object() || !item.contains("name")) fail("got an entry without 'name', expected one in version 1.0.0");
    Encoding entry;
    entry.name = text(item["name"], "name");
    entry.parameter = parameter;
    entry.bits = bits_of(item, "bw", entry.name);
    if (item.contains("dtype") && item["dtype"] == "FLOAT") {
      entry.floating = true;
      return entry;
    }
    const std::string type = item.contains("enc_type") ? text(item["enc_type"], "enc_type") : "PER_TENSOR";
    if (type != "PER_TENSOR" && type != "PER_CHANNEL")
      throw Error(ErrorKind::Unsupported, where_ + ": tensor " + entry.name,
                  "enc_type: got " + type + ", expected PER_TENSOR or PER_CHANNEL");
    entry.per_channel = type == "PER_CHANNEL";
    entry.symmetric = flag(item, "is_sym");
    if (!item.contains("scale") || !item.contains("offset") || !item["scale"].is_array() || !item["offset"].is_array() ||
        item["scale"].size() != item["offset"].size() || item["scale"].empty() || (!entry.per_channel && item["scale"].size() != 1))
      fail(entry.name, "'scale' and 'offset': expected two lists of the same length (1 for PER_TENSOR)");
    for (size_t i = 0; i < item["scale"].size(); ++i) {
      if (!item["scale"][i].is_number() || !item["offset"][i].is_number()) fail(entry.name, "'scale' and 'offset': expected numbers");
      add(entry, item["scale"][i].get<double>(), item["offset"][i].get<double>());
    }
    return entry;
  }

  Encoding entry_200(const Json& item) const {
    if (!item.is_object() || !item.contains("name") || !item.contains("output_dtype") || !item.contains("y_scale"))
      fail("got an entry without 'name', 'output_dtype' or 'y_scale', expected them in version 2.0.0");
    Encoding entry;
    entry.name = text(item["name"], "name");
    const std::string type = text(item["output_dtype"], "output_dtype");
    const size_t digits = type.starts_with("uint") ? 4 : type.starts_with("int") ? 3 : std::string::npos;
    const std::string where = where_ + ": tensor " + entry.name;
    if (digits == std::string::npos) throw Error(ErrorKind::Unsupported, where, "output_dtype: got " + type + ", expected an integer type");
    entry.bits = std::atoi(type.c_str() + digits);
    if (entry.bits < 2 || entry.bits > 32) fail(entry.name, "output_dtype: got " + type + ", expected 2 to 32 bits");
    entry.symmetric = digits == 3;
    entry.bias = type == "int32";
    if (item.contains("block_size") || item["y_scale"].is_object())
      throw Error(ErrorKind::Unsupported, where,
                  "block-wise encodings: got a block_size or nested y_scale, expected one scale or one a channel");
    entry.per_channel = item["y_scale"].is_array();
    if (entry.per_channel) entry.axis = item.contains("axis") ? axis_of(item, entry.name) : -1;
    const Json scales = entry.per_channel ? item["y_scale"] : Json::array({item["y_scale"]});
    Json zero_points = item.contains("y_zero_point") ? item["y_zero_point"] : Json(0);
    if (!zero_points.is_array()) zero_points = Json(std::vector<Json>(scales.size(), zero_points));
    if (zero_points.size() != scales.size() || scales.empty()) fail(entry.name, "'y_zero_point' and 'y_scale': expected the same length");
    const double start = entry.symmetric && !entry.bias ? -std::ldexp(1.0, entry.bits - 1) : 0;
    for (size_t i = 0; i < scales.size(); ++i) {
      if (!scales[i].is_number() || !zero_points[i].is_number()) fail(entry.name, "'y_scale' and 'y_zero_point': expected numbers");
      // A signed type with a zero point is the same grid shifted: written with an unsigned offset.
      if (entry.symmetric && zero_points[i].get<double>() != 0) entry.symmetric = false;
      add(entry, scales[i].get<double>(), start - zero_points[i].get<double>());
    }
    return entry;
  }

  const Json& json_;
  std::string where_;
};

}  // namespace

EncodingFile encodings_from_json(const std::string& text, const std::string& where) {
  const Json json = [&] {
    try {
      return Json::parse(text);
    } catch (const nlohmann::json::exception& error) {
      throw Error(ErrorKind::Data, where, "not valid JSON: " + std::string(error.what()), "the file may be cut off: write it again");
    }
  }();
  return Parser(json, where).parse();
}

}  // namespace ppq
