#pragma once

#include "options.h"

namespace ppq::app {

// One command a file. Each takes the arguments after its name and returns the exit code.
int quantize_command(const Args& args);
int run_command(const Args& args);
int analyze_command(const Args& args);
int compare_command(const Args& args);
int export_command(const Args& args);
int inspect_command(const Args& args);
int list_command(const Args& args);

}  // namespace ppq::app
