// From a graph's quantization to the list of encodings.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "exporters/exported_tensors.h"
#include "exporters/qualcomm/encoding.h"
#include "exporters/table_format.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq {
namespace {

Encoding integer_entry(const Value& value, const TensorQuant& quant) {
  const QuantScheme& scheme = quant.scheme;
  if (scheme.format != NumberFormat::Linear || scheme.granularity == Granularity::PerBlock)
    throw Error(ErrorKind::Unsupported, "tensor " + value.name(),
                "encodings hold integer per-tensor and per-channel quantization: got " +
                    std::string(scheme.format == NumberFormat::Linear ? "per-block" : "floating"));
  Encoding entry;
  entry.name = value.name();
  entry.parameter = value.is_constant();
  entry.bits = scheme.bits;
  entry.symmetric = scheme.symmetric && scheme.quant_min < 0;
  entry.per_channel = scheme.granularity == Granularity::PerChannel;
  entry.scale = numbers_of(quant.params.scale);
  if (entry.per_channel) {
    const int rank =
        value.is_constant() ? static_cast<int>(value.constant().dim()) : static_cast<int>(value.shape ? value.shape->size() : 0);
    entry.axis = scheme.axis < 0 ? scheme.axis + rank : scheme.axis;
  }
  // A symmetric grid starts at -2^(bits-1) even where only -127..127 is used: the tools take no other offset.
  const double grid_start = entry.symmetric ? -std::ldexp(1.0, scheme.bits - 1) : scheme.quant_min;
  for (double zero_point : quant.params.offset.defined() ? numbers_of(quant.params.offset) : std::vector<double>(entry.scale.size(), 0.0))
    entry.offset.push_back(static_cast<int64_t>(std::llround(grid_start - zero_point)));
  return entry;
}

/// int32, and counted from zero: the tools take biases as they are.
Encoding bias_entry(const Value& value, const TensorQuant& quant) {
  Encoding entry;
  entry.name = value.name();
  entry.parameter = entry.bias = entry.symmetric = true;
  entry.bits = quant.scheme.bits;
  entry.scale = numbers_of(quant.params.scale);
  entry.per_channel = quant.scheme.granularity == Granularity::PerChannel;
  entry.axis = entry.per_channel ? 0 : -1;
  entry.offset.assign(entry.scale.size(), 0);
  return entry;
}

Encoding float_entry(const Value& value) {
  Encoding entry;
  entry.name = value.name();
  entry.parameter = value.is_constant();
  entry.floating = true;
  entry.bits = 16;  // AIMET's loader refuses 32, and float is float16 on the HTP
  return entry;
}

}  // namespace

std::vector<Encoding> collect_encodings(const Graph& graph, const EncodingsOptions& options, ExportSummary& summary) {
  // Before version 2 no reader wants biases: the tools work them out.
  const bool biases = is_version_2(options.encodings) && options.int32_bias;
  std::vector<Encoding> entries;
  for (const ExportedTensor& tensor : exported_tensors(graph)) {
    if (tensor.state == ExportedTensor::State::Missing)
      summary.missing.push_back(tensor.value->name()), summary.reasons[tensor.value->name()] = tensor.reason;
    else if (tensor.state == ExportedTensor::State::Float)
      entries.push_back(float_entry(*tensor.value));
    else if (!tensor.accumulator)
      entries.push_back(integer_entry(*tensor.value, *tensor.quant));
    else if (biases)
      entries.push_back(bias_entry(*tensor.value, *tensor.quant));
  }
  return entries;
}

}  // namespace ppq
