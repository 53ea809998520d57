#include "data/image.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "data/npy.h"
#include "ppq/error.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq {
namespace {

using test::run_python;
using test::temporary_dir;
using ::testing::HasSubstr;

int64_t largest_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) {
    ADD_FAILURE() << "shapes differ: " << a.sizes() << " and " << b.sizes();
    return 255;
  }
  return (a.to(at::kInt) - b.to(at::kInt)).abs().max().item<int64_t>();
}

void expect_data_error(const std::string& path, const std::string& text) {
  try {
    decode_image(path);
    ADD_FAILURE() << path << " was decoded";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Data);
    EXPECT_THAT(std::string(error.what()), HasSubstr(text));
    EXPECT_THAT(std::string(error.what()), HasSubstr(path));
  }
}

SampleShape image_input(std::vector<int64_t> dims) { return {"input", DataType::Float, std::move(dims)}; }

DataOptions options_for(const std::string& color) {
  DataOptions options;
  options.mean = {10, 20, 30};
  options.std = {2, 4, 8};
  if (color == "gray") options.mean = {10}, options.std = {2};
  options.color = color;
  return options;
}

// Pillow saves images of many kinds, and says what `convert("RGB")` and `convert("L")` make of them.
TEST(Image, DecodesWhatPillowDecodes) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("decode");
  const std::string list = run_python(R"(
import sys, numpy as np
from PIL import Image
out = sys.argv[1] + '/'
rng = np.random.default_rng(2)
base = np.asarray(Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).resize((61, 47), Image.BICUBIC))
rgb = Image.fromarray(base)
alpha = rgb.copy(); alpha.putalpha(Image.fromarray(rng.integers(0, 256, (47, 61), dtype=np.uint8)))
def keep(name, image, **options):
    image.save(out + name, **options)
    with Image.open(out + name) as opened:
        for mode in ('RGB', 'L'):
            np.save(out + name + '.' + mode + '.npy', np.asarray(opened.convert(mode)))
    print(name)
keep('rgb.png', rgb); keep('gray.png', rgb.convert('L')); keep('alpha.png', alpha); keep('gray_alpha.png', alpha.convert('LA'))
keep('palette.png', rgb.convert('P')); keep('bits.png', rgb.convert('1')); keep('four.png', rgb.convert('P', colors=9), bits=4)
keep('rgb.jpg', rgb, quality=90); keep('full.jpg', rgb, quality=95, subsampling=0); keep('progressive.jpg', rgb, progressive=True)
keep('gray.jpg', rgb.convert('L')); keep('cmyk.jpg', rgb.convert('CMYK'))
exif = Image.Exif(); exif[0x0112] = 6
keep('turned.jpg', rgb, exif=exif)
)",
                                      {dir});
  std::istringstream names(list);
  int count = 0;
  for (std::string name; names >> name; ++count) {
    const at::Tensor image = decode_image(dir + "/" + name);
    const at::Tensor rgb = read_npy(dir + "/" + name + ".RGB.npy"), gray = read_npy(dir + "/" + name + ".L.npy");
    // JPEG decoders of different versions may differ by a level; PNG is exact.
    const int64_t allowed = name.ends_with(".jpg") ? 1 : 0;
    EXPECT_LE(largest_difference(convert_color(image, "rgb"), rgb), allowed) << name;
    EXPECT_LE(largest_difference(convert_color(image, "bgr"), rgb.flip(2)), allowed) << name;
    EXPECT_LE(largest_difference(convert_color(image, "gray").squeeze(2), gray), allowed) << name;
  }
  EXPECT_EQ(count, 13);
}

TEST(Image, SixteenBitPngKeepsItsHighByte) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("png16");
  run_python(R"(
import sys, zlib, struct, numpy as np
rng = np.random.default_rng(3)
def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
for name, kind, channels in (('gray', 0, 1), ('rgb', 2, 3)):
    a = rng.integers(0, 65536, (5, 6, channels)).astype('>u2')
    rows = b''.join(b'\0' + row.tobytes() for row in a)
    with open(f'{sys.argv[1]}/{name}.png', 'wb') as f:
        f.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 6, 5, 16, kind, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
    np.save(f'{sys.argv[1]}/{name}.npy', (a >> 8).astype(np.uint8))
)",
             {dir});
  for (const char* name : {"/gray", "/rgb"})
    EXPECT_EQ(largest_difference(decode_image(dir + name + ".png"), read_npy(dir + name + ".npy")), 0) << name;
}

TEST(Image, BrokenFilesAreDataErrors) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("broken");
  run_python(R"(
import sys, io, numpy as np
from PIL import Image
rng = np.random.default_rng(4)
image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
for kind, name in (('JPEG', 'jpg'), ('PNG', 'png')):
    f = io.BytesIO(); image.save(f, kind); data = f.getvalue()
    open(f'{sys.argv[1]}/cut.{name}', 'wb').write(data[:len(data) // 2])
    open(f'{sys.argv[1]}/header.{name}', 'wb').write(data[:20])
    middle = len(data) // 2
    noise = bytes(rng.integers(0, 256, 300, dtype=np.uint8))
    open(f'{sys.argv[1]}/noise.{name}', 'wb').write(data[:middle] + noise + data[middle + 300:])
)",
             {dir});
  expect_data_error(dir + "/cut.jpg", "corrupted JPEG");
  expect_data_error(dir + "/header.jpg", "corrupted JPEG");
  expect_data_error(dir + "/noise.jpg", "corrupted JPEG");
  expect_data_error(dir + "/cut.png", "corrupted PNG");
  expect_data_error(dir + "/header.png", "corrupted PNG");
  expect_data_error(dir + "/noise.png", "corrupted PNG");
  std::ofstream(dir + "/text.jpg") << "this is no image";
  expect_data_error(dir + "/text.jpg", "not an image");
  std::ofstream(dir + "/empty.jpg").close();
  expect_data_error(dir + "/empty.jpg", "0 bytes");
  expect_data_error(dir + "/missing.jpg", "no such file");
}

// Bit for bit, shrinking, growing and both at once, one and three channels.
TEST(Image, ResizesAsPillow) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("resize");
  const std::string list = run_python(R"(
import sys, numpy as np
from PIL import Image
rng = np.random.default_rng(5)
n = 0
for h, w in ((1, 1), (2, 3), (37, 53), (224, 300), (513, 17)):
    for th, tw in ((1, 1), (h, w), (224, 224), (19, 31), (h, 40), (40, w), (97, 7)):
        for channels in (1, 3):
            a = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
            image = Image.fromarray(a) if channels == 3 else Image.fromarray(a[:, :, 0])
            np.save(f'{sys.argv[1]}/{n}.in.npy', np.asarray(image).reshape(h, w, channels))
            np.save(f'{sys.argv[1]}/{n}.out.npy', np.asarray(image.resize((tw, th), Image.BILINEAR)).reshape(th, tw, channels))
            n += 1
print(n)
)",
                                      {dir});
  const int count = std::stoi(list);
  EXPECT_EQ(count, 70);
  for (int i = 0; i < count; ++i) {
    const at::Tensor expected = read_npy(dir + "/" + std::to_string(i) + ".out.npy");
    const at::Tensor got = resize_bilinear(read_npy(dir + "/" + std::to_string(i) + ".in.npy"), expected.size(0), expected.size(1));
    EXPECT_EQ(largest_difference(got, expected), 0) << i;
  }
}

// The usual ImageNet recipe, written out with Pillow and numpy. Sizes are torchvision's: long side cut, margins half to even.
TEST(Image, PreprocessesAsTorchvision) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("preprocess");
  run_python(R"(
import sys, numpy as np
from PIL import Image
rng = np.random.default_rng(6)
def recipe(image, mode, short, crop):
    image = image.convert(mode)
    w, h = image.size
    if min(w, h) != short: image = image.resize((short, int(short * h / w)) if w <= h else (int(short * w / h), short), Image.BILINEAR)
    w, h = image.size
    top, left = round((h - crop) / 2), round((w - crop) / 2)
    a = np.asarray(image.crop((left, top, left + crop, top + crop)), np.float32)
    return a.reshape(crop, crop, -1)
for i, (h, w) in enumerate(((131, 97), (60, 200), (45, 45), (46, 77))):
    image = Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8))
    image.save(f'{sys.argv[1]}/{i}.png')
    mean, std = np.float32([10, 20, 30]), np.float32([2, 4, 8])
    rgb = recipe(image, 'RGB', 45, 32)
    np.save(f'{sys.argv[1]}/{i}.rgb.npy', ((rgb - mean) / std).transpose(2, 0, 1)[None])
    np.save(f'{sys.argv[1]}/{i}.bgr.npy', ((rgb[:, :, ::-1] - mean) / std).transpose(2, 0, 1)[None])
    np.save(f'{sys.argv[1]}/{i}.gray.npy', ((recipe(image, 'L', 45, 32) - 10) / 2).astype(np.float32).transpose(2, 0, 1)[None])
)",
             {dir});
  for (int i = 0; i < 4; ++i)
    for (const std::string color : {"rgb", "bgr", "gray"}) {
      const std::string stem = dir + "/" + std::to_string(i);
      DataOptions options = options_for(color);
      options.resize_shorter = 45;
      options.crop = {32, 32};
      const int64_t channels = color == "gray" ? 1 : 3;
      const at::Tensor expected = read_npy(stem + "." + color + ".npy"), image = decode_image(stem + ".png");
      EXPECT_TRUE(at::equal(preprocess(image, image_input({1, channels, 32, 32}), options, "x"), expected)) << i << color;
      if (channels == 3) {
        EXPECT_TRUE(at::equal(preprocess(image, image_input({1, 32, 32, 3}), options, "x"), expected.permute({0, 2, 3, 1}))) << i << color;
      }
    }
}

TEST(Image, SizeMustBeTheModels) {
  const at::Tensor image = at::zeros({40, 50, 3}, at::kByte);
  try {
    preprocess(image, image_input({1, 3, 32, 32}), options_for("rgb"), "photo.jpg");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Data);
    EXPECT_THAT(std::string(error.what()), HasSubstr("got 40x50, expected 32x32"));
    EXPECT_THAT(std::string(error.what()), HasSubstr("add image-size 32x32"));
  }
  DataOptions options = options_for("rgb");
  options.crop = {64, 64};
  EXPECT_THROW(preprocess(image, image_input({1, 3, 64, 64}), options, "photo.jpg"), Error);
}

TEST(Image, MissingOptionsAreUsageErrorsThatNameThem) {
  auto message = [](const DataOptions& options, const SampleShape& shape, ErrorKind kind) {
    try {
      check_image_options(shape, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return std::string(error.what());
    }
    ADD_FAILURE() << "accepted";
    return std::string();
  };
  const SampleShape input = image_input({1, 3, 32, 32});
  DataOptions options = options_for("rgb");
  check_image_options(input, options);
  options.mean.clear();
  options.color.clear();
  const std::string text = message(options, input, ErrorKind::Usage);
  EXPECT_THAT(text, HasSubstr("got no mean, color"));
  options = options_for("rgb");
  options.std.clear();
  EXPECT_THAT(message(options, input, ErrorKind::Usage), HasSubstr("got no std"));
  options.option_prefix = "--";
  EXPECT_THAT(message(options, input, ErrorKind::Usage), HasSubstr("need --mean, --std and --color: got no --std"));
  options = options_for("rgb");
  options.std = {1, 2};
  EXPECT_THAT(message(options, input, ErrorKind::Usage), HasSubstr("got 2, expected 1 or 3"));
  options.std = {0};
  EXPECT_THAT(message(options, input, ErrorKind::Usage), HasSubstr("std"));
  options = options_for("rgb");
  options.color = "rbg";
  EXPECT_THAT(message(options, input, ErrorKind::Usage), HasSubstr("rbg"));
  options = options_for("rgb");
  options.resize_shorter = 5;
  options.image_size = {5, 5};
  EXPECT_THAT(message(options, input, ErrorKind::Usage), HasSubstr("resize-shorter"));
  EXPECT_THAT(message(options_for("gray"), input, ErrorKind::Data), HasSubstr("got 1 (color gray), expected 3"));
  EXPECT_THAT(message(options_for("rgb"), image_input({1, 10}), ErrorKind::Data), HasSubstr("rank 2"));
}

}  // namespace
}  // namespace ppq
