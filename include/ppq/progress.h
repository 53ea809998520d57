#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace ppq {

/// Progress of a long step: done of total, called by one thread at a time. Null is fine.
using Progress = std::function<void(const std::string& what, size_t done, size_t total)>;

}  // namespace ppq
