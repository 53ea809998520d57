#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "ops/detection.h"
#include "ops/memory_bound.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

struct RoiAlignAttributes {
  std::string type;
  int64_t height = 1, width = 1, sampling_ratio = 0;
  double scale = 1;
  bool max = false;
  bool half_pixel = false;
};

/// Region of interest on the feature map.
struct Roi {
  int64_t index, image;
  double y, x, height, width;
};

std::vector<Roi> read_rois(const at::Tensor& rois, const at::Tensor& images, const RoiAlignAttributes& a) {
  const at::Tensor r = rois.to(at::kCPU, at::kDouble).contiguous();
  const std::vector<int64_t> image = to_ints(images);
  if (r.dim() != 2 || r.size(1) != 4 || image.size() != static_cast<size_t>(r.size(0)))
    reject(a.type,
           "rois: got " + to_string(r.sizes()) + " with " + std::to_string(image.size()) + " batch indices, expected [R, 4] and [R]");
  const double offset = a.half_pixel ? 0.5 : 0;
  std::vector<Roi> result;
  for (int64_t i = 0; i < r.size(0); ++i) {
    const double* p = r.const_data_ptr<double>() + 4 * i;
    Roi roi{i, image[i], p[1] * a.scale - offset, p[0] * a.scale - offset, (p[3] - p[1]) * a.scale, (p[2] - p[0]) * a.scale};
    if (!a.half_pixel) {  // without the half pixel, regions are at least one element large
      roi.height = std::max(roi.height, 1.0);
      roi.width = std::max(roi.width, 1.0);
    }
    result.push_back(roi);
  }
  return result;
}

/// Linear interpolation along one axis at every sample of every region of a group, flattened [R * samples].
struct Samples {
  at::Tensor low, high, weight_low, weight_high;
};

Samples sample_axis(const std::vector<Roi>& rois, double Roi::*begin, double Roi::*extent, int64_t bins, int64_t grid, int64_t size,
                    const at::Tensor& like) {
  std::vector<int64_t> low, high;
  std::vector<double> weight_low, weight_high;
  for (const Roi& roi : rois)
    for (int64_t i = 0; i < bins * grid; ++i) {
      const double bin = roi.*extent / static_cast<double>(bins);
      double at =
          roi.*begin + static_cast<double>(i / grid) * bin + (static_cast<double>(i % grid) + 0.5) * bin / static_cast<double>(grid);
      const bool inside = at >= -1 && at <= static_cast<double>(size);
      at = std::clamp(at, 0.0, static_cast<double>(size - 1));
      const int64_t floor = static_cast<int64_t>(at);
      low.push_back(floor);
      high.push_back(std::min(floor + 1, size - 1));
      weight_high.push_back(inside ? at - static_cast<double>(floor) : 0);
      weight_low.push_back(inside ? 1 - (at - static_cast<double>(floor)) : 0);
    }
  auto longs = [&](const std::vector<int64_t>& v) { return at::tensor(v, at::kLong).to(like.device()); };
  auto reals = [&](const std::vector<double>& v) { return at::tensor(v, at::kDouble).to(like.options()); };
  return {longs(low), longs(high), reals(weight_low), reals(weight_high)};
}

/// Regions with one sampling grid [R, C, height, width]. `x` is [N, C, H, W].
at::Tensor align_group(const at::Tensor& x, const std::vector<Roi>& rois, int64_t grid_h, int64_t grid_w, const RoiAlignAttributes& a) {
  const int64_t count = static_cast<int64_t>(rois.size()), c = x.size(1), w = x.size(3);
  const Samples ys = sample_axis(rois, &Roi::y, &Roi::height, a.height, grid_h, x.size(2), x);
  const Samples xs = sample_axis(rois, &Roi::x, &Roi::width, a.width, grid_w, w, x);
  std::vector<int64_t> images;
  for (const Roi& roi : rois) images.push_back(roi.image);
  const at::Tensor planes = x.flatten(2), image = at::tensor(images, at::kLong).to(x.device());
  const int64_t rows = a.height * grid_h, columns = a.width * grid_w;
  auto corner = [&](const at::Tensor& row, const at::Tensor& column, const at::Tensor& row_weight, const at::Tensor& column_weight) {
    const at::Tensor place = (row.reshape({count, rows, 1}) * w + column.reshape({count, 1, columns})).reshape({count, rows * columns});
    const at::Tensor weight = (row_weight.reshape({count, rows, 1}) * column_weight.reshape({count, 1, columns})).reshape({count, -1, 1});
    return planes.permute({0, 2, 1}).index({image.unsqueeze(1), place}) * weight;  // [R, places, C]
  };
  const at::Tensor corners[] = {
      corner(ys.low, xs.low, ys.weight_low, xs.weight_low), corner(ys.low, xs.high, ys.weight_low, xs.weight_high),
      corner(ys.high, xs.low, ys.weight_high, xs.weight_low), corner(ys.high, xs.high, ys.weight_high, xs.weight_high)};
  auto bins = [&](const at::Tensor& t) { return t.reshape({count, a.height, grid_h, a.width, grid_w, c}); };
  at::Tensor y;
  if (a.max)  // ONNX takes the maximum of the weighted corners, not of the interpolated samples
    y = bins(at::maximum(at::maximum(corners[0], corners[1]), at::maximum(corners[2], corners[3]))).amax({2, 4});
  else
    y = bins(corners[0] + corners[1] + corners[2] + corners[3]).mean({2, 4});
  return y.permute({0, 3, 1, 2});
}

at::Tensor roi_align(const at::Tensor& x, const at::Tensor& rois, const at::Tensor& images, const RoiAlignAttributes& a) {
  if (x.dim() != 4 || x.size(2) == 0 || x.size(3) == 0)
    reject(a.type, "input: got " + to_string(x.sizes()) + ", expected [N, C, H, W] with elements");
  std::map<std::pair<int64_t, int64_t>, std::vector<Roi>> groups;  // by sampling grid
  for (const Roi& roi : read_rois(rois, images, a)) {
    if (roi.image < 0 || roi.image >= x.size(0))
      reject(a.type, "batch_indices: got " + std::to_string(roi.image) + ", expected less than " + std::to_string(x.size(0)));
    auto grid = [&](double extent, int64_t bins) {
      // Beyond this a region is no part of an image.
      if (!(std::abs(extent) < 1e6))
        reject(a.type, "rois: got one of " + std::to_string(extent) + " elements, expected a part of the image");
      return a.sampling_ratio > 0 ? a.sampling_ratio : static_cast<int64_t>(std::ceil(extent / static_cast<double>(bins)));
    };
    groups[{grid(roi.height, a.height), grid(roi.width, a.width)}].push_back(roi);
  }
  const at::Tensor y = at::zeros({rois.size(0), x.size(1), a.height, a.width}, x.options());
  for (const auto& [grid, members] : groups) {
    if (grid.first <= 0 || grid.second <= 0) continue;  // empty regions stay 0
    check_room(a.type, {a.height, a.width, grid.first, grid.second, std::max<int64_t>(x.size(1), 1)});
    const int64_t samples = std::max<int64_t>(1, x.size(1) * a.height * a.width * grid.first * grid.second);
    const size_t chunk = static_cast<size_t>(std::max<int64_t>(1, (int64_t{1} << 23) / samples));  // bounds memory
    for (size_t first = 0; first < members.size(); first += chunk) {
      const std::vector<Roi> part(members.begin() + first, members.begin() + std::min(first + chunk, members.size()));
      std::vector<int64_t> places;
      for (const Roi& roi : part) places.push_back(roi.index);
      const at::Tensor value = align_group(x, part, grid.first, grid.second, a);
      y.index_copy_(0, at::tensor(places, at::kLong).to(x.device()), value);
    }
  }
  return y;
}

RoiAlignAttributes roi_attributes(const Node& node) {
  const Attributes& at = node.attributes;
  RoiAlignAttributes a{node.op_type, at.get_int("output_height", 1), at.get_int("output_width", 1), at.get_int("sampling_ratio", 0),
                       double{at.get_float("spatial_scale", 1.0f)}};
  const std::string mode = at.get_string("mode", "avg");
  if (mode != "avg" && mode != "max") fail(node, "mode: got " + mode + ", expected avg or max");
  a.max = mode == "max";
  if (a.height < 1 || a.width < 1)
    fail(node,
         "output_height and output_width: got " + std::to_string(a.height) + " and " + std::to_string(a.width) + ", expected at least 1");
  if (a.sampling_ratio < 0) fail(node, "sampling_ratio: got " + std::to_string(a.sampling_ratio) + ", expected 0 or more");
  return a;
}

/// Fast R-CNN's pooling: each roi [image, x1, y1, x2, y2] is rounded to whole elements, ends included.
at::Tensor max_roi_pool(const at::Tensor& x, const at::Tensor& rois, const std::vector<int64_t>& shape, double scale) {
  const at::Tensor r = rois.to(at::kCPU, at::kFloat).contiguous();
  if (x.dim() != 4 || r.dim() != 2 || r.size(1) != 5)
    reject("MaxRoiPool",
           "inputs: got " + to_string(x.sizes()) + " and rois " + to_string(r.sizes()) + ", expected [N, C, H, W] and [R, 5]");
  const double lowest = -std::numeric_limits<double>::infinity();
  std::vector<at::Tensor> pooled;
  for (int64_t i = 0; i < r.size(0); ++i) {
    const float* p = r.const_data_ptr<float>() + 5 * i;
    auto place = [&](int k) {
      const double at = std::round(p[k] * scale);
      if (!(std::abs(at) < 1e6)) reject("MaxRoiPool", "rois: got the place " + std::to_string(at) + ", expected one in the image");
      return static_cast<int64_t>(at);
    };
    if (!(p[0] >= 0 && p[0] < static_cast<float>(x.size(0))))
      reject("MaxRoiPool", "rois: got image " + std::to_string(p[0]) + ", expected 0 to " + std::to_string(x.size(0) - 1));
    const int64_t x1 = place(1), y1 = place(2), h = std::max<int64_t>(place(4) - y1 + 1, 1), w = std::max<int64_t>(place(3) - x1 + 1, 1);
    // Crops what lies in the image and pads the rest, so that bins beyond it are empty.
    const at::Tensor region =
        at::constant_pad_nd(x.select(0, static_cast<int64_t>(p[0])), {-x1, x1 + w - x.size(3), -y1, y1 + h - x.size(2)}, lowest);
    const at::Tensor value = std::get<0>(at::adaptive_max_pool2d(region, shape));
    pooled.push_back(value.masked_fill(value == lowest, 0));
  }
  if (pooled.empty()) return at::zeros({0, x.size(1), shape[0], shape[1]}, x.options());
  return at::stack(pooled, 0);
}

}  // namespace

Kernel make_roi_align(const OpSpec& spec) {
  RoiAlignAttributes a = roi_attributes(spec.node);
  const std::string mode =
      spec.node.attributes.get_string("coordinate_transformation_mode", spec.opset >= 16 ? "half_pixel" : "output_half_pixel");
  if (mode != "half_pixel" && mode != "output_half_pixel")
    fail(spec.node, "coordinate_transformation_mode: got " + mode + ", expected half_pixel or output_half_pixel");
  a.half_pixel = mode == "half_pixel";
  return [a](Inputs in, Outputs out) { out[0] = roi_align(in[0], in[1], in[2], a); };
}

/// rois are [image, x1, y1, x2, y2].
Kernel make_mmcv_roi_align(const OpSpec& spec) {
  RoiAlignAttributes a = roi_attributes(spec.node);
  a.half_pixel = spec.node.attributes.get_int("aligned", 1) != 0;
  if (a.max) reject_unsupported(spec.node.name + " (MMCVRoiAlign)", "mode: got max, expected avg");
  return [a](Inputs in, Outputs out) { out[0] = roi_align(in[0], in[1].narrow(1, 1, 4), in[1].select(1, 0).to(at::kLong), a); };
}

Kernel make_max_roi_pool(const OpSpec& spec) {
  const std::vector<int64_t> shape = spec.node.attributes.get_ints("pooled_shape");
  if (shape.size() != 2) fail(spec.node, "pooled_shape: got " + std::to_string(shape.size()) + " entries, expected 2");
  if (shape[0] < 1 || shape[1] < 1) fail(spec.node, "pooled_shape: got " + to_string(at::IntArrayRef(shape)) + ", expected at least 1");
  return [shape, scale = double{spec.node.attributes.get_float("spatial_scale", 1.0f)}](Inputs in, Outputs out) {
    out[0] = max_roi_pool(in[0], in[1], shape, scale);
  };
}

}  // namespace ppq::ops
