#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace ppq::fuzz {

/// What a child tells its parent, in memory that both see.
struct Board {
  std::atomic<uint64_t> index{0};  ///< of the mutant at work
  std::atomic<int64_t> since{0};   ///< milliseconds of the steady clock when it began
  char stage[64] = {};
  char fault[2048] = {};
  std::atomic<uint64_t> codes[8] = {};                 ///< how many ended so; 1: anything else
  std::atomic<uint64_t> peak_bytes{0}, peak_index{0};  ///< of the worst model that was done to the end
};
/// One of it, until the process ends.
Board& board();

struct Limits {
  double seconds = 20;
  size_t bytes = size_t{4} << 30;
};

/// Runs `work` in a child whose stderr goes to `log`. Empty where it ends well, else what became of it: the text on the board, a signal,
/// a report of a sanitizer, or the limit that it broke.
std::string watch(const std::function<void()>& work, const Limits& limits, const std::string& log);

/// For the child: the mutant begins, and what is done with it.
void begin(uint64_t index);
void set_stage(const char* stage);
/// Ends the child with a fault.
[[noreturn]] void end_with(const std::string& fault);

/// Largest resident set since `begin`.
size_t peak_bytes();

}  // namespace ppq::fuzz
