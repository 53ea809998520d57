#include <algorithm>

#include "fuzz/mutations.h"

namespace ppq::fuzz {

std::string spoil_bytes(std::string& bytes, Random& random) {
  if (bytes.empty()) return "an empty file";
  const size_t at = random.below(bytes.size()), length = std::min(bytes.size() - at, 1 + random.below(16));
  const std::string place = " at " + std::to_string(at);
  switch (random.below(6)) {
    case 0:
      bytes.resize(at);
      return "cut" + place;
    case 1:
      bytes.erase(at, length);
      return std::to_string(length) + " bytes gone" + place;
    case 2:
      bytes.insert(at, bytes.substr(random.below(bytes.size()), length));
      return "bytes more" + place;
    case 3:
      bytes.append(bytes.substr(at));
      return "its end twice";
    default:
      for (size_t i = at; i < at + (random.one_in(2) ? 1 : length); ++i) bytes[i] = static_cast<char>(random.next());
      return "other bytes" + place;
  }
}

}  // namespace ppq::fuzz
