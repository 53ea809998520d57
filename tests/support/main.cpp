#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "kernels/cpu/level.h"

namespace {

constexpr int kSkipped = 77;  ///< SKIP_RETURN_CODE of tests/CMakeLists.txt

/// Whether PPQ_CPU_KERNELS names a level that exists but not here. (A name that is none is for the tests to complain about.)
bool lacks_wanted_level() {
  const char* wanted = std::getenv("PPQ_CPU_KERNELS");
  const auto levels = ppq::kernels::cpu::available_levels();
  const auto is_wanted = [&](std::string_view name) { return wanted && name == wanted; };
  if (!is_wanted("avx2") && !is_wanted("avx512")) return false;
  if (std::any_of(levels.begin(), levels.end(), [&](const auto* level) { return is_wanted(level->name); })) return false;
  std::printf("skipped: this machine lacks %s instructions (PPQ_CPU_KERNELS)\n", wanted);
  return true;
}

/// Whether this run would repeat what the tests do by themselves: the machine's own level, where PPQ_SKIP_OWN_LEVEL asks to leave it out.
bool repeats_own_level() {
  const char* wanted = std::getenv("PPQ_CPU_KERNELS");
  const std::string_view own = ppq::kernels::cpu::available_levels().back()->name;
  if (!wanted || own != wanted || !std::getenv("PPQ_SKIP_OWN_LEVEL")) return false;
  std::printf("skipped: %s is this machine's own level, at which every test runs anyway\n", wanted);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (lacks_wanted_level() || repeats_own_level()) return kSkipped;
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
