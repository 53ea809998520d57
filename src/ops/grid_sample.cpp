#include <ATen/ATen.h>

#include "ops/resize.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

// LibTorch's codes.
enum Interpolation : int64_t { kBilinear = 0, kNearest = 1, kBicubic = 2 };
enum Padding : int64_t { kZeros = 0, kBorder = 1, kReflection = 2 };

at::Tensor sample(const at::Tensor& x, const at::Tensor& grid, int64_t interpolation, int64_t padding, bool align_corners) {
  if (x.dim() == 4) return at::grid_sampler_2d(x, grid.to(x.scalar_type()), interpolation, padding, align_corners);
  if (x.dim() != 5) reject_unsupported("GridSample", "spatial dimensions: got " + std::to_string(x.dim() - 2) + ", expected 2 or 3");
  if (interpolation == kBicubic) reject_unsupported("GridSample", "mode: got cubic for a volume, expected linear or nearest");
  return at::grid_sampler_3d(x, grid.to(x.scalar_type()), interpolation, padding, align_corners);
}

}  // namespace

Kernel make_grid_sample(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  const std::string mode = a.get_string("mode", "linear"), padding = a.get_string("padding_mode", "zeros");
  int64_t interpolation = kBilinear, border = kZeros;
  if (mode == "nearest")
    interpolation = kNearest;
  else if (mode == "cubic" || mode == "bicubic")
    interpolation = kBicubic;
  else if (mode != "linear" && mode != "bilinear")
    fail(spec.node, "mode: got " + mode + ", expected linear, nearest or cubic");
  if (padding == "border")
    border = kBorder;
  else if (padding == "reflection")
    border = kReflection;
  else if (padding != "zeros")
    fail(spec.node, "padding_mode: got " + padding + ", expected zeros, border or reflection");
  return [interpolation, border, align = a.get_int("align_corners", 0) != 0](Inputs in, Outputs out) {
    out[0] = sample(in[0], in[1], interpolation, border, align);
  };
}

/// mmcv's and mmdeploy's operator: LibTorch's numbers for both modes are attributes.
Kernel make_mmcv_grid_sampler(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  const int64_t interpolation = a.get_int("interpolation_mode", 0), padding = a.get_int("padding_mode", 0);
  if (interpolation < 0 || interpolation > 2)
    fail(spec.node, "interpolation_mode: got " + std::to_string(interpolation) + ", expected 0 to 2");
  if (padding < 0 || padding > 2) fail(spec.node, "padding_mode: got " + std::to_string(padding) + ", expected 0 to 2");
  return [interpolation, padding, align = a.get_int("align_corners", 0) != 0](Inputs in, Outputs out) {
    out[0] = sample(in[0], in[1], interpolation, padding, align);
  };
}

Kernel make_affine_grid(const OpSpec& spec) {
  return [align = spec.node.attributes.get_int("align_corners", 0) != 0](Inputs in, Outputs out) {
    out[0] = at::affine_grid_generator(in[0], to_ints(in[1]), align);
  };
}

}  // namespace ppq::ops
