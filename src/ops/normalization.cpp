#include "ops/families.h"

namespace ppq::ops {

Rows normalization() { return {}; }

}  // namespace ppq::ops
