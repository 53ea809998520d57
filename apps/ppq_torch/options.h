#pragma once

#include <cxxopts.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "job/options.h"
#include "ppq/dataset.h"

namespace ppq::app {

using Args = std::vector<std::string>;

/// One command's options: declares them, merges `--config`, parses, and keeps the parsed values.
class CommandLine {
 public:
  CommandLine(std::string command, std::string summary);

  cxxopts::OptionAdder group(const std::string& name) { return options_.add_options(name); }
  /// Options that every command has: --help, --threads, --quiet, …
  void add_common();
  /// Declares what `options` visits (job/options.h); what it holds are the defaults.
  template <class Options>
  void declare(const Options& options) {
    visit_options(options, [&](const OptionFacts& facts, const auto& value) { declare_one(facts, value); });
  }
  /// Sets those of them that were given. Throws Usage.
  template <class Options>
  void read(Options& options) const {
    visit_options(options, [&](const OptionFacts& facts, auto& value) {
      if (has(facts.name)) read_words(value, words(facts.name, value), std::string("--") + facts.name);
    });
  }

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
  template <class Value>
  void declare_one(const OptionFacts& facts, const Value& value) {
    auto type = type_of(value);
    if (const auto words = words_of(value); !words.empty()) type = type->default_value(words[0]);
    group(facts.group)(facts.name, facts.help, type);
  }
  static std::shared_ptr<cxxopts::Value> type_of(bool) { return cxxopts::value<bool>(); }
  static std::shared_ptr<cxxopts::Value> type_of(int64_t) { return cxxopts::value<int64_t>(); }
  static std::shared_ptr<cxxopts::Value> type_of(const std::optional<int64_t>&) { return cxxopts::value<int64_t>(); }
  /// Given several times, or with commas.
  template <class Item>
  static std::shared_ptr<cxxopts::Value> type_of(const std::vector<Item>&) {
    return cxxopts::value<std::vector<std::string>>();
  }
  template <class Text>
  static std::shared_ptr<cxxopts::Value> type_of(const Text&) {
    return cxxopts::value<std::string>();
  }
  std::vector<std::string> words(const std::string& name, bool) const { return words_of(flag(name)); }
  std::vector<std::string> words(const std::string& name, int64_t) const { return words_of(number(name)); }
  std::vector<std::string> words(const std::string& name, const std::optional<int64_t>&) const { return words_of(number(name)); }
  template <class Item>
  std::vector<std::string> words(const std::string& name, const std::vector<Item>&) const {
    return list(name);
  }
  template <class Text>
  std::vector<std::string> words(const std::string& name, const Text&) const {
    return {text(name)};
  }
  void check_known(const Args& args) const;
  Args with_config(const Args& args) const;
  std::vector<std::string> names() const;
  std::string command_;
  cxxopts::Options options_;
  cxxopts::ParseResult parsed_;
};

/// What --calib and --input mean, from the data options.
DataOptions data_options(const CommandLine& line);
void apply_threads(const CommandLine& line);

}  // namespace ppq::app
