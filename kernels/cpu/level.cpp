#include "kernels/cpu/level.h"

#include <cstdlib>
#include <string_view>

#include "kernels/kernels.h"
#include "ppq/error.h"

namespace ppq::kernels {
namespace cpu {
namespace {

thread_local const Level* chosen_level = nullptr;

const Level& level_named(std::string_view wanted) {
  std::vector<const Level*> levels = available_levels();
  if (wanted.empty()) return *levels.back();
  for (const Level* level : levels) {
    if (wanted == level->name) return *level;
  }
  if (wanted == "avx2" || wanted == "avx512") {
    throw Error(ErrorKind::Usage, "PPQ_CPU_KERNELS", "this machine lacks " + std::string(wanted) + " instructions",
                "leave the variable unset");
  }
  throw Error(ErrorKind::Usage, "PPQ_CPU_KERNELS", "got '" + std::string(wanted) + "', expected scalar, avx2 or avx512");
}

}  // namespace

std::vector<const Level*> available_levels() {
  std::vector<const Level*> levels{&scalar_level()};
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl");
  if (avx2) levels.push_back(&avx2_level());
  if (avx512) levels.push_back(&avx512_level());
#endif
  return levels;
}

const Level& current_level() {
  static const Level& level = [&]() -> const Level& {
    const char* wanted = std::getenv("PPQ_CPU_KERNELS");
    return level_named(wanted ? wanted : "");
  }();
  return chosen_level ? *chosen_level : level;
}

UseLevel::UseLevel(const Level& level) : previous_(chosen_level) { chosen_level = &level; }
UseLevel::~UseLevel() { chosen_level = previous_; }

}  // namespace cpu

const char* cpu_instruction_set() { return cpu::current_level().name; }

}  // namespace ppq::kernels
