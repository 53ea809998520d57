// From a photograph to an input row: decode, color, resize, crop, normalise.
#include "data/image.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/file.h"
#include "data/cast.h"
#include "ppq/error.h"

namespace ppq {
namespace {

std::string size_text(int64_t height, int64_t width) { return std::to_string(height) + "x" + std::to_string(width); }

/// torchvision's Resize(int): the long side is cut, not rounded.
at::Tensor resize_shorter(const at::Tensor& image, int64_t shorter) {
  const int64_t height = image.size(0), width = image.size(1);
  if (std::min(height, width) == shorter) return image;
  if (height < width)
    return resize_bilinear(image, shorter, static_cast<int64_t>(static_cast<double>(shorter * width) / static_cast<double>(height)));
  return resize_bilinear(image, static_cast<int64_t>(static_cast<double>(shorter * height) / static_cast<double>(width)), shorter);
}

/// torchvision's CenterCrop: odd margins round half to even.
at::Tensor center_crop(const at::Tensor& image, const DataOptions& options, const std::string& where) {
  const auto [height, width] = *options.crop;
  if (image.size(0) < height || image.size(1) < width)
    throw Error(
        ErrorKind::Data, where,
        "too small for the crop: got " + size_text(image.size(0), image.size(1)) + ", expected at least " + size_text(height, width),
        "resize first: " + options.option("resize-shorter") + " or " + options.option("image-size"));
  const auto top = static_cast<int64_t>(std::nearbyint(static_cast<double>(image.size(0) - height) / 2.0));
  const auto left = static_cast<int64_t>(std::nearbyint(static_cast<double>(image.size(1) - width) / 2.0));
  return image.narrow(0, top, height).narrow(1, left, width);
}

at::Tensor per_channel(const std::vector<double>& values, int64_t channels) {
  at::Tensor result = at::empty({channels}, at::kFloat);
  for (int64_t c = 0; c < channels; ++c) result[c] = values.size() == 1 ? values[0] : values[static_cast<size_t>(c)];
  return result;
}

int64_t channels_of(const std::string& color) { return color == "gray" ? 1 : 3; }

class ImageFile : public SampleFile {
 public:
  ImageFile(const std::string& path, const SampleShape& shape, const DataOptions& options)
      : SampleFile(path), shape_(shape), options_(options) {}
  at::Tensor read(int64_t, int64_t) const override { return preprocess(decode_image(path_), shape_, options_, path_); }

 private:
  SampleShape shape_;
  DataOptions options_;
};

}  // namespace

at::Tensor decode_image(const std::string& path) {
  const std::string bytes = read_file(path);
  if (bytes.empty()) throw Error(ErrorKind::Data, path, "empty file: got 0 bytes, expected an image");
  if (bytes.starts_with("\xff\xd8")) return decode_jpeg(path, bytes);
  if (bytes.starts_with("\x89PNG")) return decode_png(path, bytes);
  throw Error(ErrorKind::Data, path, "not an image: got other first bytes, expected a JPEG or PNG");
}

at::Tensor convert_color(const at::Tensor& image, const std::string& color) {
  const bool gray = image.size(2) == 1;
  if (color == "gray") {
    if (gray) return image;
    const at::Tensor wide = image.to(at::kInt);
    const at::Tensor luma = wide.select(2, 0) * 19595 + wide.select(2, 1) * 38470 + wide.select(2, 2) * 7471 + 0x8000;
    return luma.bitwise_right_shift(16).to(at::kByte).unsqueeze(2);
  }
  if (gray) return image.expand({image.size(0), image.size(1), 3}).contiguous();
  return color == "bgr" ? image.flip(2) : image;
}

void check_image_options(const SampleShape& shape, const DataOptions& options) {
  const std::string where = "input " + shape.name;
  std::string missing;
  for (auto [flag, absent] : {std::pair{"mean", options.mean.empty()}, {"std", options.std.empty()}, {"color", options.color.empty()}})
    if (absent) missing += (missing.empty() ? "" : ", ") + options.option(flag);
  if (!missing.empty())
    throw Error(
        ErrorKind::Usage, where,
        "image files need " + options.option("mean") + ", " + options.option("std") + " and " + options.option("color") + ": got no " +
            missing + ", expected what the model was trained with",
        "on the 0..255 scale, one value or one a channel; for raw pixels " + options.option("mean") + " 0 " + options.option("std") + " 1");
  if (options.color != "rgb" && options.color != "bgr" && options.color != "gray")
    throw Error(ErrorKind::Usage, options.option("color"), "got '" + options.color + "', expected rgb, bgr or gray");
  const size_t channels = static_cast<size_t>(channels_of(options.color));
  for (auto [flag, values] : {std::pair{"mean", &options.mean}, {"std", &options.std}})
    if (values->size() != 1 && values->size() != channels)
      throw Error(ErrorKind::Usage, options.option(flag),
                  "number of values: got " + std::to_string(values->size()) + ", expected 1 or " + std::to_string(channels) + " (" +
                      options.option("color") + " " + options.color + ")");
  for (double value : options.std)
    if (!(value > 0)) throw Error(ErrorKind::Usage, options.option("std"), "got " + std::to_string(value) + ", expected positive numbers");
  if (options.resize_shorter && options.image_size)
    throw Error(ErrorKind::Usage, options.option("resize-shorter"),
                "got both " + options.option("resize-shorter") + " and " + options.option("image-size") + ", expected one of them");
  if (shape.dims.size() != 4)
    throw Error(ErrorKind::Data, where,
                "the input takes no images: got rank " + std::to_string(shape.dims.size()) + ", expected 4 (NCHW or NHWC)");
  const int64_t wanted = shape.dims[layout_of(shape, options) == Layout::NHWC ? 3 : 1];
  if (wanted >= 0 && wanted != static_cast<int64_t>(channels))
    throw Error(ErrorKind::Data, where,
                "channels: got " + std::to_string(channels) + " (" + options.option("color") + " " + options.color + "), expected " +
                    std::to_string(wanted),
                "check " + options.option("color") + " and " + options.option("layout"));
}

at::Tensor preprocess(const at::Tensor& decoded, const SampleShape& shape, const DataOptions& options, const std::string& where) {
  at::Tensor image = convert_color(decoded, options.color == "gray" ? "gray" : "rgb");
  if (options.resize_shorter) image = resize_shorter(image, *options.resize_shorter);
  if (options.image_size) image = resize_bilinear(image, options.image_size->first, options.image_size->second);
  if (options.crop) image = center_crop(image, options, where);
  if (options.color == "bgr") image = image.flip(2);

  const bool last = layout_of(shape, options) == Layout::NHWC;
  const int64_t height = shape.dims[last ? 1 : 2], width = shape.dims[last ? 2 : 3];
  if ((height >= 0 && height != image.size(0)) || (width >= 0 && width != image.size(1)))
    throw Error(ErrorKind::Data, where,
                "image size for input " + shape.name + ": got " + size_text(image.size(0), image.size(1)) + ", expected " +
                    size_text(height, width),
                "add " + options.option("image-size") + " " + size_text(height, width) + ", or " + options.option("resize-shorter") +
                    " with " + options.option("crop"));
  const int64_t channels = image.size(2);
  at::Tensor values = (image.to(at::kFloat) - per_channel(options.mean, channels)) / per_channel(options.std, channels);
  if (!last) values = values.movedim(2, 0);
  return cast_exactly(values.unsqueeze(0).contiguous(), shape.dtype, where);
}

SampleFilePtr open_image_file(const std::string& path, const SampleShape& shape, const DataOptions& options) {
  check_image_options(shape, options);
  return std::make_unique<ImageFile>(path, shape, options);
}

}  // namespace ppq
