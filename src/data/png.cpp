#include <png.h>

#include <ATen/ATen.h>

#include <cstring>

#include "data/image.h"
#include "ppq/error.h"

namespace ppq {
namespace {

struct Source {
  const unsigned char* data;
  size_t size, at;
  char message[256];
};

void fail(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->message, message, sizeof(source->message) - 1);
  longjmp(png_jmpbuf(png), 1);
}

void ignore(png_structp, png_const_charp) {}

void read_data(png_structp png, png_bytep out, size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (source->size - source->at < count) png_error(png, "the file ends early");
  std::memcpy(out, source->data + source->at, count);
  source->at += count;
}

/// No C++ object with a destructor may live in these two: libpng leaves by longjmp.
bool read_header(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_info(png, info);
  const int type = png_get_color_type(png, info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return true;
}

bool read_pixels(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

}  // namespace

at::Tensor decode_png(const std::string& path, const std::string& bytes) {
  Source source{reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), 0, {}};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, fail, ignore);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (!info) throw Error(ErrorKind::Resource, path, "libpng has no memory");
  png_set_read_fn(png, &source, read_data);
  at::Tensor image;
  bool whole = read_header(png, info);
  if (whole) {
    const int64_t height = png_get_image_height(png, info), width = png_get_image_width(png, info), channels = png_get_channels(png, info);
    image = at::empty({height, width, channels}, at::kByte);
    std::vector<png_bytep> rows(static_cast<size_t>(height));
    for (int64_t y = 0; y < height; ++y) rows[static_cast<size_t>(y)] = image.data_ptr<uint8_t>() + y * width * channels;
    whole = read_pixels(png, rows.data());
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (!whole)
    throw Error(ErrorKind::Data, path, std::string("corrupted PNG: got '") + source.message + "', expected a whole image",
                "leave this file out, or get it again");
  return image;
}

}  // namespace ppq
