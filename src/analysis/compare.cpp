#include "analysis/compare.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "calibration/measure.h"
#include "core/file.h"
#include "data/npy.h"
#include "exporters/ppq_json_read.h"
#include "exporters/qualcomm/encoding.h"
#include "ppq/error.h"

namespace ppq {
namespace {

namespace fs = std::filesystem;

bool drop_suffix(std::string& text, const std::string& suffix) {
  if (text.size() <= suffix.size() || text.compare(text.size() - suffix.size(), suffix.size(), suffix) != 0) return false;
  text.resize(text.size() - suffix.size());
  return true;
}

/// A name as the SDKs spell it. "/features/conv" becomes a file in a folder "features": leading separators do not count.
std::string plain(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name.erase(0, name.find_first_not_of('_'));
}

using Files = std::map<std::string, std::string>;  // tensor -> path
using Dump = std::map<std::string, Files>;         // sample -> tensors

Dump scan(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) throw Error(ErrorKind::Data, folder, "no such folder of dumped tensors");
  Dump dump;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::string name = fs::relative(entry.path(), folder).generic_string();
    if (!entry.is_regular_file() || !(drop_suffix(name, ".npy") || drop_suffix(name, ".raw") || drop_suffix(name, ".bin"))) continue;
    drop_suffix(name, ".raw");
    const size_t slash = name.find('/');
    const std::string sample = slash == std::string::npos ? "" : name.substr(0, slash);
    dump[sample][slash == std::string::npos ? name : name.substr(slash + 1)] = entry.path().string();
  }
  if (dump.empty()) throw Error(ErrorKind::Data, folder, "no tensors: expected <sample>/<tensor>.npy, .raw or .bin");
  return dump;
}

/// The sample number of snpe-net-run's folder "Result_12".
std::optional<size_t> result_number(const std::string& sample) {
  if (sample.rfind("Result_", 0) != 0 || sample.size() == 7 || sample.size() > 16) return std::nullopt;
  const std::string digits = sample.substr(7);
  if (!std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); })) return std::nullopt;
  return std::stoull(digits);
}

/// The reference's sample that a sample of the candidate belongs to; nullptr when there is none.
const std::string* sample_of(const Dump& reference, const std::string& sample) {
  if (const auto found = reference.find(sample); found != reference.end()) return &found->first;
  const auto number = result_number(sample);
  return number && *number < reference.size() ? &std::next(reference.begin(), static_cast<int64_t>(*number))->first : nullptr;
}

template <class Map>
typename Map::const_iterator find_name(const Map& map, const std::string& name) {
  if (const auto exact = map.find(name); exact != map.end()) return exact;
  auto found = map.end();
  for (auto it = map.begin(); it != map.end(); ++it) {
    if (plain(it->first) != plain(name)) continue;
    if (found != map.end()) return map.end();  // ambiguous: no match rather than a wrong one
    found = it;
  }
  return found;
}

at::Tensor read_raw(const std::string& path) {
  const std::string bytes = read_file(path);
  if (bytes.size() % sizeof(float) != 0)
    throw Error(ErrorKind::Data, path, "size: got " + std::to_string(bytes.size()) + " bytes, expected a multiple of 4 (float32)");
  at::Tensor values = at::empty({static_cast<int64_t>(bytes.size() / sizeof(float))}, at::kFloat);
  std::copy(bytes.begin(), bytes.end(), static_cast<char*>(values.data_ptr()));
  return values;
}

bool is_npy(const std::string& path) { return fs::path(path).extension() == ".npy"; }
at::Tensor read_tensor(const std::string& path) { return (is_npy(path) ? read_npy(path) : read_raw(path)).to(at::kDouble); }

std::vector<int64_t> without_ones(at::IntArrayRef sizes) {
  std::vector<int64_t> result;
  std::copy_if(sizes.begin(), sizes.end(), std::back_inserter(result), [](int64_t size) { return size != 1; });
  return result;
}

/// The candidate's values in the reference's shape and layout.
at::Tensor aligned(at::Tensor values, const at::Tensor& reference, bool reference_has_shape, const std::string& path, Layout layout) {
  std::vector<int64_t> sizes = reference.sizes().vec();
  const bool transposed = layout == Layout::NHWC && sizes.size() == 4;
  if (transposed) sizes = {sizes[0], sizes[2], sizes[3], sizes[1]};
  if (layout == Layout::NHWC && !reference_has_shape)
    throw Error(ErrorKind::Data, path, "--layout nhwc: the reference is a raw file, which does not tell its shape",
                "dump the reference as .npy (ppq_torch run does)");
  const bool loose = !is_npy(path) || !reference_has_shape;
  const bool fits = loose ? values.numel() == reference.numel() : without_ones(values.sizes()) == without_ones(sizes);
  if (!fits)
    throw Error(ErrorKind::Data, path,
                loose ? "number of values: got " + std::to_string(values.numel()) + ", expected " + std::to_string(reference.numel()) +
                            " " + to_string(reference.sizes())
                      : "shape: got " + to_string(values.sizes()) + ", expected " + to_string(sizes),
                transposed ? "" : "a device's dump of an image-like tensor may need --layout nhwc");
  values = values.reshape(sizes);
  return transposed ? values.permute({0, 3, 1, 2}).contiguous() : values;
}

struct Running {
  Measure measure;
  size_t samples = 0;
  double max_difference = 0;
};

void add(Running& running, const at::Tensor& candidate, const at::Tensor& reference) {
  ++running.samples;
  if (reference.numel() == 0) return;
  running.measure.add(candidate, reference);
  const double difference = (candidate - reference).abs().max().item<double>();
  running.max_difference = std::max(running.max_difference, std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference);
}

std::string joined(const std::string& sample, const std::string& tensor) { return sample.empty() ? tensor : sample + "/" + tensor; }

TensorComparison finish(const std::string& name, const Running& running, const CompareOptions& options) {
  TensorComparison result{name, running.samples, running.measure.nsr(), running.measure.cosine(), running.max_difference, std::nullopt,
                          false};
  if (const auto scale = find_name(options.scales, name); scale != options.scales.end()) {
    result.name = scale->first;
    result.max_steps = running.max_difference / scale->second;
  }
  result.off = !std::isfinite(running.max_difference) ||
               (result.max_steps ? !(*result.max_steps <= options.max_steps) : !(result.snr <= options.max_snr));
  return result;
}

}  // namespace

const TensorComparison* DumpComparison::first_off() const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [](const TensorComparison& t) { return t.off; });
  return found == tensors.end() ? nullptr : &*found;
}

void read_scales(const std::string& table, CompareOptions& options) {
  const std::string text = read_file(table);
  if (const auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false); is_ppq_config(json)) {
    for (const auto& [name, scale] : scales_of_ppq_config(json)) {
      options.order.push_back(name);
      if (scale > 0) options.scales[name] = scale;
    }
    return;
  }
  for (const Encoding& entry : encodings_from_json(text, table).encodings) {
    if (entry.parameter) continue;
    options.order.push_back(entry.name);
    if (!entry.floating && entry.scale.size() == 1 && entry.scale[0] > 0) options.scales[entry.name] = entry.scale[0];
  }
}

DumpComparison compare_dumps(const std::string& reference, const std::string& candidate, const CompareOptions& options) {
  const Dump expected = scan(reference), actual = scan(candidate);
  DumpComparison result;
  std::map<std::string, Running> tensors;
  std::map<std::string, std::vector<std::string>> seen;  // of the reference's samples
  for (const auto& [sample, files] : actual) {
    const std::string* twin = sample_of(expected, sample);
    for (const auto& [name, path] : files) {
      const Files* references = twin ? &expected.at(*twin) : nullptr;
      const auto found = references ? find_name(*references, name) : Files::const_iterator{};
      if (!references || found == references->end()) {
        result.only_candidate.push_back(joined(sample, name));
        continue;
      }
      seen[*twin].push_back(found->first);
      const at::Tensor values = read_tensor(found->second);
      add(tensors[found->first], aligned(read_tensor(path), values, is_npy(found->second), path, options.layout), values);
    }
  }
  if (tensors.empty()) {
    const auto& names = expected.begin()->second;
    throw Error(ErrorKind::Data, candidate,
                "no tensor in common with " + reference + ": got " + result.only_candidate[0] + ", expected for example " +
                    joined(expected.begin()->first, names.begin()->first),
                "both folders hold <sample>/<tensor>.npy, .raw or .bin");
  }
  result.samples = seen.size();
  for (const auto& [sample, files] : expected)
    for (const auto& [name, path] : files)
      if (const auto& names = seen[sample]; std::find(names.begin(), names.end(), name) == names.end())
        result.only_reference.push_back(joined(sample, name));
  for (const auto& [name, running] : tensors) result.tensors.push_back(finish(name, running, options));
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < options.order.size(); ++i) place.emplace(options.order[i], i);
  auto place_of = [&](const TensorComparison& tensor) {
    const auto found = find_name(place, tensor.name);
    return found == place.end() ? place.size() : found->second;
  };
  std::stable_sort(result.tensors.begin(), result.tensors.end(), [&](const auto& a, const auto& b) { return place_of(a) < place_of(b); });
  return result;
}

}  // namespace ppq
