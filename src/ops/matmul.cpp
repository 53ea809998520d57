#include "ops/families.h"

namespace ppq::ops {

Rows matmul() { return {}; }

}  // namespace ppq::ops
