#include "exporters/export_options.h"

#include <algorithm>

#include "ppq/error.h"

namespace ppq {
namespace {

/// "a, b or c".
std::string listed(const std::vector<std::string>& choices) {
  std::string text;
  for (size_t i = 0; i < choices.size(); ++i) text += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
  return text;
}

void require_choice(const ExportOptions::Given& given, const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), given.value) != choices.end()) return;
  throw Error(ErrorKind::Usage, given.said, "got '" + given.value + "', expected " + listed(choices), did_you_mean(given.value, choices));
}

}  // namespace

void ExportOptions::set(const std::string& name, const std::string& value, const std::string& said) {
  given_[name] = {value, said.empty() ? "export option " + name : said};
}

void OptionReader::field(const char* name, std::string& member, const std::vector<std::string>& choices, const char*) {
  names_.emplace_back(name);
  const auto found = options_.given().find(name);
  if (found == options_.given().end()) return;
  if (!choices.empty()) require_choice(found->second, choices);
  member = found->second.value;
}

void OptionReader::field(const char* name, bool& member, const char*) {
  names_.emplace_back(name);
  const auto found = options_.given().find(name);
  if (found == options_.given().end()) return;
  require_choice(found->second, {"true", "false"});
  member = found->second.value == "true";
}

}  // namespace ppq
