#include <ATen/ATen.h>

#include <csetjmp>
#include <cstdio>
#include <vector>

// libjpeg's header needs stdio's types.
#include <jpeglib.h>

#include <jerror.h>  // after the library's own

#include "data/image.h"
#include "ppq/error.h"

namespace ppq {
namespace {

struct Failure {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  bool corrupt;
};

void fail(j_common_ptr info) {
  auto* failure = reinterpret_cast<Failure*>(info->err);
  info->err->format_message(info, failure->message);
  std::longjmp(failure->jump, 1);
}

/// libjpeg goes on after warnings. Those that mean lost pixels are errors here; stray bytes between markers, which
/// many sound photographs have, are not.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  auto* failure = reinterpret_cast<Failure*>(info->err);
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_TOO_MUCH_DATA:
      if (!failure->corrupt) info->err->format_message(info, failure->message);
      failure->corrupt = true;
      break;
    default:
      break;
  }
}

enum class Step { Header, Pixels };

/// No C++ object with a destructor may live in here: libjpeg leaves by longjmp.
bool decode(jpeg_decompress_struct* info, Failure* failure, Step step, unsigned char* pixels) {
  if (setjmp(failure->jump)) return false;
  if (step == Step::Header) {
    jpeg_read_header(info, TRUE);
    switch (info->jpeg_color_space) {
      case JCS_GRAYSCALE:
        info->out_color_space = JCS_GRAYSCALE;
        break;
      case JCS_CMYK:
      case JCS_YCCK:
        info->out_color_space = JCS_CMYK;
        break;
      default:
        info->out_color_space = JCS_RGB;
        break;
    }
    info->dct_method = JDCT_ISLOW;
    jpeg_calc_output_dimensions(info);
    return true;
  }
  jpeg_start_decompress(info);
  const size_t stride = static_cast<size_t>(info->output_width) * static_cast<size_t>(info->output_components);
  while (info->output_scanline < info->output_height) {
    JSAMPROW row = pixels + stride * info->output_scanline;
    jpeg_read_scanlines(info, &row, 1);
  }
  jpeg_finish_decompress(info);
  return true;
}

/// Adobe's inverted CMYK to RGB, in Pillow's integers: the file holds 255 - C, 255 - M, 255 - Y, 255 - K.
at::Tensor cmyk_to_rgb(const at::Tensor& cmyk) {
  at::Tensor rgb = at::empty({cmyk.size(0), cmyk.size(1), 3}, at::kByte);
  const auto* in = cmyk.const_data_ptr<uint8_t>();
  auto* out = rgb.data_ptr<uint8_t>();
  const int64_t pixels = cmyk.size(0) * cmyk.size(1);
  for (int64_t p = 0; p < pixels; ++p) {
    const int key = in[4 * p + 3];
    for (int c = 0; c < 3; ++c) {
      const int product = (255 - in[4 * p + c]) * key + 128;
      out[3 * p + c] = static_cast<uint8_t>(std::max(0, key - (((product >> 8) + product) >> 8)));
    }
  }
  return rgb;
}

}  // namespace

at::Tensor decode_jpeg(const std::string& path, const std::string& bytes) {
  jpeg_decompress_struct info;
  Failure failure;
  failure.corrupt = false;
  failure.message[0] = '\0';
  info.err = jpeg_std_error(&failure.base);
  failure.base.error_exit = fail;
  failure.base.emit_message = on_message;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  bool whole = decode(&info, &failure, Step::Header, nullptr);
  at::Tensor image;
  if (whole) {
    image =
        at::empty({static_cast<int64_t>(info.output_height), static_cast<int64_t>(info.output_width), info.output_components}, at::kByte);
    whole = decode(&info, &failure, Step::Pixels, image.data_ptr<uint8_t>());
  }
  jpeg_destroy_decompress(&info);
  if (!whole || failure.corrupt)
    throw Error(ErrorKind::Data, path, std::string("corrupted JPEG: got '") + failure.message + "', expected a whole image",
                "leave this file out, or get it again");
  return image.size(2) == 4 ? cmyk_to_rgb(image) : image;
}

}  // namespace ppq
