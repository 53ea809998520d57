#include "core/words.h"

#include <algorithm>

namespace ppq {

std::string listed(const std::vector<std::string>& names, size_t most, const std::string& quote) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), most); ++i) text += (i ? ", " : "") + quote + names[i] + quote;
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

}  // namespace ppq
