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

std::vector<double> parse_numbers(const std::string& option, const std::vector<std::string>& items) {
  std::vector<double> numbers;
  for (const std::string& item : items) {
    size_t end = 0;
    double value = 0;
    try {
      value = std::stod(item, &end);
    } catch (const std::exception&) {
      end = 0;
    }
    if (end != item.size() || item.empty()) usage(option, "got '" + item + "', expected a number");
    numbers.push_back(value);
  }
  return numbers;
}

std::vector<int64_t> parse_sizes(const std::string& option, const std::string& text) {
  std::vector<int64_t> sizes;
  std::string digits;
  for (char c : text + "x") {
    if (c >= '0' && c <= '9') {
      digits += c;
      continue;
    }
    if ((c != 'x' && c != 'X' && c != ',') || digits.empty() || digits.size() > 12)
      usage(option, "got '" + text + "', expected sizes such as 1x3x224x224");
    sizes.push_back(std::stoll(digits));
    digits.clear();
  }
  return sizes;
}

std::pair<int64_t, int64_t> parse_height_width(const std::string& option, const std::string& text) {
  const auto sizes = parse_sizes(option, text);
  if (sizes.size() == 1) return {sizes[0], sizes[0]};
  if (sizes.size() != 2) usage(option, "got '" + text + "', expected HEIGHTxWIDTH");
  return {sizes[0], sizes[1]};
}

Layout parse_layout(const std::string& option, const std::string& text) {
  if (text == "nchw") return Layout::NCHW;
  if (text == "nhwc") return Layout::NHWC;
  if (text == "auto" && option == "--layout") return Layout::Auto;
  usage(option, "got '" + text + "', expected nchw or nhwc");
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

void CommandLine::add_data_options() {
  group("Data")("input-shape", "name:1x3x224x224; fixes symbolic dimensions (repeatable)", cxxopts::value<std::vector<std::string>>())(
      "native-dtype", "raw files hold the input's own element type", cxxopts::value<bool>()->default_value("false"))(
      "raw-layout", "layout of .bin and .raw files: nchw or nhwc", cxxopts::value<std::string>()->default_value("nchw"))(
      "layout", "layout of the model's image input: auto, nchw or nhwc", cxxopts::value<std::string>()->default_value("auto"));
  group("Images (no defaults that change pixel values)")("resize-shorter", "resize the shorter side to N", cxxopts::value<int64_t>())(
      "image-size", "resize to HxW", cxxopts::value<std::string>())("crop", "centre crop HxW", cxxopts::value<std::string>())(
      "mean", "a,b,c on the 0..255 scale", cxxopts::value<std::vector<std::string>>())(
      "std", "a,b,c on the 0..255 scale", cxxopts::value<std::vector<std::string>>())("color", "rgb, bgr or gray",
                                                                                      cxxopts::value<std::string>());
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

std::pair<std::string, std::vector<int64_t>> parse_input_shape(const std::string& text) {
  const size_t colon = text.rfind(':');
  const std::string name = colon == std::string::npos ? "" : text.substr(0, colon);
  return {name, parse_sizes("--input-shape", colon == std::string::npos ? text : text.substr(colon + 1))};
}

size_t parse_bytes(const std::string& text) {
  size_t end = 0;
  double value = -1;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {
  }
  const std::string unit = text.substr(std::min(end, text.size()));
  double factor = unit.empty() ? 1 : unit == "K" || unit == "k" ? 1 << 10 : unit == "M" ? 1 << 20 : unit == "G" ? 1 << 30 : 0;
  if (value <= 0 || factor == 0) usage("--max-memory", "got '" + text + "', expected bytes such as 512M or 4G");
  return static_cast<size_t>(value * factor);
}

DataOptions data_options(const CommandLine& line) {
  DataOptions options;
  options.option_prefix = "--";
  for (const std::string& shape : line.list("input-shape")) options.input_shapes.push_back(parse_input_shape(shape));
  options.native_dtype = line.flag("native-dtype");
  options.raw_layout = parse_layout("--raw-layout", line.text("raw-layout"));
  options.layout = parse_layout("--layout", line.text("layout"));
  if (line.has("resize-shorter")) options.resize_shorter = line.number("resize-shorter");
  if (options.resize_shorter && *options.resize_shorter < 1)
    usage("--resize-shorter", "got " + std::to_string(*options.resize_shorter) + ", expected at least 1");
  if (line.has("image-size")) options.image_size = parse_height_width("--image-size", line.text("image-size"));
  if (line.has("crop")) options.crop = parse_height_width("--crop", line.text("crop"));
  options.mean = parse_numbers("--mean", line.list("mean"));
  options.std = parse_numbers("--std", line.list("std"));
  for (double value : options.std)
    if (value == 0) usage("--std", "got 0, expected numbers other than 0");
  if (line.has("color")) options.color = line.text("color");
  if (!options.color.empty() && options.color != "rgb" && options.color != "bgr" && options.color != "gray")
    usage("--color", "got '" + options.color + "', expected rgb, bgr or gray");
  return options;
}

void apply_threads(const CommandLine& line) {
  const int64_t threads = line.number("threads");
  if (threads < 0 || threads > 1024) usage("--threads", "got " + std::to_string(threads) + ", expected 0 to 1024");
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

}  // namespace ppq::app
