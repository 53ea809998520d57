#include "ops/resize.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numeric>

#include "ops/families.h"
#include "ops/linear_quantization.h"
#include "ops/memory_bound.h"
#include "ops/resize_axis.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

constexpr double kMostElements = 0x1p40;  ///< of an axis

enum class AspectPolicy { Stretch, NotLarger, NotSmaller };

struct ResizeAttributes {
  std::string type;
  ResizeRule rule;
  AspectPolicy policy = AspectPolicy::Stretch;
  std::vector<int64_t> axes;
  double extrapolation = 0;
};

/// The choice that a string attribute names.
template <class T>
T choose(const Node& node, const char* attribute, const char* fallback, std::initializer_list<std::pair<const char*, T>> choices) {
  const std::string value = node.attributes.get_string(attribute, fallback);
  std::string message = attribute;
  message.append(": got ").append(value).append(", expected one of");
  for (const auto& [name, choice] : choices) {
    if (value == name) return choice;
    message.append(" ").append(name);
  }
  fail(node, message);
}

ResizeMode mode_of(const Node& node) {
  return choose<ResizeMode>(
      node, "mode", "nearest",
      {{"nearest", ResizeMode::Nearest}, {"linear", ResizeMode::Linear}, {"cubic", ResizeMode::Cubic}, {"bilinear", ResizeMode::Linear}});
}

/// Upsample of every version and Resize of opset 10.
ResizeAttributes asymmetric_attributes(const Node& node) {
  ResizeAttributes a{node.op_type};
  a.rule.mode = mode_of(node);
  a.rule.coordinates = Coordinates::Asymmetric;
  a.rule.nearest = NearestMode::Simple;
  return a;
}

ResizeAttributes resize_attributes(const Node& node) {
  const Attributes& attributes = node.attributes;
  ResizeAttributes a{node.op_type};
  a.rule.mode = mode_of(node);
  a.rule.coordinates = choose<Coordinates>(node, "coordinate_transformation_mode", "half_pixel",
                                           {{"half_pixel", Coordinates::HalfPixel},
                                            {"half_pixel_symmetric", Coordinates::HalfPixelSymmetric},
                                            {"pytorch_half_pixel", Coordinates::PytorchHalfPixel},
                                            {"align_corners", Coordinates::AlignCorners},
                                            {"asymmetric", Coordinates::Asymmetric},
                                            {"tf_crop_and_resize", Coordinates::TfCropAndResize}});
  a.rule.nearest = choose<NearestMode>(node, "nearest_mode", "round_prefer_floor",
                                       {{"round_prefer_floor", NearestMode::RoundPreferFloor},
                                        {"round_prefer_ceil", NearestMode::RoundPreferCeil},
                                        {"floor", NearestMode::Floor},
                                        {"ceil", NearestMode::Ceil}});
  a.rule.cubic_a = attributes.get_float("cubic_coeff_a", -0.75f);
  a.rule.exclude_outside = attributes.get_int("exclude_outside", 0) != 0;
  a.rule.antialias = attributes.get_int("antialias", 0) != 0 && a.rule.mode != ResizeMode::Nearest;
  a.policy = choose<AspectPolicy>(
      node, "keep_aspect_ratio_policy", "stretch",
      {{"stretch", AspectPolicy::Stretch}, {"not_larger", AspectPolicy::NotLarger}, {"not_smaller", AspectPolicy::NotSmaller}});
  a.axes = attributes.get_ints("axes");
  a.extrapolation = attributes.get_float("extrapolation_value", 0);
  return a;
}

std::vector<double> to_doubles(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const at::Tensor host = tensor.to(at::kCPU, at::kDouble).contiguous();
  return {host.const_data_ptr<double>(), host.const_data_ptr<double>() + host.numel()};
}

void check_count(const std::string& type, const char* what, size_t got, size_t expected) {
  if (got != expected) reject(type, std::string(what) + ": got " + std::to_string(got) + " entries, expected " + std::to_string(expected));
}

/// The axes that change, from scales or sizes (one of them is empty) and roi.
std::vector<ResizeAxis> plan(const at::Tensor& x, const ResizeAttributes& a, const std::vector<double>& roi,
                             const std::vector<double>& scales, const std::vector<int64_t>& sizes) {
  std::vector<int64_t> axes = a.axes;
  if (axes.empty()) {
    axes.resize(x.dim());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (scales.empty() && sizes.empty()) reject(a.type, "output size: got neither scales nor sizes, expected one of them");
  if (scales.empty())
    check_count(a.type, "sizes", sizes.size(), axes.size());
  else
    check_count(a.type, "scales", scales.size(), axes.size());
  const bool crop = a.rule.coordinates == Coordinates::TfCropAndResize;
  if (crop) check_count(a.type, "roi", roi.size(), 2 * axes.size());

  std::vector<ResizeAxis> result;
  double common = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizeAxis r;
    r.axis = normalize_axis(axes[i], x.dim());
    r.input = x.size(r.axis);
    if (scales.empty()) {
      r.output = sizes[i];
      r.scale = static_cast<double>(sizes[i]) / static_cast<double>(r.input);
      r.resized = static_cast<double>(r.output);
    } else {
      if (!(scales[i] > 0)) reject(a.type, "scales: got " + std::to_string(scales[i]) + ", expected more than 0");
      r.scale = scales[i];
      r.resized = static_cast<float>(r.scale) * static_cast<float>(r.input);  // float32, as shape inference computes it
      if (!(r.resized < kMostElements)) reject(a.type, "scales: got " + std::to_string(scales[i]) + ", which no axis can have");
      r.output = static_cast<int64_t>(std::floor(r.resized));
    }
    if (r.output < 0 || static_cast<double>(r.output) > kMostElements)
      reject(a.type, "sizes: got " + std::to_string(r.output) + ", expected 0 or more, and what an axis can have");
    if (crop) {
      r.roi_begin = roi[i];
      r.roi_end = roi[axes.size() + i];
    }
    const bool better = a.policy == AspectPolicy::NotLarger ? r.scale < common : r.scale > common;
    if (i == 0 || better) common = r.scale;
    result.push_back(r);
  }
  if (scales.empty() && a.policy != AspectPolicy::Stretch)
    for (ResizeAxis& r : result) {
      r.scale = common;
      if (!(common * static_cast<double>(r.input) < kMostElements)) reject(a.type, "sizes: got a scale of " + std::to_string(common));
      r.output = static_cast<int64_t>(common * static_cast<double>(r.input) + 0.5);
      r.resized = common * static_cast<double>(r.input);
    }
  std::erase_if(result, [&](const ResizeAxis& r) { return r.is_identity(a.rule); });
  return result;
}

/// True where LibTorch's nearest interpolation reads the same elements.
bool matches_native_nearest(const ResizeAxis& r, const AxisWeights& w) {
  if (!w.outside.empty()) return false;
  const float ratio = static_cast<float>(r.input) / static_cast<float>(r.output);
  for (int64_t i = 0; i < r.output; ++i) {
    const int64_t native =
        r.output == 2 * r.input ? i / 2 : std::min<int64_t>(static_cast<int64_t>(std::floor(static_cast<float>(i) * ratio)), r.input - 1);
    if (native != w.index[i]) return false;
  }
  return true;
}

/// The height and width of a 4-D float tensor, when only these change and LibTorch has the very same rule; else undefined.
at::Tensor native_2d(const at::Tensor& x, const std::vector<ResizeAxis>& axes, const ResizeRule& rule) {
  if (x.dim() != 4 || axes.size() != 2 || axes[0].axis != 2 || axes[1].axis != 3 || rule.exclude_outside || rule.antialias ||
      rule.mode == ResizeMode::Nearest || !at::isFloatingType(x.scalar_type()) || x.numel() == 0)
    return {};
  if (rule.mode == ResizeMode::Cubic && rule.cubic_a != -0.75) return {};
  const bool corners = rule.coordinates == Coordinates::AlignCorners;
  if (!corners && rule.coordinates != Coordinates::HalfPixel && rule.coordinates != Coordinates::PytorchHalfPixel) return {};
  std::optional<double> scales[2];
  for (size_t i = 0; i < 2; ++i) {
    const ResizeAxis& r = axes[i];
    if (r.output == 0 || (corners && r.resized != static_cast<double>(r.output))) return {};
    if (rule.coordinates == Coordinates::PytorchHalfPixel && r.resized == 1) return {};
    if (!corners) scales[i] = r.scale;
  }
  const std::vector<int64_t> size{axes[0].output, axes[1].output};
  return rule.mode == ResizeMode::Linear ? at::upsample_bilinear2d(x, size, corners, scales[0], scales[1])
                                         : at::upsample_bicubic2d(x, size, corners, scales[0], scales[1]);
}

at::Tensor resize_nearest(const at::Tensor& x, const std::vector<ResizeAxis>& axes, const ResizeAttributes& a) {
  std::vector<AxisWeights> weights;
  for (const ResizeAxis& r : axes) weights.push_back(weights_of(r, a.rule));
  if (x.dim() == 4 && axes.size() == 2 && axes[0].axis == 2 && axes[1].axis == 3 && x.scalar_type() == at::kFloat && x.numel() &&
      axes[0].output && axes[1].output && matches_native_nearest(axes[0], weights[0]) && matches_native_nearest(axes[1], weights[1]))
    return at::upsample_nearest2d(x, {axes[0].output, axes[1].output});
  at::Tensor y = x;
  for (size_t i = 0; i < axes.size(); ++i) y = apply_axis(y, axes[i], a.rule, weights[i], a.extrapolation);
  return y;
}

at::Tensor resize_tensor(const at::Tensor& x, const ResizeAttributes& a, const std::vector<double>& roi, const std::vector<double>& scales,
                         const std::vector<int64_t>& sizes) {
  const std::vector<ResizeAxis> axes = plan(x, a, roi, scales, sizes);
  if (axes.empty()) return x;
  std::vector<int64_t> shape = x.sizes().vec();
  for (const ResizeAxis& r : axes) shape[r.axis] = r.output;
  check_room(a.type, shape, x.element_size());
  if (x.numel() == 0) {
    const at::Tensor y = at::empty(shape, x.options());
    if (y.numel() != 0) reject(a.type, "input: got " + to_string(x.sizes()) + ", expected elements to interpolate between");
    return y;
  }
  if (a.rule.mode == ResizeMode::Nearest) return resize_nearest(x, axes, a);
  if (const at::Tensor y = native_2d(x, axes, a.rule); y.defined()) return y;
  at::Tensor y = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  for (const ResizeAxis& r : axes) y = apply_axis(y, r, a.rule, weights_of(r, a.rule), a.extrapolation);
  if (at::isIntegralType(x.scalar_type(), false) && x.scalar_type() != at::kLong) {
    const auto [low, high] = integer_range(x.scalar_type());
    y = y.clamp(low, high);
  }
  return y.to(x.scalar_type());
}

Kernel make_resize(const OpSpec& spec) {
  return [a = resize_attributes(spec.node)](Inputs in, Outputs out) {
    const std::vector<double> scales = to_doubles(input_or_none(in, 2));
    const std::vector<int64_t> sizes = scales.empty() ? to_ints(input_or_none(in, 3)) : std::vector<int64_t>{};
    const bool crop = a.rule.coordinates == Coordinates::TfCropAndResize;
    out[0] = resize_tensor(in[0], a, crop ? to_doubles(input_or_none(in, 1)) : std::vector<double>{}, scales, sizes);
  };
}

/// Scales are input 1.
Kernel make_resize_by_input(const OpSpec& spec) {
  return [a = asymmetric_attributes(spec.node)](Inputs in, Outputs out) { out[0] = resize_tensor(in[0], a, {}, to_doubles(in[1]), {}); };
}

/// Scales are an attribute: `scales`, or in opset 1 `height_scale` and `width_scale`.
Kernel make_upsample_by_attribute(const OpSpec& spec) {
  const Attributes& attributes = spec.node.attributes;
  std::vector<double> scales;
  for (float s : attributes.get_floats("scales")) scales.push_back(s);
  if (scales.empty() && attributes.has("height_scale"))
    scales = {1, 1, attributes.get_float("height_scale", 1), attributes.get_float("width_scale", 1)};
  if (scales.empty()) fail(spec.node, "scales: got none, expected one for each dimension");
  return [a = asymmetric_attributes(spec.node), scales](Inputs in, Outputs out) { out[0] = resize_tensor(in[0], a, {}, scales, {}); };
}

bool takes_nearest(const Node& node) { return node.attributes.get_string("mode", "nearest") == "nearest"; }

}  // namespace

Rows resize() {
  using enum OpKind;
  return {
      {"Resize", 10, make_resize_by_input, {Movement, "ds", "d", {.moves_if = takes_nearest}}, "", 1u << 1},
      {"Resize", 11, make_resize, {Movement, "ds", "d", {.moves_if = takes_nearest}}, "", 1u << 1 | 1u << 2 | 1u << 3},
      {"Upsample", 1, make_upsample_by_attribute, {Movement, "ds", "d", {.moves_if = takes_nearest}}},
      {"Upsample", 9, make_resize_by_input, {Movement, "ds", "d", {.moves_if = takes_nearest}}, "", 1u << 1},
      {"DepthToSpace", 1, make_depth_to_space, {Movement, "d", "d"}},
      {"SpaceToDepth", 1, make_space_to_depth, {Movement, "d", "d"}},
      {"GridSample", 16, make_grid_sample, {Computation, "df", "d"}},
      {"AffineGrid", 20, make_affine_grid, {Computation, "ds", "d"}, "", 1u << 1},
      {"Col2Im", 18, make_col2im, {Computation, "ds", "d"}, "", 1u << 1 | 1u << 2},
      {"CenterCropPad", 18, make_center_crop_pad, {Movement, "ds", "d"}, "", 1u << 1},
      {"GridSample", 1, make_grid_sample, {Computation, "df", "d"}, "com.microsoft"},
      {"grid_sampler", 1, make_mmcv_grid_sampler, {Computation, "df", "d"}, "mmcv"},
      {"grid_sampler", 1, make_mmcv_grid_sampler, {Computation, "df", "d"}, "mmdeploy"},
  };
}

}  // namespace ppq::ops
