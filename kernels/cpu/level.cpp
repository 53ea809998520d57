#include "kernels/cpu/level.h"

#include <cstdlib>
#include <string_view>

#include "kernels/kernels.h"
#include "ppq/error.h"

namespace ppq::kernels {
namespace cpu {
namespace {

const Level& best_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return avx512_level();
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) return avx2_level();
#endif
  return scalar_level();
}

const Level& lowered_level(std::string_view wanted) {
  const Level& best = best_level();
  if (wanted.empty() || wanted == best.name) return best;
  if (wanted == "scalar") return scalar_level();
#if defined(__x86_64__)
  if (wanted == "avx2" && best.name == std::string_view("avx512")) return avx2_level();
#endif
  if (wanted == "avx2" || wanted == "avx512") {
    throw Error(ErrorKind::Usage, "PPQ_CPU_KERNELS", "this machine lacks " + std::string(wanted) + " instructions",
                "leave the variable unset");
  }
  throw Error(ErrorKind::Usage, "PPQ_CPU_KERNELS", "got '" + std::string(wanted) + "', expected scalar, avx2 or avx512");
}

}  // namespace

const Level& current_level() {
  static const Level* level = [] {
    const char* wanted = std::getenv("PPQ_CPU_KERNELS");
    return &lowered_level(wanted ? wanted : "");
  }();
  return *level;
}

}  // namespace cpu

const char* cpu_instruction_set() { return cpu::current_level().name; }

}  // namespace ppq::kernels
