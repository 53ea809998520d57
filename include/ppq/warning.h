#pragma once

#include <map>
#include <string>
#include <vector>

namespace ppq {

/// What a user should know of a job. Those with a code say what was seen in a form that programs can read; docs/warnings.md lists them.
struct Warning {
  std::string code;  ///< "bias-range"; empty: the text is all there is
  std::string text;
  std::vector<std::string> tensors = {};
  std::map<std::string, double> figures = {};
  std::string remedy = {};  ///< options to paste behind the command; empty: there is nothing to do, or no option does it
};

/// The line that is printed: "[bias-range] the bias …".
inline std::string line_of(const Warning& warning) {
  return warning.code.empty() ? warning.text : "[" + warning.code + "] " + warning.text;
}

}  // namespace ppq
