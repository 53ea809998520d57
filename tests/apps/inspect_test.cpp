// `ppq_torch inspect`: multiply-accumulates by the operators' definitions.
#include "apps/command.h"

namespace ppq::test {
namespace {

Json inspect(const std::string& name, const std::string& signature, const std::string& body, const std::vector<std::string>& more = {}) {
  const std::string file = temporary_dir("inspect_" + name) + "/m.onnx";
  write_onnx(
      *read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17, \"made.up\" : 2]> g " + signature + " {" + body + "}", {.check = false}),
      file);
  std::vector<std::string> arguments = {"inspect", "--model", file, "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Result result = ppq_torch(arguments);
  EXPECT_EQ(result.code, 0) << result.err;
  return Json::parse(result.out);
}

TEST(Inspect, MacsOfEveryComputingOperator) {
  struct Case {
    const char *name, *signature, *body;
    int64_t macs;
  };
  for (const Case& c :
       {Case{"grouped", "(float[N,4,8,8] x, float[6,2,3,3] w) => (float[N,6,6,6] y)", "y = Conv<group = 2>(x, w)",
             int64_t{6} * 6 * 6 * 2 * 9},
        Case{"transposed", "(float[N,4,5] x, float[4,3,2] w) => (float[N,3,6] y)", "y = ConvTranspose(x, w)", int64_t{4} * 5 * 3 * 2},
        Case{"gemm", "(float[N,7] x, float[3,7] w) => (float[N,3] y)", "y = Gemm<transB = 1>(x, w)", int64_t{3} * 7},
        Case{"gemm_plain", "(float[N,7] x, float[7,3] w) => (float[N,3] y)", "y = Gemm(x, w)", int64_t{3} * 7},
        Case{"matmul", "(float[2,4,5] x, float[2,5,6] w) => (float[2,4,6] y)", "y = MatMul(x, w)", int64_t{2} * 4 * 6 * 5}}) {
    const Json json = inspect(c.name, c.signature, c.body);
    EXPECT_EQ(json["macs"], c.macs) << c.name;
    EXPECT_EQ(json["nodes_with_unknown_macs"], 0) << c.name;
  }
}

TEST(Inspect, UnknownShapesAreCountedAndCanBeGiven) {
  const char *signature = "(float[N,2,H,W] x, float[2,2,3,3] w) => (float[N,2,A,B] y)", *body = "c = Conv(x, w) y = Relu(c)";
  const Json open = inspect("open", signature, body);
  EXPECT_EQ(open["macs"], 0);
  EXPECT_EQ(open["nodes_with_unknown_macs"], 1);
  EXPECT_EQ(open["inputs"][0]["shape"], "[N, 2, H, W]");
  const Json given = inspect("given", signature, body, {"--input-shape", "x:1x2x5x4"});
  EXPECT_EQ(given["macs"], 2 * 3 * 2 * 2 * 9);
  EXPECT_EQ(given["inputs"][0]["shape"], "[1, 2, 5, 4]");
}

TEST(Inspect, ListsWhatIsUnsupportedAndEveryOpset) {
  const Json json =
      inspect("unsupported", "(float[2] x) => (float[2] y)", "[odd] a = made.up.Wobble(x) [odder] b = made.up.Wobble(a) y = Neg(b)");
  EXPECT_EQ(json["unsupported"], Json({"odd (made.up.Wobble, opset 2)", "odder (made.up.Wobble, opset 2)"}));
  EXPECT_EQ(json["opsets"]["ai.onnx"], 17);
  EXPECT_EQ(json["opsets"]["made.up"], 2);
  EXPECT_EQ(json["ops"]["made.up.Wobble"], 2);
  EXPECT_EQ(json["ir_version"], 8);
}

}  // namespace
}  // namespace ppq::test
