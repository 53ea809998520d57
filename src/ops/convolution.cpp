#include "ops/families.h"

namespace ppq::ops {

Rows convolution() { return {}; }

}  // namespace ppq::ops
