// Encodings as Qualcomm's tools read them. Fields: AIMET's encoding specification (Docs/techniques/encoding_spec.rst).
#include <cmath>
#include <nlohmann/json.hpp>

#include "exporters/qualcomm/encoding.h"
#include "ppq/error.h"

namespace ppq {
namespace {

using Json = nlohmann::ordered_json;

const char* word(bool value) { return value ? "True" : "False"; }

/// 0.6.1: one object a channel, booleans as strings, the range written out.
Json entry_061(const Encoding& entry) {
  Json list = Json::array();
  if (entry.floating) return Json::array({Json{{"bitwidth", entry.bits}, {"dtype", "float"}}});
  for (size_t i = 0; i < entry.scale.size(); ++i) {
    const double top = std::ldexp(1.0, entry.bits) - 1;
    const auto offset = static_cast<double>(entry.offset[i]);
    // scale is a float32 and the integers are small, so these products are exact.
    list.push_back(Json{{"bitwidth", entry.bits},
                        {"dtype", "int"},
                        {"is_symmetric", word(entry.symmetric)},
                        {"max", entry.scale[i] * (top + offset)},
                        {"min", entry.scale[i] * offset},
                        {"offset", entry.offset[i]},
                        {"scale", entry.scale[i]}});
  }
  return list;
}

Json entry_100(const Encoding& entry) {
  if (entry.floating) return Json{{"name", entry.name}, {"enc_type", "PER_TENSOR"}, {"dtype", "FLOAT"}, {"bw", entry.bits}};
  return Json{{"name", entry.name},
              {"enc_type", entry.per_channel ? "PER_CHANNEL" : "PER_TENSOR"},
              {"dtype", "INT"},
              {"bw", entry.bits},
              {"is_sym", entry.symmetric},
              {"scale", entry.scale},
              {"offset", entry.offset}};
}

/// As onnx's QuantizeLinear: a type, a scale and the zero point in that type, left out when it is 0.
Json entry_200(const Encoding& entry) {
  Json json{{"name", entry.name}, {"output_dtype", (entry.symmetric ? "int" : "uint") + std::to_string(entry.bits)}};
  // Per-tensor values are scalars; per-channel ones are lists, even of a single channel.
  auto spread = [&](auto values) { return entry.per_channel ? Json(values) : Json(values[0]); };
  json["y_scale"] = spread(entry.scale);
  std::vector<int64_t> zero_points;
  bool any = false;
  const int64_t start = entry.symmetric && !entry.bias ? -(int64_t{1} << (entry.bits - 1)) : 0;
  for (int64_t offset : entry.offset) {
    zero_points.push_back(start - offset);
    any |= zero_points.back() != 0;
  }
  if (any) json["y_zero_point"] = spread(zero_points);
  if (entry.per_channel) json["axis"] = entry.axis;
  return json;
}

Json quantizer_args(const PlatformSpec& platform, bool booleans_as_words) {
  auto flag = [&](bool value) { return booleans_as_words ? Json(word(value)) : Json(value); };
  return Json{
      {"activation_bitwidth", platform.scheme(SlotRole::Data).bits},       {"dtype", "int"},
      {"is_symmetric", flag(platform.scheme(SlotRole::Weight).symmetric)}, {"param_bitwidth", platform.scheme(SlotRole::Weight).bits},
      {"per_channel_quantization", flag(platform.weights_per_channel())},  {"quant_scheme", "post_training_tf"}};
}

}  // namespace

std::string encodings_to_json(const EncodingFile& file, const PlatformSpec& platform) {
  Json json{{"version", file.version}};
  if (file.version == "0.6.1") {
    Json activations = Json::object(), params = Json::object();
    for (const Encoding& entry : file.encodings)
      if (!entry.bias) (entry.parameter ? params : activations)[entry.name] = entry_061(entry);
    json["activation_encodings"] = std::move(activations);
    json["param_encodings"] = std::move(params);
    json["quantizer_args"] = quantizer_args(platform, true);
  } else if (file.version == "1.0.0") {
    Json activations = Json::array(), params = Json::array();
    for (const Encoding& entry : file.encodings)
      if (!entry.bias) (entry.parameter ? params : activations).push_back(entry_100(entry));
    json["activation_encodings"] = std::move(activations);
    json["param_encodings"] = std::move(params);
    json["quantizer_args"] = quantizer_args(platform, false);
    json["excluded_layers"] = file.float_nodes;
  } else if (is_version_2(file.version)) {
    Json entries = Json::array();
    // Float tensors have no entry: in version 2 what is not named stays float.
    for (const Encoding& entry : file.encodings)
      if (!entry.floating) entries.push_back(entry_200(entry));
    json["encodings"] = std::move(entries);
  } else {
    throw Error(ErrorKind::Internal, "encodings", "version: got '" + file.version + "', expected 0.6.1, 1.0.0, 2.0.0 or 2.1.0");
  }
  return json.dump(4, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ppq
