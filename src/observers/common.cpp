#include "observers/observers.h"
#include "ppq/error.h"

namespace ppq::observers {

int64_t channel_count(const QuantScheme& scheme, const at::Tensor& value, const std::string& tensor) {
  if (scheme.granularity == Granularity::PerTensor) return 1;
  if (scheme.granularity == Granularity::PerBlock)
    throw Error(ErrorKind::Unsupported, "tensor " + tensor, "per-block scales cannot be observed", "use minmax, or per-channel scales");
  if (scheme.axis < 0 || scheme.axis >= value.dim())
    throw Error(ErrorKind::Internal, "tensor " + tensor,
                "channel axis: got " + std::to_string(scheme.axis) + ", expected 0.." + std::to_string(value.dim() - 1));
  return value.size(scheme.axis);
}

at::Tensor as_float(const at::Tensor& value) {
  const at::ScalarType type = value.scalar_type();
  if (type == at::kFloat || type == at::kHalf || type == at::kBFloat16) return value;
  return value.to(at::kFloat);
}

at::Tensor shaped(const std::vector<double>& per_channel, const QuantScheme& scheme) {
  at::Tensor tensor = at::tensor(per_channel, at::kDouble);
  return scheme.granularity == Granularity::PerTensor ? tensor.reshape({}) : tensor;
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
  rule.symmetric = scheme.symmetric, rule.power_of_two = scheme.power_of_two;
  return rule;
}

QuantParams params_of_found(const at::Tensor& found, at::IntArrayRef sizes, const QuantScheme& scheme, const std::string& tensor) {
  const at::Tensor columns = found.t().contiguous();
  if (const auto bad = static_cast<int64_t>(columns[2].sum().item<double>())) fail_non_finite(tensor, bad);
  return params_from_range(columns[0].view(sizes), columns[1].view(sizes), scheme);
}

}  // namespace ppq::observers
