// GCC 12 takes the undefined operands inside its own AVX-512 intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#define PPQ_LEVEL avx512
#include "kernels/cpu/lanes_avx512.h"
#include "kernels/cpu/loops.h"

namespace ppq::kernels::cpu {

const Level& avx512_level() {
  static const Level level = avx512::make_level("avx512");
  return level;
}

}  // namespace ppq::kernels::cpu
