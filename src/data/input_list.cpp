#include "data/input_list.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/file.h"
#include "ppq/error.h"

namespace ppq {
namespace {

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r"), last = text.find_last_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

/// `name:=path` pairs; a word without := belongs to the path before it (a path with a space).
std::vector<std::string> named_paths(const std::string& line, const std::vector<std::string>& inputs, const std::string& where) {
  std::vector<std::string> paths(inputs.size());
  std::string* current = nullptr;
  for (const std::string& word : words_of(line)) {
    const size_t split = word.find(":=");
    if (split == std::string::npos) {
      if (!current) throw Error(ErrorKind::Data, where, "got '" + word + "' before the first name, expected name:=path");
      *current += " " + word;
      continue;
    }
    const std::string name = word.substr(0, split);
    const auto input = std::find(inputs.begin(), inputs.end(), name);
    if (input == inputs.end())
      throw Error(ErrorKind::Data, where, "no such input: got '" + name + "', expected an input of the model", did_you_mean(name, inputs));
    current = &paths[static_cast<size_t>(input - inputs.begin())];
    if (!current->empty()) throw Error(ErrorKind::Data, where, "input '" + name + "' is there twice, expected one file for each input");
    *current = word.substr(split + 2);
  }
  for (size_t i = 0; i < inputs.size(); ++i)
    if (paths[i].empty()) throw Error(ErrorKind::Data, where, "no file for input '" + inputs[i] + "', expected " + inputs[i] + ":=path");
  return paths;
}

}  // namespace

std::vector<InputListLine> read_input_list(const std::string& path, const std::vector<std::string>& inputs) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::istringstream text(read_file(path));
  std::vector<InputListLine> lines;
  size_t number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // a byte order mark
    line = trimmed(line);
    if (line.empty() || line[0] == '#' || line[0] == '%') continue;
    const std::string where = path + ":" + std::to_string(number);
    InputListLine entry{number, {}};
    if (line.find(":=") != std::string::npos)
      entry.paths = named_paths(line, inputs, where);
    else if (inputs.size() == 1)
      entry.paths = {line};
    else
      entry.paths = words_of(line);
    if (entry.paths.size() != inputs.size())
      throw Error(ErrorKind::Data, where,
                  "number of files: got " + std::to_string(entry.paths.size()) + ", expected " + std::to_string(inputs.size()) +
                      " (one for each input)");
    for (std::string& file : entry.paths)
      if (std::filesystem::path(file).is_relative()) file = (folder / file).string();
    lines.push_back(std::move(entry));
  }
  return lines;
}

}  // namespace ppq
