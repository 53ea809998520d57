#include "ops/families.h"

namespace ppq::ops {

Rows reduction() { return {}; }

}  // namespace ppq::ops
