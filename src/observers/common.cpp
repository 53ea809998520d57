#include "observers/observers.h"
#include "ppq/error.h"

namespace ppq::observers {

int64_t channel_count(const QuantScheme& scheme, const at::Tensor& value, const std::string& tensor) {
  if (scheme.granularity == Granularity::PerTensor) return 1;
  if (scheme.axis < 0 || scheme.axis >= value.dim())
    throw Error(ErrorKind::Internal, "tensor " + tensor,
                "channel axis: got " + std::to_string(scheme.axis) + ", expected 0.." + std::to_string(value.dim() - 1));
  return value.size(scheme.axis);
}

void check_blocks(const char* observer, const QuantScheme& scheme, const std::string& tensor) {
  if (scheme.granularity == Granularity::PerBlock && scheme.block_size < 1)
    fail_scheme(observer, tensor, "needs a block size: got " + std::to_string(scheme.block_size) + ", expected at least 1");
}

namespace {

[[noreturn]] void fail_shapes(const std::string& tensor) {
  throw Error(ErrorKind::Unsupported, "tensor " + tensor, "one scale a block: got tensors of different shapes, expected one shape");
}
int64_t blocked_axis(const QuantScheme& scheme, int64_t dimensions) { return scheme.axis < 0 ? scheme.axis + dimensions : scheme.axis; }

}  // namespace

int64_t BlockedShape::take(const at::Tensor& x, const QuantScheme& scheme, const std::string& tensor) {
  const int64_t axis = blocked_axis(scheme, x.dim());
  if (axis < 0 || axis >= x.dim())
    throw Error(ErrorKind::Internal, "tensor " + tensor,
                "blocked axis: got " + std::to_string(scheme.axis) + " for " + std::to_string(x.dim()) + " dimensions");
  if (sizes_.empty()) sizes_ = x.sizes().vec();
  if (x.sizes() != at::IntArrayRef(sizes_)) fail_shapes(tensor);
  return axis;
}

void BlockedShape::merge(const BlockedShape& from, const std::string& tensor) {
  if (sizes_.empty()) sizes_ = from.sizes_;
  if (!from.sizes_.empty() && sizes_ != from.sizes_) fail_shapes(tensor);
}

std::vector<int64_t> BlockedShape::scale_sizes(const QuantScheme& scheme, int64_t channels) const {
  if (scheme.granularity == Granularity::PerTensor) return {};
  if (scheme.granularity == Granularity::PerChannel) return {channels};
  std::vector<int64_t> sizes = sizes_;
  int64_t& length = sizes[static_cast<size_t>(blocked_axis(scheme, static_cast<int64_t>(sizes.size())))];
  length = (length + scheme.block_size - 1) / scheme.block_size;
  return sizes;
}

at::Tensor as_float(const at::Tensor& value) {
  const at::ScalarType type = value.scalar_type();
  if (type == at::kFloat || type == at::kHalf || type == at::kBFloat16) return value;
  return value.to(at::kFloat);
}

void merge_range(kernels::Range& range, const kernels::Range& from) {
  const at::Device device = range.minimum.device();
  at::minimum_out(range.minimum, range.minimum, from.minimum.to(device));
  at::maximum_out(range.maximum, range.maximum, from.maximum.to(device));
  range.nonfinite += from.nonfinite.to(device);
}

void fail_nothing_seen(const std::string& tensor) {
  throw Error(ErrorKind::Data, "tensor " + tensor, "no values were seen during calibration",
              "give at least one sample that reaches this tensor");
}

void fail_non_finite(const std::string& tensor, int64_t count) {
  throw Error(ErrorKind::Data, "tensor " + tensor, "got " + std::to_string(count) + " NaN or Inf values, expected finite ones",
              "check the samples and their normalisation");
}

void fail_scheme(const char* observer, const std::string& tensor, const std::string& problem) {
  throw Error(ErrorKind::Unsupported, "tensor " + tensor, std::string("observer ") + observer + " " + problem);
}

void fail_kind(const std::string& tensor) {
  throw Error(ErrorKind::Internal, "tensor " + tensor, "merge: got an observer of another kind, expected one of the same name and scheme");
}

search::Rule search_rule(search::Kind kind, const QuantScheme& scheme) {
  search::Rule rule;
  rule.kind = kind;
  rule.quant_min = scheme.quant_min, rule.quant_max = scheme.quant_max;
  rule.min_range = scheme.min_range, rule.min_scale = scheme.min_scale;
  rule.bits = scheme.bits;
  rule.symmetric = scheme.symmetric, rule.power_of_two = scheme.power_of_two;
  return rule;
}

QuantParams params_of_found(const at::Tensor& found, at::IntArrayRef sizes, const QuantScheme& scheme, const std::string& tensor) {
  const at::Tensor columns = found.t().contiguous();
  if (const auto bad = static_cast<int64_t>(columns[2].sum().item<double>())) fail_non_finite(tensor, bad);
  return params_from_range(columns[0].view(sizes), columns[1].view(sizes), scheme);
}

}  // namespace ppq::observers
