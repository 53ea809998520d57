#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ppq/dataset.h"

namespace ppq {

struct CompareOptions {
  Layout layout = Layout::NCHW;          ///< of the candidate's 4-dimensional tensors; the reference is NCHW
  std::map<std::string, double> scales;  ///< quantization step of a tensor, where known
  std::vector<std::string> order;        ///< tensors in the order of the network; others follow by name
  double max_steps = 1.5;                ///< more steps than this is off
  double max_snr = 0.01;                 ///< noise over signal above this is off, where no step is known
};
/// Steps and order of the activations in an encodings file of any version. Throws Data.
void read_scales(const std::string& table, CompareOptions& options);

/// One tensor over all samples.
struct TensorComparison {
  std::string name;  ///< as in the table where it is there, else as the reference's file
  size_t samples = 0;
  double snr = 0, cosine = 1, max_difference = 0;
  std::optional<double> max_steps;  ///< max_difference in quantization steps
  bool off = false;                 ///< beyond the limit, or not finite
};
struct DumpComparison {
  size_t samples = 0;
  std::vector<TensorComparison> tensors;
  std::vector<std::string> only_reference, only_candidate;  ///< "sample/tensor"
  const TensorComparison* first_off() const;
};

/// Compares two folders of tensors DIR/<sample>/<tensor>.npy, .raw or .bin (float32, with the reference's shape). Samples match by
/// name, or snpe-net-run's Result_<n> the n-th sample of the reference. Tensors match by name; where a name is not there, by the name
/// with everything but letters and digits
/// replaced by '_' and leading ones dropped, as the SDKs do. Throws Data: a folder missing, nothing in common, shapes or sizes that differ.
DumpComparison compare_dumps(const std::string& reference, const std::string& candidate, const CompareOptions& options);

}  // namespace ppq
