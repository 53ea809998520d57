#pragma once

#include <string>

#include "ppq/platform.h"

namespace ppq::platforms {

/// A name with a folder or the ending .json.
bool is_platform_file(const std::string& name);

/// A target in the user's own words (docs/platforms.md): JSON with comments. `where` is the file's name. Throws Usage with all that is
/// wrong, each with its place ("slots[2].bits").
PlatformSpec platform_from_json(const std::string& text, const std::string& where);

}  // namespace ppq::platforms
