#include "ops/families.h"

namespace ppq::ops {

Rows shape() { return {}; }

}  // namespace ppq::ops
