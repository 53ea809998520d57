// Headerless files (.bin, .raw): little-endian float32, or the input's own type.
#include <ATen/ATen.h>

#include "data/bytes.h"
#include "data/cast.h"
#include "data/sample_file.h"
#include "ppq/error.h"

namespace ppq {
namespace {

int64_t product(const std::vector<int64_t>& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

/// [C, H, W] as it lies in a channels-last file: [H, W, C].
std::vector<int64_t> channels_last(const std::vector<int64_t>& rest) {
  std::vector<int64_t> dims(rest.begin() + 1, rest.end());
  dims.push_back(rest[0]);
  return dims;
}

class RawFile : public SampleFile {
 public:
  RawFile(const std::string& path, const SampleShape& shape, const DataOptions& options)
      : SampleFile(path), shape_(shape), options_(options) {
    rest_ = shape.rest();
    for (int64_t dim : rest_)
      if (dim < 0)
        throw Error(ErrorKind::Data, path, "the shape of input " + shape.name + " is open, and a raw file does not tell it",
                    "say the shape with " + options.option("input-shape") + " " + shape.name + ":1x3x224x224");
    stored_ = options.native_dtype ? shape.dtype : DataType::Float;
    if (!has_scalar_type(stored_))
      throw Error(ErrorKind::Unsupported, path, options.option("native-dtype") + ": got " + name_of(stored_) + ", expected a numeric type");
    // Only image-like tensors have a layout; a model that is itself channels-last keeps its own.
    transposed_ = options.raw_layout == Layout::NHWC && layout_of(shape, options) == Layout::NCHW && shape.dims.size() >= 4;
    row_bytes_ = product(rest_) * static_cast<int64_t>(at::elementSize(to_scalar_type(stored_)));
    const int64_t bytes = file_bytes(path);
    if (bytes == 0 || bytes % row_bytes_ != 0) throw wrong_size(bytes);
    rows_ = bytes / row_bytes_;
  }

  at::Tensor read(int64_t first, int64_t count) const override {
    std::vector<int64_t> dims = transposed_ ? channels_last(rest_) : rest_;
    dims.insert(dims.begin(), count);
    at::Tensor values = at::empty(dims, to_scalar_type(stored_));
    read_bytes(path_, first * row_bytes_, count * row_bytes_, values.data_ptr());
    if (transposed_) values = values.movedim(-1, 1).contiguous();
    if (!options_.allow_non_finite) require_finite(values, path_);
    return cast_exactly(values, shape_.dtype, path_);
  }

 private:
  Error wrong_size(int64_t bytes) const {
    std::vector<int64_t> dims = shape_.dims;
    if (!dims.empty()) dims[0] = 1;
    const int64_t elements = product(rest_);
    std::string hint = "check the shape (" + options_.option("input-shape") + ") of the samples";
    if (bytes == elements)
      hint = "that is one byte an element: with " + options_.option("native-dtype") +
             " files hold the input's own type; convert uint8 data to float32";
    else if (bytes == elements * 8)
      hint = "that is eight bytes an element (float64 or int64): write float32, or .npy files, which tell their type";
    else if (bytes == elements * 2)
      hint = "that is two bytes an element (float16?): write float32, or .npy files, which tell their type";
    return Error(ErrorKind::Data, path_,
                 "wrong size for input " + shape_.name + ": got " + std::to_string(bytes) + " bytes, expected " +
                     std::to_string(row_bytes_) + " (" + name_of(stored_) + " " + to_string(at::IntArrayRef(dims)) + ") or a multiple",
                 hint);
  }

  SampleShape shape_;
  std::vector<int64_t> rest_;
  DataType stored_;
  int64_t row_bytes_;
  bool transposed_;
  DataOptions options_;
};

}  // namespace

SampleFilePtr open_raw_file(const std::string& path, const SampleShape& shape, const DataOptions& options) {
  return std::make_unique<RawFile>(path, shape, options);
}

}  // namespace ppq
