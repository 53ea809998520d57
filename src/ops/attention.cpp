#include "ops/families.h"

namespace ppq::ops {

Rows attention() { return {}; }

}  // namespace ppq::ops
