#include <cmath>

#include "kernels/row_top2.h"
#include "kernels/row_top2_rules.h"
#include "observers/observers.h"
#include "ppq/error.h"

namespace ppq::observers {
namespace {

using top2::kGrid;

/// Order-preserving observer for rows whose largest element matters (Softmax). With the two largest l1 >= l2 of a row, a
/// scale above s_min = l2/(qmax - 0.51) does not clip l2 and one below s_max = 2(l1 - l2) keeps l1 above it; the scale
/// inside most rows' intervals wins, the middle of the best stretch. Rows lie along the last axis. The state is a grid of
/// interval ends: its size does not grow with the data.
class Isotone final : public Observer {
 public:
  Isotone(const QuantScheme& scheme, std::string tensor) : scheme_(scheme), tensor_(std::move(tensor)) {}

  void observe(const at::Tensor& value, int64_t) override {
    if (value.numel() == 0) return;
    const at::Tensor x = as_float(value);
    if (x.dim() == 0 || x.size(-1) < 2)
      throw Error(ErrorKind::Data, "tensor " + tensor_, "observer isotone needs rows of 2 or more: got shape " + to_string_of(x));
    if (!seen()) state_ = kernels::make_row_top2(x.device());
    const double steps = scheme_.quant_max - (scheme_.symmetric ? 0.0 : scheme_.quant_min) - 0.51;
    kernels::observe_row_top2(x, scheme_.symmetric, steps, state_);
  }

  bool steady() const override { return true; }

  void merge(const Statistic& other) override {
    const Isotone& from = same_kind<Isotone>(other, tensor_);
    if (!from.seen()) return;
    const at::Device device = seen() ? state_.cells.device() : from.state_.cells.device();
    if (!seen()) state_ = kernels::make_row_top2(device);
    state_.cells += from.state_.cells.to(device);
    merge_range(state_.range, from.state_.range);
  }

  QuantParams finish() const override {
    if (!seen()) fail_nothing_seen(tensor_);
    if (const int64_t bad = state_.range.nonfinite.item<int64_t>()) fail_non_finite(tensor_, bad);
    // Zero always belongs to the range.
    const double low = std::min(state_.range.minimum.item<double>(), 0.0), high = std::max(state_.range.maximum.item<double>(), 0.0);
    const at::Tensor cells = state_.cells.cpu();
    const int64_t *starts = cells.const_data_ptr<int64_t>(), *ends = starts + top2::kCells;
    int64_t open = 0, best = 0;
    int from = 0, to = 0;
    for (int i = 0; i <= kGrid; ++i) {
      open += starts[i];
      if (open > best) best = open, from = i, to = -1;
      if (ends[i] && open == best && to < 0) to = i;
      open -= ends[i];
    }
    if (best == 0) return params_from_range(std::min(low, 0.0), high, scheme_);
    const double scale = std::exp2(top2::kLowest + (from + std::max(to, from) + 1) / 2.0 / top2::kPerOctave);
    const double steps = scheme_.quant_max - scheme_.quant_min;
    if (scheme_.symmetric) return params_from_range(-scale * steps / 2, scale * steps / 2, scheme_);
    // The offset leaves room for the smallest value; the top keeps the largest.
    const double bottom = std::max(std::min(low, 0.0), -scale * steps);
    return params_from_range(bottom, bottom + scale * steps, scheme_);
  }

 private:
  static std::string to_string_of(const at::Tensor& x) {
    std::string text = "[";
    for (int64_t i = 0; i < x.dim(); ++i) text += (i ? ", " : "") + std::to_string(x.size(i));
    return text + "]";
  }

  bool seen() const { return state_.cells.defined(); }

  QuantScheme scheme_;
  std::string tensor_;
  kernels::RowTop2 state_;
};

}  // namespace

std::unique_ptr<Observer> isotone(const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.format != NumberFormat::Linear || scheme.granularity != Granularity::PerTensor)
    fail_scheme("isotone", tensor, "serves per-tensor integers only");
  return std::make_unique<Isotone>(scheme, tensor);
}

}  // namespace ppq::observers
