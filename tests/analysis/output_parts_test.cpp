#include "analysis/output_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/onnx.h"

namespace ppq::test {
namespace {

using testing::IsEmpty;

/// "name axis:begin+length …" of each part of y.
std::vector<std::string> parts_of(const std::string& signature, const std::string& body) {
  const auto graph = read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g " + signature + " {" + body + "}");
  std::vector<std::string> texts;
  for (const OutputPart& part : parts_of_output(*graph->find_value("y"))) {
    std::string text = part.name;
    for (const PartPlace& place : part.places)
      text += " " + std::to_string(place.axis) + ":" + std::to_string(place.begin) + "+" + std::to_string(place.length);
    texts.push_back(text);
  }
  return texts;
}

TEST(OutputParts, AreWhereConcatPutsThem) {
  const std::string inputs = "(float[1,4,6] a, float[1,5,6] b) => (float[1,9,6] y)";
  EXPECT_THAT(parts_of(inputs, "y = Concat<axis = 1>(a, b)"), testing::ElementsAre("a 1:0+4", "b 1:4+5"));
  EXPECT_THAT(parts_of(inputs, "y = Concat<axis = -2>(a, b)"), testing::ElementsAre("a 1:0+4", "b 1:4+5"));
}

TEST(OutputParts, FollowTransposeAndOtherConcats) {
  EXPECT_THAT(parts_of("(float[1,4,6] a, float[1,5,6] b, float[1,9,2] c) => (float[8,9,1] y)",
                       "d = Concat<axis = 1>(a, b) e = Concat<axis = 2>(d, c) f = Identity(e) y = Transpose<perm = [2,1,0]>(f)"),
              testing::ElementsAre("a 0:0+6 1:0+4", "b 0:0+6 1:4+5", "c 0:6+2"));
}

/// 2^40 parts, if they were counted.
TEST(OutputParts, OfConcatsOfTheSameAgainAndAgainAreNone) {
  std::string body;
  for (int i = 0; i < 40; ++i) {
    const std::string from = i ? "c" + std::to_string(i - 1) : "a", to = i < 39 ? "c" + std::to_string(i) : "y";
    body += to + " = Concat<axis = 0>(" + from + ", " + from + ") ";
  }
  EXPECT_THAT(parts_of("(float[1,2] a) => (float[M,2] y)", body), IsEmpty());
}

TEST(OutputParts, AreNoneOfOnePieceAndOfOpenShapes) {
  EXPECT_LT(parts_of("(float[1,4] a) => (float[1,4] y)", "y = Relu(a)").size(), 2u);
  EXPECT_LT(parts_of("(float[1,N] a, float[1,M] b) => (float[1,K] y)", "y = Concat<axis = 1>(a, b)").size(), 2u);
}

}  // namespace
}  // namespace ppq::test
