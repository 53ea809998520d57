#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "ppq/dataset.h"

namespace ppq {

/// A graph input as the data must fill it.
struct SampleShape {
  std::string name;
  DataType dtype = DataType::Float;
  /// One sample: the leading dimension is the batch the model wants (1 where it is free). -1: as the file says.
  std::vector<int64_t> dims;

  /// Rows of one sample; a model with a fixed batch of 4 takes 4.
  int64_t rows() const { return dims.empty() ? 1 : dims[0]; }
  /// The dimensions after the leading one.
  std::vector<int64_t> rest() const { return dims.empty() ? dims : std::vector<int64_t>(dims.begin() + 1, dims.end()); }
};

/// Joins what the model says with the given shapes. Throws Usage (unknown input, contradiction) and Data (a dimension that
/// neither gives). Rank-4 inputs may leave their size to `image_size` or `crop`.
std::vector<SampleShape> resolve_shapes(const std::vector<InputSpec>& inputs, const DataOptions& options);

/// Where an image-like input keeps its channels: as `layout` says, else NHWC when only the last dimension looks like
/// channels (1 or 3), else NCHW.
Layout layout_of(const SampleShape& shape, const DataOptions& options);

/// One file of samples of one input: rows along the leading dimension, loaded on demand. Thread-safe.
class SampleFile {
 public:
  virtual ~SampleFile() = default;
  const std::string& path() const { return path_; }
  int64_t rows() const { return rows_; }
  /// Rows first .. first + count as [count, rest...], of the input's dtype, all finite. Throws Data.
  virtual at::Tensor read(int64_t first, int64_t count) const = 0;

 protected:
  explicit SampleFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
  int64_t rows_ = 1;
};
using SampleFilePtr = std::unique_ptr<const SampleFile>;

/// The reader for a file by its suffix; checks what can be checked without decoding. Throws Data (unknown suffix with
/// the known ones, size, shape) and Usage (image options missing).
SampleFilePtr open_sample_file(const std::string& path, const SampleShape& shape, const DataOptions& options);
SampleFilePtr open_raw_file(const std::string& path, const SampleShape& shape, const DataOptions& options);
SampleFilePtr open_npy_file(const std::string& path, const SampleShape& shape, const DataOptions& options);
SampleFilePtr open_proto_file(const std::string& path, const SampleShape& shape, const DataOptions& options);
SampleFilePtr open_image_file(const std::string& path, const SampleShape& shape, const DataOptions& options);

/// ".bin", ".raw", ".npy", ".pb", ".jpg", ".jpeg", ".png" in any case.
bool is_sample_file(const std::string& path);
/// The suffix in lower case, with its dot.
std::string suffix_of(const std::string& path);

}  // namespace ppq
