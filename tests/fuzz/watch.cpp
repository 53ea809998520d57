#include "fuzz/watch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <stdexcept>

namespace ppq::fuzz {
namespace {

constexpr int kFault = 98;
constexpr useconds_t kLook = 2000;  // microseconds between two looks at the child

int64_t now() { return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void copy_text(char* to, size_t room, const std::string& text) {
  const size_t count = std::min(room - 1, text.size());
  std::memcpy(to, text.data(), count);
  to[count] = 0;
}

size_t resident_bytes(pid_t child) {
  std::ifstream file("/proc/" + std::to_string(child) + "/statm");
  size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

/// What a sanitizer says: its summary, and the first of our functions on the stack.
std::string report_in(const std::string& log) {
  std::ifstream file(log);
  std::string summary, frame;
  for (std::string line; std::getline(file, line);) {
    if (line.find("runtime error:") != std::string::npos || (summary.empty() && line.find("SUMMARY:") != std::string::npos)) summary = line;
    const size_t place = line.find(" in ppq::");
    if (frame.empty() && place != std::string::npos && line.find("ppq::fuzz") == std::string::npos) frame = line.substr(place);
  }
  return summary.substr(0, 300) + frame.substr(0, 300);
}

std::string limit_broken(pid_t child, const Limits& limits) {
  const double seconds = static_cast<double>(now() - board().since) / 1000;
  if (seconds > limits.seconds) return "takes more than " + std::to_string(static_cast<int>(limits.seconds)) + " s";
  if (resident_bytes(child) > limits.bytes) return "takes more than " + std::to_string(limits.bytes >> 20) + " MB";
  return "";
}

std::string end_of(int status, const std::string& log) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  if (WIFEXITED(status) && WEXITSTATUS(status) == kFault) return board().fault;
  const std::string report = report_in(log);
  const std::string how =
      WIFSIGNALED(status) ? std::string("signal ") + strsignal(WTERMSIG(status)) : "exit status " + std::to_string(WEXITSTATUS(status));
  return how + (report.empty() ? "" : ": " + report);
}

}  // namespace

Board& board() {
  static Board& shared = [&]() -> Board& {
    void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
    return *new (memory) Board;
  }();
  return shared;
}

std::string watch(const std::function<void()>& work, const Limits& limits, const std::string& log) {
  board().since = now();
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error(std::string("cannot fork: ") + std::strerror(errno));
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (const int file = open(log.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600); file >= 0) dup2(file, STDERR_FILENO);
    work();
    _exit(0);
  }
  for (;;) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) return end_of(status, log);
    if (const std::string limit = limit_broken(child, limits); !limit.empty()) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return limit;
    }
    usleep(kLook);
  }
}

void begin(uint64_t index) {
  board().index = index;
  board().since = now();
  std::ofstream("/proc/self/clear_refs") << "5";
}

void set_stage(const char* stage) { copy_text(board().stage, sizeof board().stage, stage); }

void end_with(const std::string& fault) {
  copy_text(board().fault, sizeof board().fault, fault);
  _exit(kFault);
}

size_t peak_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stoul(line.substr(6)) * 1024;
  return 0;
}

}  // namespace ppq::fuzz
