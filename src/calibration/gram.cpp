#include "calibration/gram.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "ops/window.h"
#include "ppq/error.h"

namespace ppq {
namespace {

int64_t groups_of(const Node& node) { return node.is("Conv") ? node.attributes.get_int("group", 1) : 1; }

bool columns_first(const Node& node) { return node.is("MatMul") || (node.is("Gemm") && node.attributes.get_int("transB", 0) == 0); }

}  // namespace

at::Tensor weight_rows(const Node& node, const at::Tensor& weight) {
  if (columns_first(node)) return weight.t().unsqueeze(0);
  const int64_t groups = groups_of(node);
  return weight.reshape({groups, weight.size(0) / groups, -1});
}

at::Tensor weight_from_rows(const Node& node, const at::Tensor& rows, at::IntArrayRef shape) {
  return columns_first(node) ? rows.squeeze(0).t().contiguous() : rows.reshape(shape).contiguous();
}

size_t GramStatistic::bytes_for(const Node& node) {
  const at::Tensor rows = weight_rows(node, node.constant_input(1));
  const int64_t columns = rows.size(2), block = std::min(columns, kMostColumns);
  return static_cast<size_t>(rows.size(0) * columns * block) * sizeof(float);
}

at::Tensor GramStatistic::rows_of(const at::Tensor& value) const {
  if (!node_->is("Conv")) {
    const at::Tensor rows = value.reshape({-1, value.size(-1)});
    const int64_t step = value.dim() < 3 ? 1 : std::max<int64_t>(1, rows.size(0) / (kPlaces * value.size(0)));
    return rows.slice(0, 0, rows.size(0), step).unsqueeze(0);
  }
  const at::Tensor& weight = node_->constant_input(1);
  ops::Window window = ops::resolve_window(ops::WindowAttributes(*node_), value.sizes().slice(2), weight.sizes().slice(2));
  const std::vector<int64_t> pads = window.torch_pads();
  const bool padded = std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; });
  at::Tensor view = ops::window_view(padded ? at::constant_pad_nd(value, pads) : value, window);
  const int64_t rank = static_cast<int64_t>(window.rank());
  int64_t places = 1;
  for (int64_t i = 0; i < rank; ++i) places *= view.size(2 + i);
  const auto step = static_cast<int64_t>(
      std::round(std::pow(static_cast<double>(places) / static_cast<double>(kPlaces), 1.0 / static_cast<double>(rank))));
  if (step > 1)
    for (int64_t i = 0; i < rank; ++i) view = view.slice(2 + i, 0, view.size(2 + i), step);
  // [N, C, out…, kernel…] -> [groups, N · out…, C/groups · kernel…]
  const int64_t groups = groups_of(*node_);
  view = view.unflatten(1, {groups, view.size(1) / groups});
  std::vector<int64_t> order{1, 0};
  for (int64_t i = 0; i < rank; ++i) order.push_back(3 + i);
  order.push_back(2);
  for (int64_t i = 0; i < rank; ++i) order.push_back(3 + rank + i);
  return view.permute(order).reshape({groups, -1, weight.numel() / weight.size(0)});
}

void GramStatistic::observe(const at::Tensor& value, int64_t samples) {
  if (value.numel() == 0) return;
  // One sample after the other: sums of float32 are the same however samples are batched.
  const bool divides = samples > 1 && value.size(0) % samples == 0;
  for (const at::Tensor& sample : divides ? value.chunk(samples, 0) : std::vector<at::Tensor>{value}) add(rows_of(sample).to(at::kFloat));
}

void GramStatistic::add(const at::Tensor& rows) {
  if (rows.numel() == 0) return;
  count_ += rows.size(1);
  const at::Tensor sums = rows.sum(1, /*keepdim=*/false, at::kDouble);
  sums_ = sums_.defined() ? sums_ + sums : sums;
  size_t block = 0;
  for (int64_t first = 0; first < rows.size(2); first += kMostColumns, ++block) {
    const at::Tensor some = rows.slice(2, first, std::min(first + kMostColumns, rows.size(2)));
    if (squares_.size() <= block) squares_.push_back(at::zeros({some.size(0), some.size(2), some.size(2)}, some.options()));
    squares_[block].baddbmm_(some.transpose(1, 2), some);
  }
}

void GramStatistic::merge(const Statistic& other) {
  const auto* from = dynamic_cast<const GramStatistic*>(&other);
  if (!from) throw Error(ErrorKind::Internal, "second moments", "merge: got a statistic of another kind");
  if (!from->seen()) return;
  const bool first = !seen();
  count_ += from->count_;
  if (first) {
    sums_ = from->sums_.clone();
    for (const at::Tensor& block : from->squares_) squares_.push_back(block.clone());
    return;
  }
  sums_ = sums_ + from->sums_.to(sums_.device());
  for (size_t i = 0; i < squares_.size(); ++i) squares_[i].add_(from->squares_[i].to(squares_[i].device()));
}

}  // namespace ppq
