#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ppq {

/// One inference: the file of each input, in the order of `inputs`.
struct InputListLine {
  size_t number = 0;  ///< in the file, from 1
  std::vector<std::string> paths;
};

/// SNPE's input_list: one line an inference, `name:=path name:=path …` or bare paths (in the order of the inputs); lines that
/// start with # or % and empty lines are skipped. Relative paths are taken from the list's folder. Throws Data naming the line.
std::vector<InputListLine> read_input_list(const std::string& path, const std::vector<std::string>& inputs);

}  // namespace ppq
