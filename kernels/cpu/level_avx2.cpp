#define PPQ_LEVEL avx2
#include "kernels/cpu/lanes_avx2.h"
#include "kernels/cpu/loops.h"

namespace ppq::kernels::cpu {

const Level& avx2_level() {
  static const Level level = avx2::make_level("avx2");
  return level;
}

}  // namespace ppq::kernels::cpu
