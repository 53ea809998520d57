#include <array>
#include <charconv>

#include "job/options.h"
#include "ppq/error.h"

namespace ppq {
namespace {

[[noreturn]] void usage(const std::string& where, const std::string& problem) { throw Error(ErrorKind::Usage, where, problem); }

std::string joined(const std::vector<int64_t>& sizes) {
  std::string text;
  for (const int64_t size : sizes) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

/// As short as reads back to the same number.
std::string shortest(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
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

/// Of an option that is given once; the last word counts.
const std::string& last(const std::vector<std::string>& words, const std::string& option) {
  if (words.empty()) usage(option, "got nothing, expected a value");
  return words.back();
}

}  // namespace

std::vector<std::string> words_of(bool value) { return {value ? "true" : "false"}; }
std::vector<std::string> words_of(int64_t value) { return {std::to_string(value)}; }
std::vector<std::string> words_of(const std::string& value) {
  return value.empty() ? std::vector<std::string>() : std::vector<std::string>{value};
}
std::vector<std::string> words_of(const std::vector<std::string>& value) { return value; }
std::vector<std::string> words_of(const std::vector<double>& value) {
  std::vector<std::string> words;
  for (const double number : value) words.push_back(shortest(number));
  return words;
}
std::vector<std::string> words_of(Layout value) { return {value == Layout::Auto ? "auto" : value == Layout::NCHW ? "nchw" : "nhwc"}; }
std::vector<std::string> words_of(const std::optional<int64_t>& value) { return value ? words_of(*value) : std::vector<std::string>(); }
std::vector<std::string> words_of(const std::optional<std::pair<int64_t, int64_t>>& value) {
  return value ? std::vector<std::string>{joined({value->first, value->second})} : std::vector<std::string>();
}
std::vector<std::string> words_of(const std::vector<std::pair<std::string, std::vector<int64_t>>>& value) {
  std::vector<std::string> words;
  for (const auto& [name, sizes] : value) words.push_back((name.empty() ? "" : name + ":") + joined(sizes));
  return words;
}

void read_words(bool& value, const std::vector<std::string>& words, const std::string& option) {
  const std::string& text = last(words, option);
  if (text != "true" && text != "false") usage(option, "got '" + text + "', expected true or false");
  value = text == "true";
}
void read_words(int64_t& value, const std::vector<std::string>& words, const std::string& option) {
  const std::string& text = last(words, option);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) usage(option, "got '" + text + "', expected a number");
}
void read_words(std::string& value, const std::vector<std::string>& words, const std::string& option) {
  if (last(words, option).empty()) usage(option, "got '', expected a value");
  value = words.back();
}
void read_words(std::vector<std::string>& value, const std::vector<std::string>& words, const std::string&) { value = words; }
void read_words(std::vector<double>& value, const std::vector<std::string>& words, const std::string& option) {
  value.clear();
  for (const std::string& word : words) {
    double number = 0;
    size_t end = 0;
    try {
      number = std::stod(word, &end);
    } catch (const std::exception&) {
      end = 0;
    }
    if (end != word.size() || word.empty()) usage(option, "got '" + word + "', expected a number");
    value.push_back(number);
  }
}
void read_words(Layout& value, const std::vector<std::string>& words, const std::string& option) {
  const std::string& text = last(words, option);
  if (text != "nchw" && text != "nhwc" && (text != "auto" || option != "--layout"))
    usage(option, "got '" + text + "', expected nchw or nhwc");
  value = text == "auto" ? Layout::Auto : text == "nchw" ? Layout::NCHW : Layout::NHWC;
}
void read_words(std::optional<int64_t>& value, const std::vector<std::string>& words, const std::string& option) {
  int64_t number = 0;
  read_words(number, words, option);
  value = number;
}
void read_words(std::optional<std::pair<int64_t, int64_t>>& value, const std::vector<std::string>& words, const std::string& option) {
  const std::string& text = last(words, option);
  const auto sizes = parse_sizes(option, text);
  if (sizes.empty() || sizes.size() > 2) usage(option, "got '" + text + "', expected HEIGHTxWIDTH");
  value = {sizes[0], sizes.back()};
}
void read_words(std::vector<std::pair<std::string, std::vector<int64_t>>>& value, const std::vector<std::string>& words,
                const std::string& option) {
  value.clear();
  for (const std::string& word : words) {
    const size_t colon = word.rfind(':');
    value.emplace_back(colon == std::string::npos ? "" : word.substr(0, colon),
                       parse_sizes(option, colon == std::string::npos ? word : word.substr(colon + 1)));
  }
}

void check_data_options(const DataOptions& options) {
  if (options.resize_shorter && *options.resize_shorter < 1)
    usage("--resize-shorter", "got " + std::to_string(*options.resize_shorter) + ", expected at least 1");
  for (const double value : options.std)
    if (value == 0) usage("--std", "got 0, expected numbers other than 0");
  if (!options.color.empty() && options.color != "rgb" && options.color != "bgr" && options.color != "gray")
    usage("--color", "got '" + options.color + "', expected rgb, bgr or gray");
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
  if (!(value > 0 && value * factor < 0x1p62) || factor == 0)
    usage("--max-memory", "got '" + text + "', expected bytes such as 512M or 4G");
  return static_cast<size_t>(value * factor);
}

}  // namespace ppq
