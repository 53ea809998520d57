#include "ops/detection.h"

#include "ops/families.h"

namespace ppq::ops {

Rows detection() {
  using enum OpKind;
  constexpr uint32_t kSuppressionLimits = 1u << 2 | 1u << 3 | 1u << 4;
  return {
      {"NonMaxSuppression", 10, make_non_max_suppression, {Description, "ddsff", "f"}, "", kSuppressionLimits},
      {"RoiAlign", 10, make_roi_align, {Computation, "dfs", "d"}},
      {"MaxRoiPool", 1, make_max_roi_pool, {Computation, "df", "d"}},
      {"MMCVRoiAlign", 1, make_mmcv_roi_align, {Computation, "df", "d"}, "mmcv"},
      {"MMCVRoiAlign", 1, make_mmcv_roi_align, {Computation, "df", "d"}, "mmdeploy"},
  };
}

}  // namespace ppq::ops
