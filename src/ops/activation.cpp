#include "ops/families.h"

namespace ppq::ops {

Rows activation() { return {}; }

}  // namespace ppq::ops
