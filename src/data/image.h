#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "data/sample_file.h"

namespace ppq {

/// Decodes a JPEG or PNG (told apart by content) to uint8 [H, W, 3] RGB, or [H, W, 1] for grayscale files. EXIF
/// orientation is ignored, alpha dropped, palettes expanded, 16-bit cut to its high byte, CMYK converted as Pillow does.
/// Throws Data: not an image, corrupted, truncated.
at::Tensor decode_image(const std::string& path);
at::Tensor decode_jpeg(const std::string& path, const std::string& bytes);
at::Tensor decode_png(const std::string& path, const std::string& bytes);

/// uint8 [H, W, 3] or [H, W, 1] to [H, W, 3] RGB or BGR, or [H, W, 1] by ITU-R 601 luma in Pillow's integers.
at::Tensor convert_color(const at::Tensor& image, const std::string& color);

/// Antialiased bilinear resampling of uint8 [H, W, C], bit for bit Pillow's `Image.resize(size, BILINEAR)`: a triangle
/// filter as wide as the scale, separable, in 22-bit fixed point with a rounding to uint8 between the two passes.
at::Tensor resize_bilinear(const at::Tensor& image, int64_t height, int64_t width);

/// Throws Usage naming the flags that image files need and that are missing or wrong.
void check_image_options(const SampleShape& shape, const DataOptions& options);

/// A decoded uint8 [H, W, C] image as one row [1, C, H, W] (or NHWC) of the input: color, resize, centre crop,
/// (x - mean) / std. Throws Data when the size is not the model's.
at::Tensor preprocess(const at::Tensor& image, const SampleShape& shape, const DataOptions& options, const std::string& where);

}  // namespace ppq
