#include "ops/families.h"

namespace ppq::ops {

Rows detection() { return {}; }

}  // namespace ppq::ops
