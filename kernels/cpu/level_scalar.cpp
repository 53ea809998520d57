#define PPQ_LEVEL scalar
#include "kernels/cpu/lanes_scalar.h"
#include "kernels/cpu/loops.h"

namespace ppq::kernels::cpu {

const Level& scalar_level() {
  static const Level level = scalar::make_level("scalar");
  return level;
}

}  // namespace ppq::kernels::cpu
