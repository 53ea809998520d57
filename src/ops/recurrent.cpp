#include "ops/families.h"

namespace ppq::ops {

Rows recurrent() { return {}; }

}  // namespace ppq::ops
