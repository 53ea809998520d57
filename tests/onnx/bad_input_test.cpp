// Files that are broken, each in its own way: one clear error that names file, tensor or node; never a crash.
#include <random>

#include "onnx/files.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;

std::string file_error(const std::string& bytes) {
  const std::string path = temporary_dir("bad") + "/bad.onnx";
  save(path, bytes);
  const std::string error = error_of(ErrorKind::Model, [&] { read_onnx(path); });
  EXPECT_EQ(error.find("[" + path), 0u) << "the file is not named first: " << error;
  return error;
}

std::string text_error(const std::string& graph, const std::string& header = "ir_version: 10, opset_import: [\"\" : 21]",
                       ErrorKind kind = ErrorKind::Model) {
  std::string unchecked, checked;
  // Without onnx's checker the reader's own checks must hold.
  for (const bool check : {false, true}) {
    const std::string error = error_of(kind, [&] { read_onnx_text(text_model(graph, header), {true, check, true}); });
    if (check)
      checked = error;
    else
      unchecked = error;
  }
  EXPECT_EQ(unchecked, checked);
  return unchecked;
}

#define EXPECT_SAYS(error, text) EXPECT_NE((error).find(text), std::string::npos) << (error)

TEST(BadModel, MissingFile) {
  const std::string path = temporary_dir("none") + "/none.onnx";
  const std::string error = error_of(ErrorKind::Model, [&] { read_onnx(path); });
  EXPECT_SAYS(error, "no such file");
  EXPECT_SAYS(error, path);
}

TEST(BadModel, FolderAndUnreadablePlaces) {
  const std::string folder = temporary_dir("folder");
  EXPECT_SAYS(error_of(ErrorKind::Model, [&] { read_onnx(folder); }), "is a folder");
  EXPECT_SAYS(error_of(ErrorKind::Model, [&] { read_onnx("/dev/null"); }), "not a regular file");
  EXPECT_SAYS(error_of(ErrorKind::Model, [&] { read_onnx(""); }), "no such file");
  save(folder + "/file", "x");
  EXPECT_SAYS(error_of(ErrorKind::Model, [&] { read_onnx(folder + "/file/model.onnx"); }), "no such file");
}

TEST(BadModel, EmptyFile) { EXPECT_SAYS(file_error(""), "is empty"); }

TEST(BadModel, NotAProtobuf) {
  EXPECT_SAYS(file_error(std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16)), "is not an ONNX model");
  EXPECT_SAYS(file_error("<!DOCTYPE html><html><body>404</body></html>"), "neither a protobuf nor text");
  EXPECT_SAYS(file_error("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), "neither a protobuf nor text");
  EXPECT_SAYS(file_error(std::string(100, '\0')), "is not an ONNX model");
}

TEST(BadModel, ProtobufWithoutGraph) {
  EXPECT_SAYS(file_error("\x08\x08"), "holds no graph");
  // A TensorProto: its fields have other meanings.
  EXPECT_SAYS(file_error(std::string("\x08\x02\x10\x01\x4a\x08\0\0\x80\x3f\0\0\x80\x3f", 14)), "is not an ONNX model");
}

TEST(BadModel, TextThatDoesNotParse) {
  EXPECT_SAYS(text_error("g (float[2] x) => (float[2] y) { y = Relu (x "), "neither a protobuf nor text");
  EXPECT_SAYS(text_error("g (float[2] x) => (float[2] y) { y = Relu (x) } and more"), "position (line: ");
  EXPECT_SAYS(error_of(ErrorKind::Model, [] { read_onnx_text(std::string(100000, '<')); }), "nested deeper");
}

TEST(BadModel, UndefinedValueNamesNodeAndNeighbour) {
  const std::string error = text_error("g (float[2] input) => (float[2] y) { [first] a = Relu (input)  [second] y = Add (a, inputs) }");
  EXPECT_SAYS(error, "node second");
  EXPECT_SAYS(error, "reads value inputs, which nothing defines");
  EXPECT_SAYS(error, "the nearest name is input");
  EXPECT_SAYS(text_error("g (float[2] x) => (float[2] z) { y = Relu (x) }"), "graph output] reads value z");
}

TEST(BadModel, UndefinedValueInSubGraph) {
  EXPECT_SAYS(text_error(R"(g (float[2] x, bool c) => (float[2] y) {
    y = If (c) <then_branch = t () => (float[2] u) { [inner] u = Neg (q) }, else_branch = e () => (float[2] v) { v = Abs (x) }> })"),
              "node inner] reads value q");
}

TEST(BadModel, ValueDefinedTwice) {
  const std::string error = text_error("g (float[2] x) => (float[2] y) { [one] y = Relu (x)  [two] y = Neg (x) }");
  EXPECT_SAYS(error, "value y is defined twice: by node one and by node two");
  EXPECT_SAYS(text_error("g (float[2] x) => (float[2] x) { [one] x = Relu (x) }"), "by a graph input and by node one");
  EXPECT_SAYS(text_error("g (float[2] x) => (float[2] w) <float[2] w = {1, 2}> { [one] w = Relu (x) }"),
              "by an initializer and by node one");
  EXPECT_SAYS(text_error("g (float[2] x) => (float[2] y) <float[2] w = {1, 2}, float[2] w = {1, 2}> { y = Add (x, w) }"),
              "by two initializers");
}

TEST(BadModel, Cycle) {
  const std::string error = text_error("g (float[2] x) => (float[2] y) { [one] a = Add (x, b)  [two] b = Relu (a)  y = Neg (x) }");
  EXPECT_SAYS(error, "nodes form a cycle: node one, node two");
  EXPECT_SAYS(text_error("g (float[2] x) => (float[2] y) { [self] a = Add (x, a)  y = Neg (x) }"), "cycle: node self");
}

TEST(BadModel, Versions) {
  const std::string graph = "g (float[2] x) => (float[2] y) { y = Relu (x) }";
  EXPECT_SAYS(text_error(graph, "ir_version: 2, opset_import: [\"\" : 9]", ErrorKind::Unsupported), "IR version: got 2, expected 3 to");
  EXPECT_SAYS(text_error(graph, "ir_version: 99, opset_import: [\"\" : 9]", ErrorKind::Unsupported), "IR version: got 99");
  EXPECT_SAYS(text_error(graph, "ir_version: 4, opset_import: [\"\" : 6]", ErrorKind::Unsupported), "opset: got 6, expected 7 to");
  EXPECT_SAYS(text_error(graph, "ir_version: 10, opset_import: [\"\" : 999]", ErrorKind::Unsupported), "opset: got 999");
  EXPECT_SAYS(text_error(graph, "ir_version: 10, opset_import: [\"\" : 17, \"ai.onnx\" : 18]"), "twice");
  EXPECT_SAYS(text_error(graph, "ir_version: 10, opset_import: []"), "imports no opset");
}

TEST(BadModel, InitializerOfAnotherTypeThanItsInput) {
  const std::string error = text_error("g (float[2] x, float[3] w) => (float[2] y) <float[2] w = {1, 2}> { y = Add (x, w) }");
  EXPECT_SAYS(error, "initializer w");
  EXPECT_SAYS(error, "got float32 [2], expected float32 [3]");
  EXPECT_SAYS(text_error("g (float[2] x, int64[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Add (x, w) }"), "expected int64 [2]");
}

TEST(BadModel, InitializerWithWrongBytes) {
  const auto graph = read_onnx_text(text_model("g (float[2] x) => (float[2] y) <float[2] weight = {1, 2}> { y = Add (x, weight) }"));
  std::string bytes = write_onnx_bytes(*graph);
  // raw_data of 8 bytes (0x4a 8): the shape (dims 2: 0x08 2) becomes 3, or a negative number.
  const std::string dims("\x08\x02\x10\x01", 4);
  const size_t at = bytes.find(dims);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 1] = 3;
  const std::string error = file_error(bytes);
  EXPECT_SAYS(error, "initializer weight");
  EXPECT_SAYS(error, "got 8, expected 12 for float32 [3]");
  bytes[at + 3] = 99;
  EXPECT_SAYS(file_error(bytes), "unknown element type: got 99");
}

TEST(BadModel, CheckerSpeaksOfWrongAttributes) {
  const std::string error = error_of(
      ErrorKind::Model, [] { read_onnx_text(text_model("g (float[2] x) => (float[2] y) { [leak] y = LeakyRelu <alpha = \"a\"> (x) }")); });
  EXPECT_SAYS(error, "leak");
  EXPECT_SAYS(error, "alpha");
}

TEST(BadModel, FunctionsThatCallEachOtherOrGrowWithoutBound) {
  const std::string head = "<ir_version: 9, opset_import: [\"\" : 18, \"l\" : 1]> g (float[2] x) => (float[2] y) { y = l.f0 (x) }\n";
  const std::string sign = "<domain: \"l\", opset_import: [\"\" : 18, \"l\" : 1]> ";
  for (const bool check : {true, false}) {
    const std::string cycle = head + sign + "f0 (p) => (q) { q = l.f1 (p) }\n" + sign + "f1 (p) => (q) { q = l.f0 (p) }";
    EXPECT_SAYS(error_of(ErrorKind::Model, [&] { read_onnx_text(cycle, {true, check, true}); }), "in a circle");
    // Whoever follows a chain of calls needs stack for each.
    std::string chain = head;
    for (int i = 0; i < 20000; ++i) chain += sign + "f" + std::to_string(i) + " (p) => (q) { q = l.f" + std::to_string(i + 1) + " (p) }\n";
    chain += sign + "f20000 (p) => (q) { q = Relu (p) }";
    EXPECT_SAYS(error_of(ErrorKind::Model, [&] { read_onnx_text(chain, {true, check, true}); }), "deeper than");
  }
  std::string growing = head;
  for (int i = 0; i < 40; ++i) {
    const std::string next = "l.f" + std::to_string(i + 1);
    growing += sign + "f" + std::to_string(i) + " (p) => (q) { t = " + next + " (p)  q = " + next + " (t) }\n";
  }
  growing += sign + "f40 (p) => (q) { q = Relu (p) }";
  EXPECT_SAYS(error_of(ErrorKind::Resource, [&] { read_onnx_text(growing); }), "too many nodes");
}

/// onnx's inference divides by some attributes and makes room for others.
TEST(BadModel, AttributesBeyondTheirBounds) {
  const auto said = [](const std::string& node, const std::string& ends = "float[1,4,4,8] x) => (float y") {
    return text_error("g (" + ends + ") { [it] " + node + " }", "ir_version: 11, opset_import: [\"\" : 23]");
  };
  for (const char* heads : {"0", "-1", "9223372036854775807"}) {
    EXPECT_SAYS(said(std::string("y = Attention <q_num_heads = 2, kv_num_heads = ") + heads + "> (x, x, x)"),
                "kv_num_heads: got " + std::string(heads));
    EXPECT_SAYS(said(std::string("y = Attention <kv_num_heads = 2, q_num_heads = ") + heads + "> (x, x, x)"), "node it (Attention)");
  }
  EXPECT_SAYS(said("y = DepthToSpace <blocksize = 1099511627776> (x)"), "blocksize");
  EXPECT_SAYS(said("y = SpaceToDepth <blocksize = 0> (x)"), "blocksize");
  EXPECT_SAYS(said("y = LayerNormalization <axis = 2147483648> (x, x)"), "axis: got 2147483648, expected -64 to 64");
  EXPECT_SAYS(said("y, z = Split <num_outputs = 2147483648> (x)"), "num_outputs: got 2147483648, expected 1 to 2");
  EXPECT_SAYS(said("y = Scan <num_scan_inputs = 4294967296, body = b (float[4,4,8] e) => (float[4,4,8] f) { f = Neg (e) }> (x)"),
              "num_scan_inputs: got 4294967296, expected 1 to 1");
}

TEST(BadModel, TensorsAndInputsOfTooManyDimensions) {
  std::string ones = "1";
  for (int i = 0; i < 69; ++i) ones += ",1";
  EXPECT_SAYS(text_error("g (float[" + ones + "] many) => (float y) { y = Relu (many) }"), "input many] too many dimensions: got 70");
  EXPECT_SAYS(text_error("g (float x) => (float y) <float[" + ones + "] many = {1}> { y = Add (x, many) }"),
              "initializer many] too many dimensions: got 70");
}

/// Nothing is left out of a node that was written, but what a call leaves out is missing in the function's body.
TEST(BadModel, InputsThatAFunctionCallLeavesOut) {
  const std::string text = R"(<ir_version: 9, opset_import: ["" : 18, "l" : 1]> g (float[2] x) => (float[2] y) { y = l.f ("", x) }
    <domain: "l", opset_import: ["" : 18]> f (p, q) => (r) { [inside] s = Neg (q)  r = Add (s, p) })";
  EXPECT_SAYS(error_of(ErrorKind::Model, [&] { read_onnx_text(text, {true, false, true}); }), "input 1 (B) is missing");
}

/// Reads bytes that may be anything: a graph that holds together, or a clear error.
void try_to_read(const std::string& bytes) {
  for (const bool check : {true, false}) {
    try {
      const auto graph = read_onnx_bytes(bytes, {true, check, true});
      graph->verify();
      write_onnx_bytes(*graph);
    } catch (const Error& error) {
      ASSERT_NE(error.kind(), ErrorKind::Internal) << error.what();
      ASSERT_FALSE(error.problem().empty());
    } catch (const std::exception& error) {
      FAIL() << "not a ppq::Error: " << error.what();
    }
  }
}

std::string victim() {
  return write_onnx_bytes(*read_onnx_text(text_model(R"(g (float[N, 6] x, bool c) => (float[N, 6] y)
    <float[6] w = {1, 2, 3, 4, 5, 6}, int64[2] k = {0, -1}, float[N, 6] a> {
      a = Mul (x, w)
      b = Reshape <allowzero = 0> (a, k)
      y = If (c) <then_branch = t () => (float[N, 6] u) { u = Neg (b) }, else_branch = e () => (float[N, 6] v) { v = LeakyRelu <alpha = 0.5> (a) }>
    })")));
}

TEST(BadModel, TruncatedAnywhere) {
  const std::string bytes = victim();
  for (size_t size = 0; size < bytes.size(); ++size) {
    SCOPED_TRACE(size);
    try_to_read(bytes.substr(0, size));
    if (size > 0 && size + 20 < bytes.size()) file_error(bytes.substr(0, size));
    if (HasFailure()) return;
  }
}

TEST(BadModel, DamagedAnywhere) {
  const std::string bytes = victim();
  std::mt19937 random(7);
  for (int i = 0; i < 4000; ++i) {
    SCOPED_TRACE(i);
    std::string damaged = bytes;
    for (int k = static_cast<int>(random() % 4) + 1; k > 0; --k) damaged[random() % damaged.size()] = static_cast<char>(random());
    try_to_read(damaged);
    if (HasFailure()) return;
  }
}

TEST(BadModel, RandomBytes) {
  std::mt19937 random(8);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 200 + 1, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (i % 2) bytes[0] = '\x08';
    try_to_read(bytes);
  }
}

}  // namespace
}  // namespace ppq::test
