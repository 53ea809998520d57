#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/detection.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

struct Box {
  float y1, x1, y2, x2;
  float area() const { return (y2 - y1) * (x2 - x1); }
};

/// Corners in either order, or [x_center, y_center, width, height].
Box read_box(const float* p, bool center_point) {
  if (center_point) {
    const float half_w = p[2] / 2, half_h = p[3] / 2;
    return {p[1] - half_h, p[0] - half_w, p[1] + half_h, p[0] + half_w};
  }
  return {std::min(p[0], p[2]), std::min(p[1], p[3]), std::max(p[0], p[2]), std::max(p[1], p[3])};
}

float intersection_over_union(const Box& a, const Box& b) {
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1), width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (height <= 0 || width <= 0) return 0;
  const float overlap = height * width, whole = a.area() + b.area() - overlap;
  return whole <= 0 ? 0 : overlap / whole;
}

/// Greedy suppression of one class: indices of the kept boxes, best score first; ties go to the lower index.
std::vector<int64_t> suppress(const std::vector<Box>& boxes, const float* scores, int64_t limit, float iou_threshold,
                              float score_threshold) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < static_cast<int64_t>(boxes.size()); ++i)
    if (scores[i] > score_threshold) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<int64_t> kept;
  for (int64_t candidate : order) {
    if (static_cast<int64_t>(kept.size()) >= limit) break;
    const bool overlaps = std::any_of(kept.begin(), kept.end(),
                                      [&](int64_t k) { return intersection_over_union(boxes[candidate], boxes[k]) > iou_threshold; });
    if (!overlaps) kept.push_back(candidate);
  }
  return kept;
}

float scalar_or(const at::Tensor& tensor, float fallback) {
  return tensor.defined() && tensor.numel() > 0 ? tensor.reshape({-1})[0].item().toFloat() : fallback;
}

at::Tensor non_max_suppression(Inputs in, bool center_point) {
  const at::Tensor boxes = in[0].to(at::kCPU, at::kFloat).contiguous(), scores = in[1].to(at::kCPU, at::kFloat).contiguous();
  if (boxes.dim() != 3 || boxes.size(2) != 4 || scores.dim() != 3 || scores.size(0) != boxes.size(0) || scores.size(2) != boxes.size(1))
    reject("NonMaxSuppression", "inputs: got boxes " + to_string(boxes.sizes()) + " and scores " + to_string(scores.sizes()) +
                                    ", expected [N, boxes, 4] and [N, classes, boxes]");
  const std::vector<int64_t> limits = to_ints(input_or_none(in, 2));
  const int64_t limit = limits.empty() ? 0 : limits[0];
  const float iou = scalar_or(input_or_none(in, 3), 0), score = scalar_or(input_or_none(in, 4), -std::numeric_limits<float>::infinity());
  std::vector<int64_t> selected;
  std::vector<Box> parsed(boxes.size(1));
  for (int64_t n = 0; n < boxes.size(0); ++n) {
    const float* corners = boxes.const_data_ptr<float>() + n * boxes.size(1) * 4;
    for (size_t i = 0; i < parsed.size(); ++i) parsed[i] = read_box(corners + 4 * i, center_point);
    for (int64_t c = 0; c < scores.size(1); ++c) {
      const float* row = scores.const_data_ptr<float>() + (n * scores.size(1) + c) * scores.size(2);
      for (int64_t i : suppress(parsed, row, limit, iou, score)) selected.insert(selected.end(), {n, c, i});
    }
  }
  return at::tensor(selected, at::kLong).reshape({-1, 3}).to(in[0].device());
}

}  // namespace

Kernel make_non_max_suppression(const OpSpec& spec) {
  return [center_point = spec.node.attributes.get_int("center_point_box", 0) != 0](Inputs in, Outputs out) {
    out[0] = non_max_suppression(in, center_point);
  };
}

}  // namespace ppq::ops
