#include "ops/families.h"

namespace ppq::ops {

Rows elementwise() { return {}; }

}  // namespace ppq::ops
