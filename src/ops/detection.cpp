#include "ops/detection.h"

#include "ops/families.h"

namespace ppq::ops {

Rows detection() {
  constexpr uint32_t kSuppressionLimits = 1u << 2 | 1u << 3 | 1u << 4;
  return {
      {"NonMaxSuppression", 10, make_non_max_suppression, "", kSuppressionLimits},
      {"RoiAlign", 10, make_roi_align},
      {"MaxRoiPool", 1, make_max_roi_pool},
      {"MMCVRoiAlign", 1, make_mmcv_roi_align, "mmcv"},
      {"MMCVRoiAlign", 1, make_mmcv_roi_align, "mmdeploy"},
  };
}

}  // namespace ppq::ops
