#include "calibration/calibration_file.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "ppq/error.h"

namespace ppq::passes {
namespace {

using Json = nlohmann::json;

/// float32 values are exact as JSON's doubles, which are written in their shortest form that reads back the same.
Json to_json(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).reshape({-1}).contiguous();
  const double* values = flat.const_data_ptr<double>();
  return {{"sizes", tensor.sizes().vec()}, {"values", std::vector<double>(values, values + flat.numel())}};
}

at::Tensor to_tensor(const Json& json) {
  if (json.is_null()) return {};
  std::vector<double> values = json.at("values").get<std::vector<double>>();
  const auto sizes = json.at("sizes").get<std::vector<int64_t>>();
  return at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kDouble).to(at::kFloat).reshape(sizes).clone();
}

std::string parts_that_differ(const std::string& kept, const std::string& now) {
  const Json a = Json::parse(kept, nullptr, false), b = Json::parse(now, nullptr, false);
  if (!a.is_object() || !b.is_object()) return "something else";
  std::string parts;
  for (const auto& [key, value] : b.items())
    if (!a.contains(key) || a[key] != value) parts += (parts.empty() ? "" : ", ") + key;
  return parts;
}

}  // namespace

void save_calibration(const Checkpoint& checkpoint, const std::vector<CalibratedTensor>& tensors) {
  if (checkpoint.file.empty()) return;
  Json list = Json::array();
  for (const CalibratedTensor& t : tensors)
    list.push_back(
        {{"tensor", t.tensor}, {"observer", t.observer}, {"scale", to_json(t.params.scale)}, {"offset", to_json(t.params.offset)}});
  write_file(
      checkpoint.file,
      Json{{"fingerprint", checkpoint.fingerprint}, {"calibration", list}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::optional<std::vector<CalibratedTensor>> load_calibration(const Checkpoint& checkpoint, std::string& why) {
  if (!checkpoint.resume) return std::nullopt;
  if (!std::filesystem::exists(checkpoint.file)) {
    why = "there is no calibration to resume from (" + checkpoint.file + ")";
    return std::nullopt;
  }
  try {
    const Json json = Json::parse(read_file(checkpoint.file));
    const std::string kept = json.at("fingerprint");
    if (kept != checkpoint.fingerprint)
      throw Error(ErrorKind::Usage, "--resume",
                  "the interrupted run had other inputs; what differs: " + parts_that_differ(kept, checkpoint.fingerprint),
                  "leave --resume away to calibrate anew");
    std::vector<CalibratedTensor> tensors;
    for (const Json& item : json.at("calibration"))
      tensors.push_back({item.at("tensor"), item.at("observer"), {to_tensor(item.at("scale")), to_tensor(item.at("offset"))}});
    return tensors;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    why = "the kept calibration cannot be read (" + std::string(error.what()) + ")";
    return std::nullopt;
  }
}

}  // namespace ppq::passes
