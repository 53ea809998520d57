#include "options.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>

#include "core/file.h"
#include "core/log.h"
#include "ppq/error.h"

namespace ppq::app {
namespace {

[[noreturn]] void usage(const std::string& where, const std::string& problem, const std::string& hint = "") {
  throw Error(ErrorKind::Usage, where, problem, hint);
}

}  // namespace

CommandLine::CommandLine(std::string command, std::string summary)
    : command_(std::move(command)), options_("ppq_torch " + command_, std::move(summary)) {
  options_.set_width(110);
}

void CommandLine::add_common() {
  group("General")("h,help", "print this help")("threads", "CPU threads (0: all cores)", cxxopts::value<int64_t>()->default_value("0"))(
      "quiet", "only errors and warnings", cxxopts::value<bool>()->default_value("false"))("verbose", "more about every step",
                                                                                           cxxopts::value<bool>()->default_value("false"))(
      "log-format", "text or json", cxxopts::value<std::string>()->default_value("text"))("no-progress", "no progress lines",
                                                                                          cxxopts::value<bool>()->default_value("false"));
}

std::vector<std::string> CommandLine::names() const {
  std::vector<std::string> all;
  for (const auto& group_name : options_.groups())
    for (const auto& option : options_.group_help(group_name).options)
      for (const auto& name : option.l) all.push_back("--" + name);
  return all;
}

void CommandLine::check_known(const Args& args) const {
  const auto known = names();
  for (const std::string& arg : args) {
    if (arg.rfind("--", 0) != 0 || arg == "--") continue;
    const std::string name = arg.substr(0, arg.find('='));
    if (std::find(known.begin(), known.end(), name) == known.end())
      usage("ppq_torch " + command_, "unknown option " + name, did_you_mean(name, known));
  }
}

/// Options of the config file that the command line does not give, put before it.
Args CommandLine::with_config(const Args& args) const {
  std::string path;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--config" && i + 1 < args.size()) path = args[i + 1];
    if (args[i].rfind("--config=", 0) == 0) path = args[i].substr(9);
  }
  if (path.empty()) return args;
  const auto config = with_error_context(ErrorKind::Usage, path, [&] { return nlohmann::json::parse(read_file(path)); });
  if (!config.is_object()) usage(path, "expected a JSON object of option names and values");
  const auto known = names();
  Args merged;
  for (const auto& [key, value] : config.items()) {
    const std::string name = "--" + key;
    if (std::find(known.begin(), known.end(), name) == known.end()) usage(path, "unknown key '" + key + "'", did_you_mean(name, known));
    const bool given =
        std::any_of(args.begin(), args.end(), [&](const std::string& a) { return a == name || a.rfind(name + "=", 0) == 0; });
    if (given || value.is_null()) continue;
    for (const auto& item : value.is_array() ? value : nlohmann::json::array({value})) {
      if (item.is_structured()) usage(path, "key '" + key + "': expected a value or a list of values");
      merged.push_back(name + "=" + (item.is_string() ? item.get<std::string>() : item.dump()));
    }
  }
  merged.insert(merged.end(), args.begin(), args.end());
  return merged;
}

bool CommandLine::parse(const Args& given) {
  check_known(given);
  const Args args = with_config(given);
  std::vector<const char*> argv = {"ppq_torch"};
  for (const std::string& arg : args) argv.push_back(arg.c_str());
  try {
    parsed_ = options_.parse(static_cast<int>(argv.size()), argv.data());
  } catch (const cxxopts::exceptions::incorrect_argument_type& e) {
    // The exception names the value only.
    const std::string message = e.what();
    for (size_t i = 0; i < args.size(); ++i) {
      const size_t equals = args[i].find('=');
      const std::string name = args[i].substr(0, equals);
      const std::string value = equals != std::string::npos ? args[i].substr(equals + 1) : i + 1 < args.size() ? args[i + 1] : "";
      if (name.rfind("--", 0) == 0 && !value.empty() && message.find(value) != std::string::npos)
        usage(name, "got '" + value + "', expected a number");
    }
    usage("ppq_torch " + command_, message, "see `ppq_torch " + command_ + " --help`");
  } catch (const cxxopts::exceptions::exception& e) {
    usage("ppq_torch " + command_, e.what(), "see `ppq_torch " + command_ + " --help`");
  }
  if (has("help")) {
    std::fputs(options_.help(options_.groups()).c_str(), stdout);
    return false;
  }
  if (!parsed_.unmatched().empty())
    usage("ppq_torch " + command_, "unexpected argument '" + parsed_.unmatched()[0] + "'", "options start with --");
  LogConfig log;
  log.level = flag("quiet") ? LogLevel::Quiet : flag("verbose") ? LogLevel::Verbose : LogLevel::Normal;
  if (text("log-format") != "text" && text("log-format") != "json")
    usage("--log-format", "got '" + text("log-format") + "', expected text or json");
  log.json = text("log-format") == "json";
  log.progress = !flag("no-progress");
  configure_log(log);
  return true;
}

std::vector<std::string> CommandLine::list(const std::string& name) const {
  return has(name) ? parsed_[name].as<std::vector<std::string>>() : std::vector<std::string>{};
}

std::string CommandLine::required(const std::string& name) const {
  if (!has(name)) usage("ppq_torch " + command_, "--" + name + " is missing", "see `ppq_torch " + command_ + " --help`");
  return text(name);
}

nlohmann::ordered_json CommandLine::effective() const {
  nlohmann::ordered_json config = nlohmann::ordered_json::object();
  auto put = [&](const cxxopts::KeyValue& item) {
    if (item.key() == "config" || item.key() == "dump-config" || item.key() == "help") return;
    if (config.contains(item.key())) {
      auto& value = config[item.key()];
      if (!value.is_array()) value = nlohmann::ordered_json::array({value});
      value.push_back(item.value());
    } else {
      config[item.key()] = item.value();
    }
  };
  for (const auto& item : parsed_.arguments()) put(item);
  for (const auto& item : parsed_.defaults())
    if (!config.contains(item.key())) put(item);
  return config;
}

DataOptions data_options(const CommandLine& line) {
  DataOptions options;
  line.read(options);
  options.option_prefix = "--";
  check_data_options(options);
  return options;
}

void apply_threads(const CommandLine& line) {
  const int64_t threads = line.number("threads");
  if (threads < 0 || threads > 1024) usage("--threads", "got " + std::to_string(threads) + ", expected 0 to 1024");
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

}  // namespace ppq::app
