#pragma once

#include <string>

#include "analysis/report.h"

/// The sections of report.html. Each is HTML without its heading, or empty where there is nothing to say.
namespace ppq::html {

std::string warnings_section(const Report& report);
std::string suggestions_section(const Report& report);
std::string outputs_section(const Report& report);
std::string errors_section(const Report& report);
std::string worst_section(const Report& report);
std::string passes_section(const Report& report);
std::string mixed_section(const Report& report);
std::string sensitivity_section(const Report& report);
std::string tensors_section(const Report& report);
std::string missing_section(const Report& report);
std::string run_section(const Report& report);
std::string settings_section(const Report& report);

/// Tensors that the report shows one by one, numbered from 1.
std::vector<const TensorError*> shown_tensors(const Report& report);

/// The page's style: one column, up to 1240 pixels, light or dark as the reader's system.
extern const char* const kStyle;

}  // namespace ppq::html
