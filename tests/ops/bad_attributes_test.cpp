#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/op_run.h"
#include "support/thrown.h"

/// Attributes that no operator description allows, and inputs that do not go together: a Model error that names the node, the
/// attribute, what was got and what was expected.
namespace ppq::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Ints = std::vector<int64_t>;

at::Tensor ones(std::initializer_list<int64_t> sizes) { return at::ones(at::IntArrayRef(sizes)); }

struct Case {
  const char* type;
  int64_t opset;
  std::vector<std::pair<const char*, AttrValue>> attributes;
  Tensors inputs;
  std::vector<const char*> says;
  size_t outputs = 1;
  const char* domain = "";
};

std::string text(const char* value) { return value; }

std::vector<Case> cases() {
  const at::Tensor image = ones({1, 2, 4, 4}), bytes = at::ones({2, 2}, at::kByte);
  return {
      {"BitShift",
       11,
       {{"direction", text("UP")}},
       {at::ones({2}, at::kByte), at::ones({2}, at::kByte)},
       {"direction", "'UP'", "LEFT or RIGHT"}},
      {"Conv", 11, {{"auto_pad", text("SAME")}}, {image, ones({2, 2, 3, 3})}, {"auto_pad", "SAME", "SAME_UPPER"}},
      {"Conv", 11, {{"kernel_shape", Ints{5, 5}}}, {image, ones({2, 2, 3, 3})}, {"kernel_shape"}},
      {"ConvTranspose", 11, {{"output_shape", Ints{1, 2, 3, 4, 5}}}, {image, ones({2, 2, 3, 3})}, {"output_shape", "got 5"}},
      {"Dropout", 13, {{"seed", Ints{1}}}, {ones({2}), ones({}) * 0.5, at::ones({}, at::kBool)}, {"seed"}},
      {"Gemm", 13, {}, {ones({2, 3, 1}), ones({3, 4})}, {"ranks"}},
      {"Gemm", 13, {}, {ones({2, 3}), ones({4, 4})}, {"inner dimension"}},
      {"DepthToSpace", 13, {{"blocksize", int64_t{2}}, {"mode", text("XYZ")}}, {ones({1, 4, 2, 2})}, {"mode", "XYZ", "DCR or CRD"}},
      {"ScatterND", 16, {{"reduction", text("sum")}}, {ones({4}), ints({1}).reshape({1, 1}), ones({1})}, {"reduction", "'sum'"}},
      {"RoiAlign", 16, {{"mode", text("min")}}, {image, ones({1, 4}), ints({0})}, {"mode", "min", "avg or max"}},
      {"RoiAlign",
       16,
       {{"coordinate_transformation_mode", text("pixel")}},
       {image, ones({1, 4}), ints({0})},
       {"coordinate_transformation_mode", "pixel"}},
      {"GRU",
       14,
       {{"hidden_size", int64_t{2}}, {"direction", text("sideways")}},
       {ones({3, 1, 2}), ones({1, 6, 2}), ones({1, 6, 2})},
       {"direction", "sideways", "bidirectional"},
       2},
      {"GRU",
       14,
       {{"hidden_size", int64_t{2}}, {"activations", std::vector<std::string>{"Sigmoid"}}},
       {ones({3, 1, 2}), ones({1, 6, 2}), ones({1, 6, 2})},
       {"activations", "1 names"},
       2},
      {"LSTM",
       14,
       {{"hidden_size", int64_t{2}}, {"activations", std::vector<std::string>{"Sigmoid", "Tanh", "Wave"}}},
       {ones({3, 1, 2}), ones({1, 8, 2}), ones({1, 8, 2})},
       {"activations", "Wave"},
       2},
      {"RNN", 14, {{"hidden_size", int64_t{3}}}, {ones({3, 1, 2}), ones({1, 2, 2}), ones({1, 2, 2})}, {"hidden_size", "got 3"}, 2},
      {"LSTM", 14, {{"hidden_size", int64_t{2}}}, {ones({3, 1, 2}), ones({1, 6, 2}), ones({1, 6, 2})}, {"weights"}, 2},
      {"FusedConv", 1, {{"activation", text("Gelu")}}, {image, ones({2, 2, 1, 1})}, {"activation", "Gelu"}, 1, "com.microsoft"},
      {"FusedGemm", 1, {{"activation", text("Gelu")}}, {ones({2, 3}), ones({3, 4})}, {"activation", "Gelu"}, 1, "com.microsoft"},
  };
}

TEST(BadAttributes, AreModelErrorsThatSayWhatWasExpected) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(std::string(c.type) + (c.attributes.empty() ? "" : std::string(" ") + c.attributes.back().first));
    OpRun run(c.type, c.opset, c.domain);
    for (const auto& [name, value] : c.attributes) run.attr(name, value);
    const Error error = thrown([&] { run.run(c.inputs, c.outputs); });
    EXPECT_TRUE(error.kind() == ErrorKind::Model || error.kind() == ErrorKind::Unsupported) << error.what();
    EXPECT_THAT(error.where(), AllOf(HasSubstr("node"), HasSubstr(c.type)));
    for (const char* words : c.says) EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

}  // namespace
}  // namespace ppq::test
