// `ppq_torch run`: what it writes, and how data options reach the samples.
#include "apps/command.h"

#include <fstream>

namespace ppq::test {
namespace {

/// A folder with a model given as text, and a place for samples and results.
struct Place {
  std::string folder;
  explicit Place(const std::string& name, const std::string& signature, const std::string& body) : folder(temporary_dir(name)) {
    write_onnx(*read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g " + signature + " {" + body + "}"), path("model.onnx"));
  }
  std::string path(const std::string& name) const { return folder + "/" + name; }
  Result run(std::vector<std::string> more = {}, const std::string& input = "samples") const {
    std::vector<std::string> arguments = {"run",      "--model",   path("model.onnx"), "--input",         path(input),
                                          "--output", path("out"), "--device",         test_device_name()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::filesystem::remove_all(path("out"));
    return ppq_torch(arguments);
  }
  at::Tensor result(const std::string& name) const { return read_npy(path("out/" + name)); }
};

std::vector<float> list_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

void write_raw(const std::string& path, const std::vector<float>& values) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
}

TEST(Run, WritesOutputsUnderTheirSamplesNames) {
  const Place p("run_names", "(float[N,3] x) => (float[N,3] y, int64[2] s)", "[neg] h = Neg(x) y = Abs(h) s = Shape(x)");
  write_raw(p.path("samples/cat.raw"), {1, -2, 3});
  write_raw(p.path("samples/dog.raw"), {0, 5, -6});
  ASSERT_EQ(p.run().code, 0);
  EXPECT_THAT(files_in(p.path("out")), testing::ElementsAre("cat.raw/s.npy", "cat.raw/y.npy", "dog.raw/s.npy", "dog.raw/y.npy"));
  EXPECT_THAT(list_of(p.result("cat.raw/y.npy")), testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(p.result("dog.raw/s.npy").scalar_type(), at::kLong) << "as the model has it";
  ASSERT_EQ(p.run({"--tensors", "all"}).code, 0);
  EXPECT_THAT(list_of(p.result("dog.raw/h.npy")), testing::ElementsAre(0, -5, 6));
  ASSERT_EQ(p.run({"--tensors", "x,h"}).code, 0);
  EXPECT_EQ(files_in(p.path("out")).size(), 8u);
}

TEST(Run, SlashesInNamesBecomeUnderlines) {
  const Place p("run_slash", "(float[1,2] x) => (float[1,2] y)", "y = Neg(x)");
  auto graph = read_onnx(p.path("model.onnx"));
  graph->rename(graph->find_value("y"), "head/out/y");
  write_onnx(*graph, p.path("model.onnx"));
  write_raw(p.path("samples/a.bin"), {1, 2});
  ASSERT_EQ(p.run().code, 0);
  EXPECT_THAT(files_in(p.path("out")), testing::ElementsAre("a.bin/head_out_y.npy"));
}

TEST(Run, RawFilesAsTheOptionsSay) {
  const Place p("run_raw", "(float[1,3,2,2] x) => (float[1,3,2,2] y)", "y = Neg(x)");
  std::vector<float> values(12);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  write_raw(p.path("samples/a.raw"), values);
  ASSERT_EQ(p.run({"--raw-layout", "nhwc"}).code, 0);  // [2, 2, 3] in the file
  EXPECT_THAT(list_of(p.result("a.raw/y.npy")), testing::ElementsAre(0, -3, -6, -9, -1, -4, -7, -10, -2, -5, -8, -11));
  EXPECT_EQ(p.run({"--raw-layout", "nwhc"}).code, 2);
  EXPECT_EQ(p.run({"--layout", "cnhw"}).code, 2);
}

TEST(Run, NativeDtypeReadsTheInputsOwnType) {
  const Place p("run_native", "(int32[1,3] x) => (int32[1,3] y)", "y = Neg(x)");
  std::filesystem::create_directories(p.path("samples"));
  const int32_t numbers[3] = {1, -70000, 2000000000};
  std::ofstream(p.path("samples/a.bin"), std::ios::binary).write(reinterpret_cast<const char*>(numbers), sizeof numbers);
  ASSERT_EQ(p.run({"--native-dtype"}).code, 0);
  EXPECT_TRUE(p.result("a.bin/y.npy").equal(at::tensor({-1, 70000, -2000000000}, at::kInt).reshape({1, 3})));
}

TEST(Run, PixelsGoThroughTheImageOptions) {
  const Place p("run_pixels", "(float[1,3,2,2] x) => (float[1,3,2,2] y)", "y = Neg(x)");
  write_npy(p.path("samples/a.npy"), at::arange(12).to(at::kByte).reshape({1, 2, 2, 3}));
  ASSERT_EQ(p.run({"--mean", "1,2,3", "--std", "1,2,4", "--color", "rgb"}).code, 0);
  EXPECT_THAT(list_of(p.result("a.npy/y.npy")), testing::ElementsAre(1, -2, -5, -8, 0.5, -1, -2.5, -4, 0.25, -0.5, -1.25, -2));
  for (const auto& [option, value] : {std::pair{"--mean", "1,x"},
                                      {"--std", "1,0,2"},
                                      {"--color", "cmyk"},
                                      {"--image-size", "4x"},
                                      {"--crop", "2x2x2"},
                                      {"--resize-shorter", "0"}}) {
    const Result result = p.run({option, value});
    EXPECT_EQ(result.code, 2) << option;
    EXPECT_THAT(result.err, HasSubstr(option));
  }
}

TEST(Run, ImagesAreResizedAndCropped) {
  const Place p("run_image", "(float[1,3,2,2] x) => (float[1,3,2,2] y)", "y = Neg(x)");
  // One colour: whatever the sampling, the middle of it is the same.
  write_npy(p.path("samples/a.npy"), at::full({1, 6, 8, 3}, 9, at::kByte));
  ASSERT_EQ(p.run({"--mean", "4", "--std", "1", "--color", "rgb", "--resize-shorter", "4", "--crop", "2"}).code, 0);
  for (float v : list_of(p.result("a.npy/y.npy"))) EXPECT_EQ(v, -5);
  ASSERT_EQ(p.run({"--mean", "4", "--std", "1", "--color", "rgb", "--image-size", "2x2"}).code, 0);
  for (float v : list_of(p.result("a.npy/y.npy"))) EXPECT_EQ(v, -5);
  EXPECT_NE(p.run({"--mean", "4", "--std", "1", "--color", "rgb"}).code, 0) << "8x6 is not 2x2";
}

TEST(Run, OpenShapesAreGivenByName) {
  const Place p("run_shape", "(float[N,M] x) => (float[N,M] y)", "y = Neg(x)");
  write_raw(p.path("samples/a.raw"), {1, 2, 3, 4});
  EXPECT_NE(p.run().code, 0);
  ASSERT_EQ(p.run({"--input-shape", "x:1x4"}).code, 0);
  EXPECT_EQ(p.result("a.raw/y.npy").sizes(), at::IntArrayRef({1, 4}));
  for (const auto& [shape, says] : {std::pair{"z:1x4", "no input 'z'"}, {"x:4", "wrong rank"}, {"x:1xfour", "expected sizes"}}) {
    const Result result = p.run({"--input-shape", shape});
    EXPECT_EQ(result.code, 2) << shape;
    EXPECT_THAT(result.err, HasSubstr(says));
  }
}

TEST(Run, SeveralInputsFromAList) {
  const Place p("run_list", "(float[1,2] a, float[1,2] b) => (float[1,2] y)", "y = Sub(a, b)");
  write_raw(p.path("one.raw"), {5, 7});
  write_raw(p.path("two.raw"), {1, 10});
  std::ofstream(p.path("list.txt")) << "a:=one.raw b:=two.raw\n";
  ASSERT_EQ(p.run({}, "list.txt").code, 0);
  const auto files = files_in(p.path("out"));
  ASSERT_EQ(files.size(), 1u);
  EXPECT_THAT(list_of(p.result(files[0])), testing::ElementsAre(4, -3));
}

TEST(Run, QuietSaysNothingAndErrorsStillSpeak) {
  const Place p("run_quiet", "(float[1,2] x) => (float[1,2] y)", "y = Neg(x)");
  write_raw(p.path("samples/a.raw"), {1, 2});
  EXPECT_EQ(p.run({"--quiet"}).err, "");
  EXPECT_THAT(p.run({"--no-progress"}).err, testing::AllOf(HasSubstr("wrote 1 sample(s)"), testing::Not(HasSubstr("samples/s"))));
  const Result result = p.run({"--quiet", "--tensors", "z"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("error: [--tensors]"));
}

}  // namespace
}  // namespace ppq::test
