// The program as its users meet it: help, lists, and what every mistake answers.
#include "apps/command.h"

#include <cmath>
#include <sstream>

namespace ppq::test {
namespace {

// Loading LibTorch takes 0.3 to 0.5 s; the rest is room for a loaded machine.
constexpr double kSlow = 3;

class Cli : public testing::Test {
 protected:
  static void SetUpTestSuite() { work_ = new Workspace("cli"); }
  static void TearDownTestSuite() { delete work_; }
  static const Workspace& work() { return *work_; }
  static std::string path(const std::string& name) { return work_->folder + "/" + name; }

  /// The message has the one form and the code is the kind's; nothing goes to stdout.
  static void expect_error(const Result& result, int code, const std::vector<std::string>& says) {
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_THAT(result.err, HasSubstr("error: ["));
    for (const auto& text : says) EXPECT_THAT(result.err, HasSubstr(text));
    EXPECT_EQ(result.out, "");
    for (const char* never : {"Exception raised from", "terminate called", "c10::", "frame #"})
      EXPECT_THAT(result.err, testing::Not(HasSubstr(never)));
  }

 private:
  inline static Workspace* work_ = nullptr;
};

TEST_F(Cli, HelpAnswersAtOnce) {
  const Result result = ppq_torch({"--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  for (const char* command : {"quantize", "run", "analyze", "compare", "inspect", "list"}) EXPECT_THAT(result.out, HasSubstr(command));
  EXPECT_LT(result.seconds, kSlow);
}

TEST_F(Cli, NoArgumentsIsAUsageError) { EXPECT_EQ(ppq_torch({}).code, 2); }

TEST_F(Cli, VersionIsOneLine) {
  const Result result = ppq_torch({"--version"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, testing::MatchesRegex("ppq_torch [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(Cli, OutputThatCannotBeWrittenIsAnError) {
  for (const auto& command : std::vector<std::vector<std::string>>{{"--version"}, {"list", "ops"}, {"--help"}})
    expect_error(ppq_torch(command, "exec >/dev/full; "), 6, {"[standard output] cannot be written"});
}

TEST_F(Cli, EveryCommandHasHelpWithDefaults) {
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"quantize", "(default: 512)"}, {"run", "--tensors"}, {"analyze", "--table"}, {"inspect", "--json"}, {"list", "--json"}};
  for (const auto& [command, text] : expected) {
    const Result result = ppq_torch({command, "--help"});
    EXPECT_EQ(result.code, 0) << command << result.err;
    EXPECT_THAT(result.out, HasSubstr(text)) << command;
    EXPECT_EQ(result.err, "") << command;
  }
}

TEST_F(Cli, ListsEveryTable) {
  const std::vector<std::pair<std::string, std::string>> expected = {{"ops", "Conv"},
                                                                     {"passes", "equalize-layers"},
                                                                     {"observers", "percentile"},
                                                                     {"platforms", "snpe_int8"},
                                                                     {"exporters", "encodings"},
                                                                     {"settings", "dsp"},
                                                                     {"devices", "cpu"}};
  for (const auto& [what, name] : expected) {
    const Result text = ppq_torch({"list", what});
    EXPECT_EQ(text.code, 0) << text.err;
    EXPECT_THAT(text.out, HasSubstr(name));
    EXPECT_LT(text.seconds, kSlow) << what;
    const Result result = ppq_torch({"list", what, "--json"});
    ASSERT_TRUE(Json::accept(result.out)) << result.out;
    bool found = false;
    for (const auto& item : Json::parse(result.out)) found |= item.at("name") == name && !item.at("summary").get<std::string>().empty();
    EXPECT_TRUE(found) << what;
  }
}

TEST_F(Cli, TyposNameCandidates) {
  expect_error(ppq_torch({"quantise"}), 2, {"quantise", "quantize"});
  expect_error(ppq_torch({"list", "platform"}), 2, {"'platform'", "platforms"});
  expect_error(ppq_torch({"list"}), 2, {"observers"});
  expect_error(ppq_torch(work().quantize({"--platform", "qnn_dps_int8"})), 2, {"[--platform]", "qnn_dps_int8", "qnn_dsp_int8"});
  expect_error(ppq_torch(work().quantize({"--calib-step", "3"})), 2, {"--calib-step", "did you mean --calib-steps"});
  expect_error(ppq_torch(work().quantize({"--setting", "dps"})), 2, {"dps", "dsp"});
  expect_error(ppq_torch(work().quantize({"--export", "onx"})), 2, {"onx", "onnx"});
  expect_error(ppq_torch(work().quantize({"--passes", "equalise-layers"})), 2, {"equalise-layers", "equalize-layers"});
  expect_error(ppq_torch(work().quantize({"--observer", "minmx", "--output", path("o")})), 2, {"minmx", "minmax"});
  expect_error(ppq_torch(work().quantize({"--dispatch", "conservativ", "--output", path("o")})), 2, {"conservativ", "conservative"});
}

TEST_F(Cli, BadValuesAreUsageErrors) {
  expect_error(ppq_torch({"quantize", "--model", work().model}), 2, {"--calib is missing"});
  expect_error(ppq_torch(work().quantize({"--bits", "Conv=7"})), 2, {"[--bits]", "Conv=7", "=16"});
  expect_error(ppq_torch(work().quantize({"--bits", "Conv"})), 2, {"[--bits]", "'Conv'"});
  expect_error(ppq_torch(work().quantize({"--bits", "Cnv=16", "--output", path("o")})), 2, {"--bits", "'Cnv'", "Conv"});
  expect_error(ppq_torch(work().quantize({"--keep-float", "Cnv", "--output", path("o")})), 2, {"--keep-float", "'Cnv'", "Conv"});
  expect_error(ppq_torch(work().quantize({"--calib-steps", "many"})), 2, {"many"});
  expect_error(ppq_torch(work().quantize({"--calib-steps", "0"})), 2, {"--calib-steps", "got 0"});
  expect_error(ppq_torch(work().quantize({"--device", "gpu"})), 2, {"[--device]", "'gpu'", "cuda:N"});
  expect_error(ppq_torch(work().quantize({"--device", "cuda:0,0"})), 2, {"[--device]", "'cuda:0,0'", "each device once"});
  expect_error(ppq_torch(work().quantize({"--threads", "-1"})), 2, {"--threads", "-1"});
  expect_error(ppq_torch(work().quantize({"--std", "0"})), 2, {"--std"});
  expect_error(ppq_torch(work().quantize({"--encodings", "9", "--output", path("bad_version")})), 2, {"--encodings", "'9'", "0.6.1"});
  expect_error(ppq_torch(work().quantize({"--export-option", "int32-bias=no"})), 2,
               {"[--export-option int32-bias]", "'no'", "true or false"});
  expect_error(ppq_torch(work().quantize({"--export-option", "int32-biass=true"})), 2, {"'int32-biass'", "int32-bias"});
  expect_error(ppq_torch(work().quantize({"--export-option", "int32-bias"})), 2, {"[--export-option]", "NAME=VALUE"});
  expect_error(ppq_torch(work().quantize({"--passes", "calibrat"})), 2, {"[--passes]", "'calibrat'", "calibrate"});
  EXPECT_FALSE(std::filesystem::exists(path("bad_version")));
  EXPECT_FALSE(std::filesystem::exists(path("o")));
}

TEST_F(Cli, ModelsThatCannotBeReadAreModelErrors) {
  expect_error(ppq_torch(work().quantize({"--model", path("nope.onnx")})), 3, {"nope.onnx", "no such file"});
  write_file(path("empty.onnx"), "");
  expect_error(ppq_torch(work().quantize({"--model", path("empty.onnx")})), 3, {"empty.onnx"});
  const std::string whole = read_file(work().model);
  write_file(path("half.onnx"), whole.substr(0, whole.size() / 2));
  expect_error(ppq_torch(work().quantize({"--model", path("half.onnx")})), 3, {"half.onnx"});
  std::string bytes;
  for (uint32_t i = 0, state = 7; i < 4000; ++i) bytes += static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
  write_file(path("random.onnx"), bytes);
  expect_error(ppq_torch(work().quantize({"--model", path("random.onnx")})), 3, {"random.onnx"});
  expect_error(ppq_torch({"inspect", "--model", work().folder}), 3, {"folder"});
}

TEST_F(Cli, SamplesThatDoNotFitAreDataErrors) {
  expect_error(ppq_torch(work().quantize({"--calib", path("nope")})), 5, {"nope", "no such file or folder"});
  std::filesystem::create_directories(path("none"));
  expect_error(ppq_torch(work().quantize({"--calib", path("none")})), 5, {"none"});

  write_npy(path("shape/first.npy"), noise({1, 3, 8, 7}, 1));
  expect_error(ppq_torch(work().quantize({"--calib", path("shape")})), 5, {"first.npy", "[1, 3, 8, 7]", "[1, 3, 8, 8]"});
  write_npy(path("few/first.npy"), noise({1, 3, 8, 8}, 1));
  write_npy(path("few/second.npy"), noise({3, 8}, 1));
  expect_error(ppq_torch(work().quantize({"--calib", path("few")})), 5, {"second.npy", "[3, 8]"});
  write_file(path("raw/first.bin"), std::string(767, 'x'));
  expect_error(ppq_torch(work().quantize({"--calib", path("raw")})), 5, {"first.bin", "767", "768"});

  at::Tensor broken = noise({1, 3, 8, 8}, 1);
  broken[0][2][1][5] = NAN;
  write_npy(path("nan/good.npy"), noise({1, 3, 8, 8}, 2));
  write_npy(path("nan/nan.npy"), broken);
  expect_error(ppq_torch(work().quantize({"--calib", path("nan"), "--output", path("o")})), 5, {"nan.npy", "NaN", "[0, 2, 1, 5]"});

  write_file(path("cut/cut.npy"), read_file(path("nan/nan.npy")).substr(0, 500));
  expect_error(ppq_torch(work().quantize({"--calib", path("cut")})), 5, {"cut.npy"});
  write_file(path("text/readme.md"), "no sample");
  expect_error(ppq_torch(work().quantize({"--calib", path("text")})), 5, {"text"});
  EXPECT_FALSE(std::filesystem::exists(path("o")));
}

TEST_F(Cli, UnsupportedOperatorsAreAllNamed) {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17, "made.up" : 1]>
    g (float[1,3,8,8] x) => (float[1,3,8,8] y) { a = made.up.Wobble(x) b = Relu(a) y = made.up.Wibble(b) })",
                              {.infer_shapes = false, .check = false});
  write_onnx(*graph, path("odd.onnx"));
  expect_error(ppq_torch(work().quantize({"--model", path("odd.onnx")})), 4, {"made.up.Wobble", "made.up.Wibble", "2 node(s)"});
  const Result inspected = ppq_torch({"inspect", "--model", path("odd.onnx"), "--json"});
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_EQ(Json::parse(inspected.out).at("unsupported").size(), 2u);
}

TEST_F(Cli, CudaThatCannotWorkIsAnError) {
  if (Json::parse(ppq_torch({"list", "devices", "--json"}).out).at(1).at("summary") == "available") GTEST_SKIP() << "this machine has CUDA";
  expect_error(ppq_torch(work().quantize({"--device", "cuda"})), 4, {"[--device]", "cuda cannot be used", "--device cpu"});
  expect_error(ppq_torch(work().quantize({"--device", "cuda:0,1"})), 4, {"[--device]", "cuda cannot be used", "--device cpu"});
}

TEST_F(Cli, OutputThatCannotBeWrittenIsAResourceError) {
  expect_error(ppq_torch(work().quantize({"--output", "/dev/null/below"})), 6, {"/dev/null/below", "Not a directory"});
  write_file(path("taken"), "a file");
  expect_error(ppq_torch(work().quantize({"--output", path("taken")})), 6, {"taken"});
  EXPECT_EQ(read_file(path("taken")), "a file");
}

TEST_F(Cli, JsonLogIsOneObjectALine) {
  const Result result = ppq_torch(work().quantize({"--log-format", "json", "--output", path("json_log")}));
  ASSERT_EQ(result.code, 0) << result.err;
  std::istringstream lines(result.err);
  size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(Json::accept(line)) << line;
  EXPECT_GT(count, 2u);
  EXPECT_EQ(result.out, "");
}

}  // namespace
}  // namespace ppq::test
