#pragma once

#include "ops/op.h"

namespace ppq::ops {

Kernel make_depth_to_space(const OpSpec& spec);
Kernel make_space_to_depth(const OpSpec& spec);
Kernel make_col2im(const OpSpec& spec);
Kernel make_center_crop_pad(const OpSpec& spec);
Kernel make_grid_sample(const OpSpec& spec);
Kernel make_mmcv_grid_sampler(const OpSpec& spec);
Kernel make_affine_grid(const OpSpec& spec);

}  // namespace ppq::ops
