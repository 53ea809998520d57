// .npy and .pb files as samples: they tell their own shape and type.
#include <ATen/ATen.h>

#include <optional>

#include "data/cast.h"
#include "data/image.h"
#include "data/npy.h"
#include "data/sample_file.h"
#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq {
namespace {

using Dims = std::vector<int64_t>;

bool match(const int64_t* got, const Dims& want) {
  for (size_t i = 0; i < want.size(); ++i)
    if (want[i] >= 0 && got[i] != want[i]) return false;
  return true;
}

/// How an array of some shape lies over the samples of an input.
struct Fit {
  int64_t rows = 1;
  bool leading = false;  ///< dimension 0 counts rows; else the array is one row
  bool channels_last = false;
  bool pixels = false;  ///< uint8 [.., H, W, C] that goes through the image options
};

std::optional<Fit> plain_fit(const Dims& got, const SampleShape& shape) {
  const Dims rest = shape.rest();
  if (shape.dims.empty()) {
    if (got.size() > 1) return std::nullopt;
    return Fit{got.empty() ? 1 : got[0], !got.empty()};
  }
  if (got.size() == rest.size() + 1 && match(got.data() + 1, rest)) return Fit{got[0], true};
  if (got.size() == rest.size() && match(got.data(), rest)) return Fit{1, false};
  // [k, batch, ...]: samples stacked with their batch dimension.
  if (got.size() == rest.size() + 2 && got[1] == shape.rows() && match(got.data() + 2, rest)) return Fit{got[0] * got[1], true};
  return std::nullopt;
}

Dims channels_last(const Dims& rest) {
  Dims dims(rest.begin() + 1, rest.end());
  dims.push_back(rest[0]);
  return dims;
}

std::optional<Fit> fit(const Dims& got, bool is_uint8, const SampleShape& shape, const DataOptions& options) {
  if (auto plain = plain_fit(got, shape)) return plain;
  if (shape.dims.size() == 4 && layout_of(shape, options) == Layout::NCHW && options.raw_layout == Layout::NHWC) {
    SampleShape last = shape;
    const Dims rest = channels_last(shape.rest());
    std::copy(rest.begin(), rest.end(), last.dims.begin() + 1);
    if (auto transposed = plain_fit(got, last)) {
      transposed->channels_last = true;
      return transposed;
    }
  }
  // Decoded photographs: uint8 [k, H, W, 3] or [H, W, 3], when the image options are given.
  const bool options_given = !options.mean.empty() && !options.std.empty() && !options.color.empty();
  if (is_uint8 && options_given && shape.dims.size() == 4 && (got.size() == 3 || got.size() == 4) && got.back() == 3)
    return Fit{got.size() == 4 ? got[0] : 1, got.size() == 4, false, true};
  return std::nullopt;
}

[[noreturn]] void wrong_shape(const std::string& path, const Dims& got, const SampleShape& shape, const DataOptions& options) {
  Dims want = shape.dims;
  std::string expected = to_string(at::IntArrayRef(want));
  if (!want.empty()) expected += " or k such along dimension 0";
  std::string hint = "check which input the file is for, and its preprocessing";
  if (want.size() == 4 && (got.size() == 3 || got.size() == 4) && got.back() == want[1])
    hint = "the array looks channels-last (HWC): transpose it, or pass " + options.option("raw-layout") +
           " nhwc; for uint8 photographs give " + options.option("mean") + ", " + options.option("std") + " and " + options.option("color");
  throw Error(ErrorKind::Data, path,
              "wrong shape for input " + shape.name + ": got " + to_string(at::IntArrayRef(got)) + ", expected " + expected, hint);
}

/// Common to both formats: what is done to the rows once read.
class ArrayFile : public SampleFile {
 public:
  ArrayFile(const std::string& path, const SampleShape& shape, const DataOptions& options)
      : SampleFile(path), shape_(shape), options_(options) {}

  at::Tensor read(int64_t first, int64_t count) const override {
    at::Tensor values = rows_of(first, count);
    if (fit_.pixels) return from_pixels(values);
    Dims dims(values.sizes().begin(), values.sizes().end());
    if (!fit_.leading && !shape_.dims.empty()) dims.insert(dims.begin(), 1);
    // Stacked [k, batch, ...] and scalars.
    const Dims rest = fit_.channels_last ? channels_last(shape_.rest()) : shape_.rest();
    Dims target(dims.end() - static_cast<int64_t>(rest.size()), dims.end());
    if (!shape_.dims.empty()) target.insert(target.begin(), count);
    values = values.reshape(target);
    if (fit_.channels_last) values = values.movedim(-1, 1).contiguous();
    if (!options_.allow_non_finite) require_finite(values, path_);
    return cast_exactly(values, shape_.dtype, path_);
  }

 protected:
  virtual at::Tensor rows_of(int64_t first, int64_t count) const = 0;
  void set_fit(const Dims& got, at::ScalarType type) {
    auto found = fit(got, type == at::kByte, shape_, options_);
    if (!found) wrong_shape(path_, got, shape_, options_);
    fit_ = *found;
    rows_ = fit_.rows;
    if (rows_ == 0)
      throw Error(ErrorKind::Data, path_, "no samples: got shape " + to_string(at::IntArrayRef(got)) + ", expected at least one");
    stack_ = got.size() == shape_.rest().size() + 2 && !fit_.pixels ? shape_.rows() : 1;
  }

  SampleShape shape_;
  DataOptions options_;
  Fit fit_;
  int64_t stack_ = 1;  ///< rows in one index of dimension 0

 private:
  at::Tensor from_pixels(const at::Tensor& values) const {
    const at::Tensor images = fit_.leading ? values : values.unsqueeze(0);
    std::vector<at::Tensor> rows;
    for (int64_t i = 0; i < images.size(0); ++i) rows.push_back(preprocess(images[i], shape_, options_, path_));
    return at::cat(rows);
  }
};

class NpyFile : public ArrayFile {
 public:
  NpyFile(const std::string& path, const SampleShape& shape, const DataOptions& options)
      : ArrayFile(path, shape, options), header_(read_npy_header(path)) {
    set_fit(header_.shape, header_.kind == 'u' && header_.width == 1 ? at::kByte : at::kFloat);
  }

 protected:
  at::Tensor rows_of(int64_t first, int64_t count) const override {
    if (!fit_.leading) return read_npy_rows(path_, header_, 0, header_.shape.empty() ? 1 : header_.shape[0]);
    const int64_t begin = first / stack_, end = (first + count + stack_ - 1) / stack_;
    at::Tensor values = read_npy_rows(path_, header_, begin, end - begin);
    if (stack_ > 1) values = values.flatten(0, 1).narrow(0, first - begin * stack_, count);
    return values;
  }

 private:
  NpyHeader header_;
};

class ProtoFile : public ArrayFile {
 public:
  ProtoFile(const std::string& path, const SampleShape& shape, const DataOptions& options) : ArrayFile(path, shape, options) {
    const at::Tensor value = read_tensor_proto(path);
    set_fit(Dims(value.sizes().begin(), value.sizes().end()), value.scalar_type());
  }

 protected:
  at::Tensor rows_of(int64_t first, int64_t count) const override {
    at::Tensor values = read_tensor_proto(path_);
    if (!fit_.leading) return values;
    if (stack_ > 1) values = values.flatten(0, 1);
    return values.narrow(0, first, count);
  }
};

}  // namespace

SampleFilePtr open_npy_file(const std::string& path, const SampleShape& shape, const DataOptions& options) {
  return std::make_unique<NpyFile>(path, shape, options);
}

SampleFilePtr open_proto_file(const std::string& path, const SampleShape& shape, const DataOptions& options) {
  return std::make_unique<ProtoFile>(path, shape, options);
}

}  // namespace ppq
