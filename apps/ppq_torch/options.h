#pragma once

#include <cxxopts.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ppq/dataset.h"
#include "ppq/setting.h"

namespace ppq::app {

using Args = std::vector<std::string>;

/// One command's options: declares them, merges `--config`, parses, and keeps the parsed values.
class CommandLine {
 public:
  CommandLine(std::string command, std::string summary);

  cxxopts::OptionAdder group(const std::string& name) { return options_.add_options(name); }
  /// Options that every command has: --help, --threads, --quiet, …
  void add_common();
  void add_data_options();

  /// False when --help was asked for (and printed). Throws Usage; unknown options name the nearest ones.
  bool parse(const Args& args);

  bool has(const std::string& name) const { return parsed_.count(name) > 0; }
  std::string text(const std::string& name) const { return parsed_[name].as<std::string>(); }
  std::vector<std::string> list(const std::string& name) const;
  int64_t number(const std::string& name) const { return parsed_[name].as<int64_t>(); }
  double real(const std::string& name) const { return parsed_[name].as<double>(); }
  bool flag(const std::string& name) const { return parsed_[name].as<bool>(); }
  /// The value of a required option; throws Usage when it was not given.
  std::string required(const std::string& name) const;
  /// Every option with its effective value, as `--config` reads it.
  nlohmann::ordered_json effective() const;

 private:
  void check_known(const Args& args) const;
  Args with_config(const Args& args) const;
  std::vector<std::string> names() const;
  std::string command_;
  cxxopts::Options options_;
  cxxopts::ParseResult parsed_;
};

/// What --calib and --input mean, from the data options.
DataOptions data_options(const CommandLine& line);
/// "name:1x3x224x224" or "1x3x224x224" -> name ("" for the only input) and sizes. Throws Usage.
std::pair<std::string, std::vector<int64_t>> parse_input_shape(const std::string& text);
/// "4G", "512M", "1048576" in bytes. Throws Usage.
size_t parse_bytes(const std::string& text);
void apply_threads(const CommandLine& line);

}  // namespace ppq::app
