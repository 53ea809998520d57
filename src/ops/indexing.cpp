#include "ops/families.h"

namespace ppq::ops {

Rows indexing() { return {}; }

}  // namespace ppq::ops
