// Folders, files and lists as samples: open.cpp, raw.cpp, array_file.cpp, sample_file.cpp.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "data/npy.h"
#include "ppq/dataset.h"
#include "ppq/error.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq {
namespace {

using test::run_python;
using test::temporary_dir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Shape shape_of(std::initializer_list<int64_t> dims) {
  Shape shape;
  for (int64_t dim : dims) shape.push_back(dim < 0 ? Dim{-1, "N"} : Dim{dim, ""});
  return shape;
}

InputSpec spec(const std::string& name, std::initializer_list<int64_t> dims, DataType dtype = DataType::Float) {
  return {name, dtype, shape_of(dims)};
}

void write_floats(const std::string& path, const std::vector<float>& values) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * 4));
}

std::vector<float> counted(size_t n, float first = 0) {
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = first + static_cast<float>(i);
  return values;
}

std::vector<float> floats(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kFloat).contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

std::string error_of(const std::function<void()>& body, ErrorKind kind = ErrorKind::Data) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

std::string open_error(const std::string& path, const std::vector<InputSpec>& inputs, const DataOptions& options = {},
                       ErrorKind kind = ErrorKind::Data) {
  return error_of([&] { open_dataset(path, inputs, options); }, kind);
}

TEST(OpenDataset, FolderOfRawFilesInNameOrder) {
  const std::string dir = temporary_dir("raw");
  write_floats(dir + "/b.bin", counted(12, 100));
  write_floats(dir + "/a.raw", counted(24));  // two samples in one file
  write_floats(dir + "/c.BIN", counted(12, 200));
  std::ofstream(dir + "/labels.txt") << "not a sample";
  std::ofstream(dir + "/.hidden") << "nor this";
  DatasetPtr data = open_dataset(dir, {spec("input", {-1, 3, 2, 2})}, {});
  ASSERT_EQ(data->size(), 4u);
  EXPECT_EQ(data->name(0), "a_000000.raw");
  EXPECT_EQ(data->name(2), "b.bin");
  for (size_t i = 0; i < 4; ++i) {
    const Tensors sample = data->sample(i);
    ASSERT_EQ(sample.size(), 1u);
    EXPECT_EQ(sample[0].sizes(), (at::IntArrayRef{1, 3, 2, 2}));
    const float first[] = {0, 12, 100, 200};
    EXPECT_EQ(floats(sample[0]), counted(12, first[i])) << i;
  }
}

TEST(OpenDataset, RawLayoutIsTurnedIntoTheModels) {
  const std::string dir = temporary_dir("nhwc");
  write_floats(dir + "/a.bin", counted(24));  // two samples [2, 2, 3]
  DataOptions options;
  options.raw_layout = Layout::NHWC;
  DatasetPtr data = open_dataset(dir, {spec("input", {-1, 3, 2, 2})}, options);
  EXPECT_THAT(floats(data->sample(0)[0]), ElementsAre(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11));
  EXPECT_THAT(floats(data->sample(1)[0]), ElementsAre(12, 15, 18, 21, 13, 16, 19, 22, 14, 17, 20, 23));
  // A model that is NHWC itself, and inputs without channels, keep what the file says.
  EXPECT_EQ(floats(open_dataset(dir, {spec("input", {-1, 2, 2, 3})}, options)->sample(0)[0]), counted(12));
  EXPECT_EQ(floats(open_dataset(dir, {spec("input", {-1, 12})}, options)->sample(1)[0]), counted(12, 12));
}

TEST(OpenDataset, NativeDtypeAndCasts) {
  const std::string dir = temporary_dir("native");
  const int64_t tokens[] = {5, -7, 1LL << 40};
  std::ofstream(dir + "/a.bin", std::ios::binary).write(reinterpret_cast<const char*>(tokens), sizeof tokens);
  DataOptions options;
  options.native_dtype = true;
  const at::Tensor sample = open_dataset(dir, {spec("ids", {-1, 3}, DataType::Int64)}, options)->sample(0)[0];
  EXPECT_EQ(sample.scalar_type(), at::kLong);
  EXPECT_EQ(sample[0][2].item<int64_t>(), 1LL << 40);

  const std::string other = temporary_dir("cast");
  write_floats(other + "/a.bin", {1, 2, 3});
  write_floats(other + "/b.bin", {1, 2.5, 3});
  DatasetPtr data = open_dataset(other, {spec("ids", {-1, 3}, DataType::Int64)}, {});
  EXPECT_EQ(data->sample(0)[0].scalar_type(), at::kLong);
  EXPECT_THAT(error_of([&] { data->sample(1); }), AllOf(HasSubstr("b.bin"), HasSubstr("2.5"), HasSubstr("[0, 1]")));
}

TEST(OpenDataset, WrongSizeSaysExpectedAndFoundBytes) {
  const std::string dir = temporary_dir("size");
  write_floats(dir + "/a.bin", counted(13));
  const InputSpec input = spec("input", {-1, 3, 2, 2});
  EXPECT_THAT(open_error(dir, {input}),
              AllOf(HasSubstr("a.bin"), HasSubstr("got 52 bytes"), HasSubstr("expected 48"), HasSubstr("[1, 3, 2, 2]")));
  std::ofstream(dir + "/a.bin", std::ios::binary) << std::string(12, 'x');
  EXPECT_THAT(open_error(dir, {input}), AllOf(HasSubstr("got 12 bytes"), HasSubstr("with native-dtype")));
  std::ofstream(dir + "/a.bin", std::ios::binary).close();
  EXPECT_THAT(open_error(dir, {input}), HasSubstr("got 0 bytes"));
}

TEST(OpenDataset, NotFiniteValuesNameFileAndPosition) {
  const std::string dir = temporary_dir("nan");
  std::vector<float> values = counted(12);
  values[7] = NAN;
  write_floats(dir + "/a.bin", values);
  values[7] = 0;
  values[11] = -INFINITY;
  write_floats(dir + "/b.bin", values);
  at::Tensor array = at::zeros({1, 3, 2, 2});
  array[0][2][0][1] = INFINITY;
  write_npy(dir + "/c.npy", array);
  const std::vector<InputSpec> inputs = {spec("input", {-1, 3, 2, 2})};
  DatasetPtr data = open_dataset(dir, inputs, {});
  EXPECT_THAT(error_of([&] { data->sample(0); }), AllOf(HasSubstr("a.bin"), HasSubstr("NaN at [0, 1, 1, 1]")));
  EXPECT_THAT(error_of([&] { data->sample(1); }), AllOf(HasSubstr("b.bin"), HasSubstr("-Inf at [0, 2, 1, 1]")));
  EXPECT_THAT(error_of([&] { data->sample(2); }), AllOf(HasSubstr("c.npy"), HasSubstr("Inf at [0, 2, 0, 1]")));
  DataOptions options;
  options.allow_non_finite = true;
  EXPECT_TRUE(open_dataset(dir, inputs, options)->sample(0)[0].isnan().any().item<bool>());
}

TEST(OpenDataset, NpyLeadingDimensionCountsSamples) {
  const std::string dir = temporary_dir("npy_samples");
  const at::Tensor values = at::arange(5 * 12).to(at::kDouble).reshape({5, 3, 2, 2});
  const std::vector<InputSpec> inputs = {spec("input", {-1, 3, 2, 2})};
  write_npy(dir + "/x.npy", values);
  DatasetPtr data = open_dataset(dir + "/x.npy", inputs, {});
  ASSERT_EQ(data->size(), 5u);
  EXPECT_EQ(data->sample(3)[0].scalar_type(), at::kFloat);
  EXPECT_EQ(floats(data->sample(3)[0]), counted(12, 36));
  write_npy(dir + "/x.npy", values[2]);  // no batch dimension: one sample
  data = open_dataset(dir + "/x.npy", inputs, {});
  ASSERT_EQ(data->size(), 1u);
  EXPECT_EQ(data->sample(0)[0].sizes(), (at::IntArrayRef{1, 3, 2, 2}));
  write_npy(dir + "/x.npy", values.unsqueeze(1));  // [k, batch, ...]
  data = open_dataset(dir + "/x.npy", inputs, {});
  ASSERT_EQ(data->size(), 5u);
  EXPECT_EQ(floats(data->sample(4)[0]), counted(12, 48));
}

TEST(OpenDataset, WrongShapesOfNpy) {
  const std::string dir = temporary_dir("npy_shapes");
  auto message = [&](at::IntArrayRef sizes, std::initializer_list<int64_t> wanted) {
    write_npy(dir + "/x.npy", at::zeros(sizes));
    return open_error(dir, {spec("input", wanted)});
  };
  EXPECT_THAT(message({1, 4, 2, 2}, {-1, 3, 2, 2}),
              AllOf(HasSubstr("x.npy"), HasSubstr("got [1, 4, 2, 2]"), HasSubstr("expected [1, 3, 2, 2]")));
  EXPECT_THAT(message({3, 2}, {-1, 3, 2, 2}), HasSubstr("got [3, 2]"));
  EXPECT_THAT(message({1, 2, 2, 3}, {-1, 3, 2, 2}), HasSubstr("pass raw-layout nhwc"));
  EXPECT_THAT(message({0, 3, 2, 2}, {-1, 3, 2, 2}), HasSubstr("no samples"));
}

// Photographs already decoded go through the image options like files.
TEST(OpenDataset, PixelArraysWithImageOptions) {
  const std::string dir = temporary_dir("pixels");
  write_npy(dir + "/x.npy", at::arange(2 * 12).to(at::kByte).reshape({2, 2, 2, 3}));
  DataOptions options;
  options.mean = {1};
  options.std = {2};
  options.color = "bgr";
  DatasetPtr data = open_dataset(dir, {spec("input", {-1, 3, 2, 2})}, options);
  ASSERT_EQ(data->size(), 2u);
  EXPECT_THAT(floats(data->sample(0)[0]), ElementsAre(0.5, 2, 3.5, 5, 0, 1.5, 3, 4.5, -0.5, 1, 2.5, 4));
}

TEST(OpenDataset, FixedBatchGroupsRows) {
  const std::string dir = temporary_dir("batch");
  for (int i = 0; i < 3; ++i) write_floats(dir + "/" + std::to_string(i) + ".bin", counted(4, static_cast<float>(4 * i)));
  write_floats(dir + "/3.bin", counted(8, 12));
  const std::vector<InputSpec> inputs = {spec("input", {2, 4})};
  DatasetPtr data = open_dataset(dir, inputs, {});
  ASSERT_EQ(data->size(), 2u);  // five rows, one left over
  EXPECT_EQ(data->sample(0)[0].sizes(), (at::IntArrayRef{2, 4}));
  EXPECT_EQ(floats(data->sample(1)[0]), counted(8, 8));
  EXPECT_THAT(open_error(dir + "/0.bin", inputs), HasSubstr("no samples"));
}

TEST(OpenDataset, ImagesGoThroughTheirOptions) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("images");
  run_python(R"(
import sys, numpy as np
from PIL import Image
for i in range(3): Image.fromarray(np.full((4, 4, 3), i, np.uint8)).save(f'{sys.argv[1]}/{2 - i}.png')
)",
             {dir});
  DataOptions options;
  options.mean = {0};
  options.std = {1};
  options.color = "rgb";
  const std::vector<InputSpec> inputs = {spec("input", {2, 3, 4, 4})};
  DatasetPtr data = open_dataset(dir, {spec("input", {-1, 3, 4, 4})}, options);
  ASSERT_EQ(data->size(), 3u);
  EXPECT_EQ(data->name(1), "1.png");
  EXPECT_EQ(data->sample(0)[0].max().item<float>(), 2);
  EXPECT_EQ(open_dataset(dir, inputs, options)->sample(0)[0].sizes(), (at::IntArrayRef{2, 3, 4, 4}));
  options.mean.clear();
  EXPECT_THAT(open_error(dir, inputs, options, ErrorKind::Usage), HasSubstr("need mean"));
}

TEST(OpenDataset, SeveralInputsAreSubFolders) {
  const std::string dir = temporary_dir("two");
  write_floats(dir + "/left/0.bin", {1, 2});
  write_floats(dir + "/left/1.bin", {3, 4});
  write_floats(dir + "/right_side/0.bin", {5});
  const std::vector<InputSpec> inputs = {spec("left", {-1, 2}), spec("right/side", {-1, 1})};
  EXPECT_THAT(open_error(dir, inputs), AllOf(HasSubstr("differs"), HasSubstr("left 2"), HasSubstr("right/side 1")));
  write_floats(dir + "/right_side/1.bin", {6});
  DatasetPtr data = open_dataset(dir, inputs, {});
  ASSERT_EQ(data->size(), 2u);
  EXPECT_THAT(floats(data->sample(1)[0]), ElementsAre(3, 4));
  EXPECT_THAT(floats(data->sample(1)[1]), ElementsAre(6));
  EXPECT_THAT(open_error(dir + "/left", inputs), AllOf(HasSubstr("2 inputs"), HasSubstr("left, right_side")));
  EXPECT_THAT(open_error(dir + "/left/0.bin", inputs), HasSubstr("2 inputs"));
}

TEST(OpenDataset, InputLists) {
  const std::string dir = temporary_dir("list");
  write_floats(dir + "/data/a 0.bin", {1, 2});
  write_floats(dir + "/data/b0.bin", {5});
  write_floats(dir + "/data/a1.bin", {3, 4});
  const std::vector<InputSpec> inputs = {spec("left", {-1, 2}), spec("right", {-1, 1})};
  auto list = [&](const std::string& text) {
    std::ofstream(dir + "/list.txt") << text;
    return dir + "/list.txt";
  };
  DatasetPtr data =
      open_dataset(list("#out\n%tensor\n\nright:=data/b0.bin left:=data/a 0.bin\r\ndata/a1.bin " + dir + "/data/b0.bin\n"), inputs, {});
  ASSERT_EQ(data->size(), 2u);
  EXPECT_THAT(floats(data->sample(0)[0]), ElementsAre(1, 2));
  EXPECT_THAT(floats(data->sample(1)[0]), ElementsAre(3, 4));
  EXPECT_THAT(floats(data->sample(1)[1]), ElementsAre(5));
  EXPECT_EQ(open_dataset(list("data/a 0.bin\ndata/a1.bin"), {inputs[0]}, {})->size(), 2u);

  EXPECT_THAT(open_error(list("left:=data/a1.bin"), inputs), AllOf(HasSubstr("list.txt:1"), HasSubstr("right")));
  EXPECT_THAT(open_error(list("#\nlift:=data/a1.bin right:=data/b0.bin"), inputs),
              AllOf(HasSubstr("list.txt:2"), HasSubstr("lift"), HasSubstr("left")));
  EXPECT_THAT(open_error(list("data/a1.bin"), inputs), HasSubstr("got 1, expected 2"));
  EXPECT_THAT(open_error(list("data/a1.bin data/none.bin"), inputs), AllOf(HasSubstr("list.txt:1"), HasSubstr("none.bin")));
  EXPECT_THAT(open_error(list("#only comments\n"), inputs), HasSubstr("no samples"));
}

TEST(OpenDataset, WhatIsNotThere) {
  const std::string dir = temporary_dir("absent");
  const std::vector<InputSpec> inputs = {spec("input", {-1, 2})};
  EXPECT_THAT(open_error(dir + "/none", inputs), HasSubstr("no such file or folder"));
  EXPECT_THAT(open_error(dir, inputs), HasSubstr("empty folder"));
  std::ofstream(dir + "/readme.txt") << "x";
  EXPECT_THAT(open_error(dir, inputs), AllOf(HasSubstr("empty folder"), HasSubstr("readme.txt")));
  std::ofstream(dir + "/x.gif") << "x";
  EXPECT_THAT(open_error(dir, inputs), AllOf(HasSubstr("x.gif"), HasSubstr("'.gif'"), HasSubstr(".npy")));
}

TEST(OpenDataset, OpenShapesNeedInputShape) {
  const std::string dir = temporary_dir("dynamic");
  write_floats(dir + "/a.bin", counted(12));
  InputSpec input{"input", DataType::Float, {{-1, "N"}, {3, ""}, {-1, "H"}, {-1, "W"}}};
  EXPECT_THAT(open_error(dir, {input}), AllOf(HasSubstr("[N, 3, H, W]"), HasSubstr("input-shape input:1x3x")));
  DataOptions options;
  options.input_shapes = {{"input", {1, 3, 2, 2}}};
  EXPECT_EQ(open_dataset(dir, {input}, options)->sample(0)[0].sizes(), (at::IntArrayRef{1, 3, 2, 2}));
  options.input_shapes = {{"input", {1, 4, 2, 2}}};
  EXPECT_THAT(open_error(dir, {input}, options, ErrorKind::Usage), AllOf(HasSubstr("1x4x2x2"), HasSubstr("[N, 3, H, W]")));
  options.input_shapes = {{"imput", {1, 3, 2, 2}}};
  EXPECT_THAT(open_error(dir, {input}, options, ErrorKind::Usage), AllOf(HasSubstr("imput"), HasSubstr("input")));
}

// silero's state: the batch is not the leading dimension, and another input is a scalar.
TEST(OpenDataset, BatchElsewhereAndScalars) {
  const std::string dir = temporary_dir("state");
  write_floats(dir + "/x/0.bin", counted(4));
  write_floats(dir + "/state/0.bin", counted(6));
  write_npy(dir + "/sr/0.npy", at::scalar_tensor(16000, at::kLong));
  const std::vector<InputSpec> inputs = {{"x", DataType::Float, {{-1, "batch"}, {4, ""}}},
                                         {"state", DataType::Float, {{2, ""}, {-1, "batch"}, {3, ""}}},
                                         {"sr", DataType::Int64, {}}};
  const Tensors sample = open_dataset(dir, inputs, {})->sample(0);
  EXPECT_EQ(sample[1].sizes(), (at::IntArrayRef{2, 1, 3}));
  EXPECT_EQ(sample[2].dim(), 0);
  EXPECT_EQ(sample[2].item<int64_t>(), 16000);
}

TEST(OpenDataset, TensorProtos) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("proto");
  run_python(R"(
import sys, numpy as np
from onnx import numpy_helper
open(sys.argv[1] + '/a.pb', 'wb').write(numpy_helper.from_array(np.arange(24, dtype=np.float32).reshape(2, 3, 4)).SerializeToString())
)",
             {dir});
  DatasetPtr data = open_dataset(dir, {spec("input", {-1, 3, 4})}, {});
  ASSERT_EQ(data->size(), 2u);
  EXPECT_EQ(floats(data->sample(1)[0]), counted(12, 12));
  EXPECT_THAT(open_error(dir, {spec("input", {-1, 5})}), HasSubstr("got [2, 3, 4]"));
}

TEST(OpenDataset, SameNamesInAListStayApart) {
  const std::string dir = temporary_dir("same");
  write_floats(dir + "/a/0.bin", {1});
  write_floats(dir + "/b/0.bin", {2});
  std::ofstream(dir + "/list.txt") << "a/0.bin\nb/0.bin\n";
  DatasetPtr data = open_dataset(dir + "/list.txt", {spec("input", {-1, 1})}, {});
  EXPECT_EQ(data->name(0), "000000_0.bin");
  EXPECT_EQ(data->name(1), "000001_0.bin");
}

}  // namespace
}  // namespace ppq
