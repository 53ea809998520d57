#pragma once

#include <string>
#include <vector>

namespace ppq {

/// "a, b, c and 5 more": at most `most` names, each between `quote`s.
std::string listed(const std::vector<std::string>& names, size_t most = 8, const std::string& quote = "");

}  // namespace ppq
