// What a user may hand over by mistake: each mistake has its message and its exit code, and leaves nothing behind.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <thread>

#include "apps/command.h"

namespace ppq::test {
namespace {

using Arguments = std::vector<std::string>;

/// The files of a mistake, and how the program is called on them.
struct Place {
  Workspace work{"bad_input"};
  std::string path(const std::string& name) const { return work.folder + "/" + name; }
  /// The job with other samples.
  Arguments samples(const std::string& folder, Arguments more = {}) const {
    more.insert(more.end(), {"--calib", path(folder), "--output", path("out")});
    return work.quantize(more);
  }
  /// The job with another model, given in onnx's text form.
  Arguments model(const std::string& graph, Arguments more = {}, const char* opset = "17") const {
    write_file(path("bad.onnxtxt"), std::string("<ir_version: 8, opset_import: [\"\" : ") + opset + "]> " + graph);
    more.insert(more.end(), {"--model", path("bad.onnxtxt"), "--output", path("out")});
    return work.quantize(more);
  }
  /// The job with more options.
  Arguments with(Arguments more) const {
    more.insert(more.end(), {"--output", path("out")});
    return work.quantize(more);
  }
};

struct Mistake {
  const char* name;
  int code;
  Arguments says;
  std::function<Arguments(const Place&)> make;
};

std::string npy_header(const std::string& descr, const std::string& shape) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize((10 + header.size()) / 64 * 64 + 64 - 10 - 1, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size() & 255) + static_cast<char>(header.size() >> 8) + header;
}

std::string floats(const at::Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.const_data_ptr<float>()), static_cast<size_t>(tensor.numel()) * 4};
}

at::Tensor with_value(float value) {
  at::Tensor tensor = noise({1, 3, 8, 8}, 3);
  tensor[0][1][2][3] = value;
  return tensor;
}

const char* const kTwoInputs = "two (float[1,4] left, float[1,4] right) => (float[1,4] y) { y = Add(left, right) }";

/// The small model with its weights in a file beside it; `location` (of one length) replaces that file's name.
std::string external(const Place& p, const std::string& location = "model.onnx.data") {
  write_onnx(*read_onnx(p.work.model), p.path("external/model.onnx"), {.external_tensor_threshold = 16, .external_above = 0});
  std::string bytes = read_file(p.path("external/model.onnx"));
  for (size_t at = bytes.find("model.onnx.data"); at != std::string::npos; at = bytes.find("model.onnx.data", at + 1))
    bytes.replace(at, location.size(), location);
  write_file(p.path("external/model.onnx"), bytes);
  return p.path("external/model.onnx");
}

const std::vector<Mistake>& mistakes() {
  static const std::vector<Mistake> all = {
      {"RawFileOfAnotherSize",
       5,
       {"first.bin", "767", "768"},
       [](const Place& p) { return write_file(p.path("s/first.bin"), std::string(767, 'x')), p.samples("s"); }},
      {"RawFileOfAnotherElementType",
       5,
       {"first.bin", "384", "768"},
       [](const Place& p) { return write_file(p.path("s/first.bin"), std::string(384, 'x')), p.samples("s", {"--native-dtype"}); }},
      {"NpyOfObjects",
       5,
       {"first.npy", "object"},
       [](const Place& p) {
         return write_file(p.path("s/first.npy"), npy_header("|O", "(1, 3, 8, 8)") + std::string(1536, '\1')), p.samples("s");
       }},
      {"NpyOfStrings",
       5,
       {"first.npy", "<U4"},
       [](const Place& p) {
         return write_file(p.path("s/first.npy"), npy_header("<U4", "(1, 3, 8, 8)") + std::string(3072, '\1')), p.samples("s");
       }},
      {"NpyThatIsCut",
       5,
       {"first.npy", "768"},
       [](const Place& p) {
         return write_file(p.path("s/first.npy"), npy_header("<f4", "(1, 3, 8, 8)") + std::string(500, '\0')), p.samples("s");
       }},
      {"NpyThatIsNone", 5, {"first.npy"}, [](const Place& p) { return write_file(p.path("s/first.npy"), "not numpy's"), p.samples("s"); }},
      {"NpyWithoutSamples",
       5,
       {"first.npy", "no samples", "[0, 3, 8, 8]"},
       [](const Place& p) { return write_file(p.path("s/first.npy"), npy_header("<f4", "(0, 3, 8, 8)")), p.samples("s"); }},
      {"NpyWithAHugeShape",
       5,
       {"first.npy"},
       [](const Place& p) {
         return write_file(p.path("s/first.npy"), npy_header("<f4", "(4611686018427387904, 3, 8, 8)")), p.samples("s");
       }},
      {"NanInARawFile",
       5,
       {"first.bin", "NaN", "[0, 1, 2, 3]"},
       [](const Place& p) { return write_file(p.path("s/first.bin"), floats(with_value(NAN))), p.samples("s"); }},
      {"InfinityInAnNpy",
       5,
       {"first.npy", "[0, 1, 2, 3]", "Inf"},
       [](const Place& p) { return write_npy(p.path("s/first.npy"), with_value(INFINITY)), p.samples("s"); }},
      {"NanInTheEvaluationSamples",
       5,
       {"first.npy", "NaN"},
       [](const Place& p) {
         return write_npy(p.path("s/first.npy"), with_value(NAN)), p.with({"--eval", p.path("s")});
       }},
      {"JpegThatIsNone",
       5,
       {"photo.jpg", "JPEG"},
       [](const Place& p) {
         return write_file(p.path("s/photo.jpg"), "\xff\xd8\xff then nothing"),
                p.samples("s", {"--image-size", "8x8", "--mean", "0,0,0", "--std", "1,1,1", "--color", "rgb"});
       }},
      {"PngThatIsCut",
       5,
       {"photo.png"},
       [](const Place& p) {
         return write_file(p.path("s/photo.png"), std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0", 22)),
                p.samples("s", {"--image-size", "8x8", "--mean", "0,0,0", "--std", "1,1,1", "--color", "rgb"});
       }},
      {"ImagesWithoutPreprocessing",
       2,
       {"--mean"},
       [](const Place& p) { return write_file(p.path("s/photo.jpg"), "\xff\xd8\xff"), p.samples("s"); }},
      {"TensorProtoThatIsNone",
       5,
       {"first.pb"},
       [](const Place& p) { return write_file(p.path("s/first.pb"), "\xff\xff\xff"), p.samples("s"); }},
      {"FilesOfSeveralKindsOfShape",
       5,
       {"second.npy", "[1, 3, 4, 4]", "[1, 3, 8, 8]"},
       [](const Place& p) {
         return write_npy(p.path("s/first.npy"), noise({1, 3, 8, 8}, 1)), write_npy(p.path("s/second.npy"), noise({1, 3, 4, 4}, 1)),
                p.samples("s");
       }},
      {"UnknownKindOfFile",
       5,
       {"first.mat", ".npy"},
       [](const Place& p) { return write_file(p.path("s/first.mat"), "x"), p.samples("s"); }},
      {"EmptyList",
       5,
       {"list.txt", "no samples"},
       [](const Place& p) { return write_file(p.path("list.txt"), "\n"), p.samples("list.txt"); }},
      {"ListNamesAMissingFile",
       5,
       {"list.txt:2", "gone.npy"},
       [](const Place& p) {
         return write_npy(p.path("here.npy"), noise({1, 3, 8, 8}, 1)), write_file(p.path("list.txt"), "here.npy\ngone.npy\n"),
                p.samples("list.txt");
       }},
      {"ListNamesAnUnknownInput",
       5,
       {"list.txt", "imgae", "image"},
       [](const Place& p) {
         return write_npy(p.path("here.npy"), noise({1, 3, 8, 8}, 1)), write_file(p.path("list.txt"), "imgae:=here.npy\n"),
                p.samples("list.txt");
       }},
      {"TwoInputsAndOneFolder", 5, {"2 inputs", "left, right", "sub-folder"}, [](const Place& p) { return p.model(kTwoInputs); }},
      {"TwoInputsAndOneFile",
       5,
       {"2 inputs", "one file"},
       [](const Place& p) {
         return write_npy(p.path("one.npy"), noise({1, 4}, 1)), p.model(kTwoInputs, {"--calib", p.path("one.npy")});
       }},
      {"TwoInputsOfDifferentCounts",
       5,
       {"left 2, right 1"},
       [](const Place& p) {
         return write_npy(p.path("s/left/a.npy"), noise({2, 4}, 1)), write_npy(p.path("s/right/a.npy"), noise({1, 4}, 1)),
                p.model(kTwoInputs, {"--calib", p.path("s")});
       }},
      {"OpenShape",
       5,
       {"input image", "[1, 3, H, W]", "--input-shape image:1x3x224x224"},
       [](const Place& p) { return p.model("g (float[1,3,H,W] image) => (float[1,3,H,W] y) { y = Relu(image) }"); }},
      {"InputShapeOfAnotherRank",
       2,
       {"--input-shape", "[1, 3]", "[1, 3, 8, 8]"},
       [](const Place& p) {
         return p.with({"--input-shape", "image:1x3"});
       }},
      {"InputShapeOfAnUnknownInput",
       2,
       {"--input-shape", "imgae", "image"},
       [](const Place& p) {
         return p.with({"--input-shape", "imgae:1x3x8x8"});
       }},
      {"InputShapeThatIsNoShape",
       2,
       {"--input-shape", "1x3xbig"},
       [](const Place& p) {
         return p.with({"--input-shape", "image:1x3xbig"});
       }},
      {"ExternalDataOutsideTheFolder",
       3,
       {"weight", "../weights.data", "folder"},
       [](const Place& p) {
         return write_file(p.path("weights.data"), std::string(4096, '\0')), p.with({"--model", external(p, "../weights.data")});
       }},
      {"ExternalDataByAbsolutePath",
       3,
       {"weight", "/etc/hosts.allo"},
       [](const Place& p) {
         return p.with({"--model", external(p, "/etc/hosts.allo")});
       }},
      {"ExternalDataThatIsGone",
       3,
       {"weight", "model.onnx.data"},
       [](const Place& p) {
         return external(p), std::filesystem::remove(p.path("external/model.onnx.data")),
                p.with({"--model", p.path("external/model.onnx")});
       }},
      {"ExternalDataThatIsCut",
       3,
       {"weight", "model.onnx.data"},
       [](const Place& p) {
         return external(p), std::filesystem::resize_file(p.path("external/model.onnx.data"), 100),
                p.with({"--model", p.path("external/model.onnx")});
       }},
      {"CyclicGraph",
       3,
       {"first"},
       [](const Place& p) {
         return p.model(
             "g (float[1,3,8,8] image) => (float[1,3,8,8] y) { [first] a = Add(b, image) [second] b = Relu(a) [last] y = Relu(b) }");
       }},
      {"OpsetOfTheFuture",
       4,
       {"opset", "got 99"},
       [](const Place& p) { return p.model("g (float[1,3,8,8] image) => (float[1,3,8,8] y) { y = Relu(image) }", {}, "99"); }},
      {"WeightThatDoesNotFitItsInput",
       3,
       {"first"},
       [](const Place& p) {
         return p.model(
             "g (float[1,3,8,8] image) => (float[1,2,8,8] y) <float[2,5,1,1] w = {1,2,3,4,5,6,7,8,9,0}> { [first] y = Conv(image, w) }");
       }},
      {"ModelWithoutInputs",
       3,
       {"no inputs"},
       [](const Place& p) { return p.model("g () => (float[2] y) <float[2] w = {1, 2}> { y = Relu(w) }"); }},
      {"TensorBeyondMaxMemory",
       6,
       {"tensor wide", "--max-memory"},
       [](const Place& p) {
         return p.model(
             "g (float[1,3,8,8] image) => (float[1,3,1,1] y) <int64[4] reps = {1, 1, 1024, 1024}> { [tile] wide = Tile(image, reps) y = "
             "GlobalMaxPool(wide) }",
             {"--max-memory", "64M"});
       }},
      {"ArchiveInsteadOfAModel",
       3,
       {"bad.onnx"},
       [](const Place& p) {
         return write_file(p.path("bad.onnx"), std::string("PK\3\4\24\0\0\0\0\0", 10) + std::string(600, 'z')),
                p.with({"--model", p.path("bad.onnx")});
       }},
      {"OverridesForAnotherModel",
       5,
       {"another model", "/conv1/out"},
       [](const Place& p) {
         return write_file(
                    p.path("o.json"),
                    R"({"version": "0.6.1", "activation_encodings": {"/conv1/out": [{"bitwidth": 8, "dtype": "int", "is_symmetric": "False", "max": 2.55, "min": 0, "offset": 0, "scale": 0.01}]}, "param_encodings": {}})"),
                p.with({"--overrides", p.path("o.json")});
       }},
      {"OverridesThatAreNoJson",
       5,
       {"o.json"},
       [](const Place& p) {
         return write_file(p.path("o.json"), "{\"version\": "), p.with({"--overrides", p.path("o.json")});
       }},
      {"OverridesOfAnUnknownVersion",
       5,
       {"o.json", "7.0"},
       [](const Place& p) {
         return write_file(p.path("o.json"), R"({"version": "7.0"})"), p.with({"--overrides", p.path("o.json")});
       }},
      {"TableThatIsMissing",
       5,
       {"gone.table"},
       [](const Place& p) {
         return Arguments{"run",          "--model", p.work.model,   "--table",  p.path("gone.table"), "--platform",
                          "qnn_dsp_int8", "--input", p.work.samples, "--output", p.path("out")};
       }},
      {"TableForAnotherModel",
       5,
       {"another model", "elsewhere"},
       [](const Place& p) {
         return write_file(
                    p.path("t.json"),
                    R"({"version": "1.0.0", "activation_encodings": [{"name": "elsewhere", "enc_type": "PER_TENSOR", "dtype": "INT", "bw": 8, "is_sym": false, "scale": [0.1], "offset": [0]}], "param_encodings": []})"),
                Arguments{"run",          "--model", p.work.model,   "--table",  p.path("t.json"), "--platform",
                          "qnn_dsp_int8", "--input", p.work.samples, "--output", p.path("out")};
       }},
      {"SettingWithWrongTypes",
       2,
       {"s.json", "equalization"},
       [](const Place& p) {
         return write_file(p.path("s.json"), R"({"equalization": "perhaps"})"), p.with({"--setting", p.path("s.json")});
       }},
      {"SettingThatIsMissing",
       5,
       {"gone.json"},
       [](const Place& p) {
         return p.with({"--setting", p.path("gone.json")});
       }},
      {"NegativeBatch", 2, {"--batch-size", "-3"}, [](const Place& p) { return p.with({"--batch-size=-3"}); }},
      {"MemoryThatIsNoSize",
       2,
       {"--max-memory", "4X"},
       [](const Place& p) {
         return p.with({"--max-memory", "4X"});
       }},
      {"RawSamplesOfAnotherLayout",
       2,
       {"--raw-samples", "hwcn"},
       [](const Place& p) {
         return p.with({"--raw-samples", "hwcn"});
       }},
      {"CompareWithAMissingFolder",
       5,
       {"nowhere"},
       [](const Place& p) {
         return Arguments{"compare", "--reference", p.path("nowhere"), "--candidate", p.work.samples};
       }},
      {"CompareWithNothingInCommon",
       5,
       {"sample"},
       [](const Place& p) {
         return write_npy(p.path("a/0/y.npy"), noise({1, 4}, 1)), write_npy(p.path("b/1/z.npy"), noise({1, 4}, 1)),
                Arguments{"compare", "--reference", p.path("a"), "--candidate", p.path("b")};
       }},
      {"TableWithoutAPlatform",
       2,
       {"--table and --platform"},
       [](const Place& p) {
         return Arguments{"run", "--model", p.work.model, "--table", p.work.model, "--input", p.work.samples, "--output", p.path("out")};
       }},
  };
  return all;
}

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class BadInput : public testing::TestWithParam<Mistake> {};

TEST_P(BadInput, HasItsMessageAndCode) {
  const Place place;
  const Result result = ppq_torch(GetParam().make(place));
  EXPECT_EQ(result.code, GetParam().code) << result.err;
  EXPECT_TRUE(result.err.rfind("error: [", 0) == 0 || result.err.find("\nerror: [") != std::string::npos)
      << "a line that says where: " << result.err;
  for (const auto& text : GetParam().says) EXPECT_THAT(result.err, HasSubstr(text));
  for (const char* never : {"Exception raised from", "terminate called", "c10::", "nlohmann", "frame #"})
    EXPECT_THAT(result.err, testing::Not(HasSubstr(never)));
  EXPECT_EQ(result.out, "");
  // A finished calibration is kept for --resume; nothing else of a failed run stays.
  for (const std::string& name : files_in(place.path("out"))) EXPECT_EQ(name, ".calibration.json");
}

INSTANTIATE_TEST_SUITE_P(Mistakes, BadInput, testing::ValuesIn(mistakes()), [](const auto& info) { return std::string(info.param.name); });

/// Files below a folder are whole: named as results are, and readable to their end.
void expect_whole(const std::string& folder, const std::string& finished) {
  for (const std::string& name : files_in(folder)) {
    EXPECT_THAT(name, testing::Not(HasSubstr("partial")));
    const std::string bytes = read_file(folder + "/" + name);
    if (name == "report.html")
      EXPECT_THAT(bytes, HasSubstr("</html>"));
    else if (name == "report.json" || name == ".calibration.json")
      EXPECT_TRUE(Json::accept(bytes)) << name;
    else
      EXPECT_EQ(bytes, read_file(finished + "/" + name)) << name;
  }
}

TEST(CutShort, KilledAtAnyMomentItLeavesNoHalfFile) {
  const Place place;
  ASSERT_EQ(ppq_torch(place.work.quantize({"--output", place.path("finished")})).code, 0);
  bool finished = false;
  size_t killed = 0;
  for (int delay = 100; !finished && delay < 60000; delay += std::max(60, delay / 10)) {
    const std::string out = place.path("killed");
    std::filesystem::remove_all(out);
    Arguments arguments = place.work.quantize({"--output", out, "--quiet"});
    std::string command = program();
    std::vector<char*> argv = {command.data()};
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      const int null = open("/dev/null", O_RDWR);
      dup2(null, 1), dup2(null, 2);
      execv(argv[0], argv.data());
      _exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    finished = WIFEXITED(status);
    killed += WIFSIGNALED(status);
    expect_whole(out, place.path("finished"));
  }
  EXPECT_TRUE(finished) << "the last run was given enough time";
  EXPECT_GT(killed, 1u);
}

TEST(CutShort, FileSizeLimitIsAResourceErrorAndLeavesNoHalfFile) {
  const Place place;
  // Weights of 400 KB do not fit under a limit of 64 KB.
  std::string weights = "0.5";
  for (int i = 1; i < 192 * 500; ++i) weights += i % 3 ? ", 0.25" : ", -0.5";
  write_onnx(*read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[1,192] image) => (float[1,500] y) <float[192,500] w = {" +
                             weights + "}> { y = MatMul(image, w) }"),
             place.path("large.onnx"));
  write_npy(place.path("s/0.npy"), noise({1, 192}, 1));
  const Result result =
      ppq_torch(place.work.quantize({"--model", place.path("large.onnx"), "--calib", place.path("s"), "--output", place.path("out")}),
                "ulimit -f 128 && ");
  EXPECT_EQ(result.code, 6) << result.err;
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("error: ["), HasSubstr("cannot write"), HasSubstr("quantized.onnx")));
  for (const std::string& name : files_in(place.path("out"))) EXPECT_EQ(name, ".calibration.json");
}

TEST(CutShort, FullDiskIsAResourceErrorAndLeavesNoHalfFile) {
  const Place place;
  const std::string disk = place.path("disk");
  std::filesystem::create_directories(disk);
  if (std::system(("mount -t tmpfs -o size=16k tmpfs " + quoted(disk) + " 2>/dev/null").c_str()) != 0)
    GTEST_SKIP() << "no right to mount a small disk here";
  const Result result = ppq_torch(place.work.quantize({"--output", disk + "/out"}));
  const auto files = files_in(disk);
  EXPECT_EQ(std::system(("umount " + quoted(disk)).c_str()), 0);
  EXPECT_EQ(result.code, 6) << result.err;
  EXPECT_THAT(result.err, testing::AllOf(HasSubstr("error: ["), HasSubstr("No space left"), HasSubstr("free some space")));
  for (const std::string& name : files) EXPECT_THAT(name, testing::Not(HasSubstr("partial")));
}

}  // namespace
}  // namespace ppq::test
