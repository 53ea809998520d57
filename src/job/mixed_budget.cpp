#include <algorithm>
#include <charconv>
#include <set>

#include "job/mixed_precision.h"
#include "ppq/error.h"

namespace ppq {
namespace {

const std::vector<std::string> kWords = {"noise", "agreement", "macs", "to"};

/// More than 0, and at most 1 where it is a share.
double positive(const std::string& word, const std::string& text, bool share, const std::string& option) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0) || value > (share ? 1 : 1e9))
    throw Error(ErrorKind::Usage, option, word + ": got '" + text + "', expected a number above 0" + (share ? ", at most 1" : ""));
  return value;
}

}  // namespace

MixedBudget parse_mixed_budget(const std::string& text, const std::string& option) {
  MixedBudget budget;
  budget.text = text;
  std::set<std::string> seen;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin), word = item.substr(0, item.find('='));
    const std::string value = item.size() > word.size() ? item.substr(word.size() + 1) : "";
    begin = end + 1;
    if (std::find(kWords.begin(), kWords.end(), word) == kWords.end())
      throw Error(ErrorKind::Usage, option, "got '" + word + "', expected noise=…, agreement=…, macs=… or to=…",
                  did_you_mean(word, kWords));
    if (!seen.insert(word).second) throw Error(ErrorKind::Usage, option, "got " + word + " twice");
    if (word == "noise") budget.noise = positive(word, value, false, option);
    if (word == "agreement") budget.agreement = positive(word, value, true, option);
    if (word == "macs") budget.macs = positive(word, value, true, option);
    if (word == "to" && value != "16" && value != "float")
      throw Error(ErrorKind::Usage, option, "to: got '" + value + "', expected 16 or float");
    if (word == "to") budget.to_float = value == "float";
  }
  if (!budget.noise && !budget.agreement && !budget.macs)
    throw Error(ErrorKind::Usage, option, "got '" + text + "', expected a budget", "such as noise=0.001, agreement=0.99 or macs=0.2");
  return budget;
}

}  // namespace ppq
