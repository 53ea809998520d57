#pragma once

#include <chrono>
#include <cstdio>
#include <string>

namespace ppq {

enum class LogLevel { Quiet, Normal, Verbose };
struct LogConfig {
  LogLevel level = LogLevel::Normal;
  bool json = false;
  bool progress = true;
};
/// Set once by the command line before anything is logged.
void configure_log(const LogConfig& config);
const LogConfig& log_config();

/// To stderr; progress bars are cleared first. `info` is silent with --quiet, `debug` without --verbose.
void log_info(const std::string& text);
void log_debug(const std::string& text);
void log_warning(const std::string& text);
void log_error(const std::string& text);

/// A bar with rate and ETA on a terminal (redrawn at most 10 times a second), a plain line every few seconds otherwise.
class ProgressBar {
 public:
  ProgressBar(std::string label, size_t total, std::string unit);
  ~ProgressBar();
  void update(size_t done);
  void finish();

 private:
  std::string label_, unit_;
  size_t total_, done_ = 0;
  bool terminal_, finished_ = false;
  std::chrono::steady_clock::time_point start_, last_;
  void draw(bool final);
};

}  // namespace ppq
