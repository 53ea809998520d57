#pragma once

#include "ops/op.h"

namespace ppq::ops {

Kernel make_non_max_suppression(const OpSpec& spec);
Kernel make_roi_align(const OpSpec& spec);
Kernel make_mmcv_roi_align(const OpSpec& spec);
Kernel make_max_roi_pool(const OpSpec& spec);

}  // namespace ppq::ops
