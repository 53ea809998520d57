#include "job/fingerprint.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "core/file.h"
#include "job/options.h"
#include "platforms/platform_json.h"

namespace ppq {
namespace {

std::string hash(std::string_view text) { return std::to_string(std::hash<std::string_view>{}(text)); }

/// Name, size and time of a file, of every file in a folder, or of a list and every file that it names.
std::string describe_files(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> lines;
  auto add = [&](const fs::path& file) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    const auto time = fs::last_write_time(file, error).time_since_epoch().count();
    lines.push_back(file.string() + ":" + std::to_string(size) + ":" + std::to_string(time));
  };
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::recursive_directory_iterator(path))
      if (entry.is_regular_file()) add(entry.path());
  } else {
    add(path);
    if (fs::path(path).extension() == ".txt") {
      std::istringstream words(read_file(path));
      for (std::string word; words >> word;) {
        const size_t name_end = word.find(":=");
        add(fs::path(path).parent_path() / (name_end == std::string::npos ? word : word.substr(name_end + 2)));
      }
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Nodes, and constants byte by byte: wherever the model's file keeps them.
std::string describe_network(const Graph& graph) {
  std::string text;
  for (const Node* node : graph.nodes()) text += node->name + "|" + node->op_type + "\n";
  for (const Value* value : graph.values()) {
    if (!value->constant().defined()) continue;
    const at::Tensor data = value->constant().contiguous();
    text += value->name() + "|" + hash({static_cast<const char*>(data.const_data_ptr()), static_cast<size_t>(data.nbytes())}) + "\n";
  }
  return text;
}

}  // namespace

std::string fingerprint(const JobOptions& options, const JobContents& contents) {
  nlohmann::json parts = {{"version", PPQ_VERSION}, {"device", contents.devices}, {"setting", hash(contents.setting)}};
  parts["model"] = hash(describe_files(options.model) + describe_network(contents.graph));
  if (!options.overrides.empty()) parts["overrides"] = hash(describe_files(options.overrides));
  if (platforms::is_platform_file(options.platform)) parts["rules"] = hash(read_file(options.platform));
  const size_t count = contents.samples.size();
  parts["samples"] =
      std::to_string(count) + ":" + hash(describe_files(options.calib) + contents.samples.name(0) + contents.samples.name(count - 1));
  std::string preprocessing;
  visit_options(options, [&](const OptionFacts& facts, const auto& value) {
    std::string words;
    for (const std::string& word : words_of(value)) words += word + ",";
    if (facts.bears == Bears::Preprocessing) preprocessing += words + "|";
    if (facts.bears == Bears::Numbers) parts[facts.name] = words;
  });
  parts["preprocessing"] = hash(preprocessing);
  return parts.dump();
}

}  // namespace ppq
