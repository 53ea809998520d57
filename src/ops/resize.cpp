#include "ops/families.h"

namespace ppq::ops {

Rows resize() { return {}; }

}  // namespace ppq::ops
