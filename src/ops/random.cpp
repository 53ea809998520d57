#include "ops/families.h"

namespace ppq::ops {

Rows random() { return {}; }

}  // namespace ppq::ops
