#include "ops/families.h"

namespace ppq::ops {

Rows pooling() { return {}; }

}  // namespace ppq::ops
