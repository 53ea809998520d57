#include "core/log.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>

namespace ppq {
namespace {

LogConfig& config() {
  static LogConfig value;
  return value;
}

std::mutex& output_mutex() {
  static std::mutex mutex;
  return mutex;
}

void emit(const char* level, const char* prefix, const std::string& text) {
  std::lock_guard lock(output_mutex());
  if (config().json)
    std::fprintf(
        stderr, "%s\n",
        nlohmann::json({{"level", level}, {"message", text}}).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  else
    std::fprintf(stderr, "%s%s%s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", prefix, text.c_str());
}

std::string duration(double seconds) {
  char text[32];
  if (seconds < 60)
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  else
    std::snprintf(text, sizeof text, "%d:%02d min", static_cast<int>(seconds) / 60, static_cast<int>(seconds) % 60);
  return text;
}

}  // namespace

void configure_log(const LogConfig& value) { config() = value; }
const LogConfig& log_config() { return config(); }

void log_info(const std::string& text) {
  if (config().level != LogLevel::Quiet) emit("info", "", text);
}
void log_debug(const std::string& text) {
  if (config().level == LogLevel::Verbose) emit("debug", "", text);
}
void log_warning(const std::string& text) { emit("warning", "warning: ", text); }
void log_error(const std::string& text) { emit("error", "error: ", text); }

ProgressBar::ProgressBar(std::string label, size_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::update(size_t done) {
  done_ = done;
  const auto now = std::chrono::steady_clock::now();
  const auto interval = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (now - last_ < interval) return;
  last_ = now;
  draw(false);
}

void ProgressBar::finish() {
  if (finished_) return;
  finished_ = true;
  if (done_ > 0) draw(true);
}

void ProgressBar::draw(bool final) {
  if (!config().progress || config().level == LogLevel::Quiet) return;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  char numbers[128];
  if (final)
    std::snprintf(numbers, sizeof numbers, "%zu %s in %s (%.1f %s/s)", done_, unit_.c_str(), duration(seconds).c_str(), rate,
                  unit_.c_str());
  else
    std::snprintf(numbers, sizeof numbers, "%zu/%zu %s, %.1f %s/s, ETA %s", done_, total_, unit_.c_str(), rate, unit_.c_str(),
                  duration(rate > 0 ? static_cast<double>(total_ - std::min(done_, total_)) / rate : 0).c_str());
  if (config().json) {
    std::lock_guard lock(output_mutex());
    std::fprintf(
        stderr, "%s\n",
        nlohmann::json({{"level", "progress"}, {"what", label_}, {"done", done_}, {"total", total_}, {"per_second", rate}}).dump().c_str());
    return;
  }
  std::lock_guard lock(output_mutex());
  if (!terminal_) {
    std::fprintf(stderr, "%s: %s\n", label_.c_str(), numbers);
    return;
  }
  constexpr int kWidth = 24;
  const int filled = total_ ? static_cast<int>(kWidth * std::min(done_, total_) / total_) : kWidth;
  std::string bar;
  for (int i = 0; i < kWidth; ++i) bar += i < filled ? "█" : "░";
  std::fprintf(stderr, "\r\033[K%s %s %s%s", label_.c_str(), bar.c_str(), numbers, final ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace ppq
