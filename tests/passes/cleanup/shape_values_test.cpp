#include "passes/cleanup/shape_values.h"

#include "passes/quantizing.h"

namespace ppq::passes {
namespace {

using test::Quantizing;

/// "2 N ? 7": numbers, symbols of dimensions, and what is not known; "-" where nothing at all is.
std::string known(const Quantizing& q, const std::string& name) {
  const ShapeValues values(*q.graph);
  const ShapeValue* value = values.find(q.graph->find_value(name));
  if (!value) return "-";
  std::string text = value->scalar ? "scalar" : "";
  for (const ShapeElement& element : value->elements) {
    if (!text.empty()) text += ' ';
    text += element.number ? std::to_string(*element.number) : element.symbol.empty() ? "?" : element.symbol;
  }
  return text;
}

/// What is known of `r`, computed by `body` from float[N,3,H,8] x and constants.
std::string result(const std::string& body, const std::string& constants = "") {
  Quantizing q(
      "(float[N,3,H,8] x, float[2,5] z) => (int64[M] y) <int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64 i = {1}, int64 "
      "minus = {-1}, int64[2] pair = {3, 0}, int64[2] far = {9, 1}" +
          (constants.empty() ? "" : ", " + constants) + ">",
      body + " y = Neg(r)");
  return known(q, "r");
}

TEST(ShapeValues, ShapesAndTheirParts) {
  EXPECT_EQ(result("r = Shape(x)"), "N 3 H 8");
  EXPECT_EQ(result("r = Shape<start = 1, end = 3>(x)"), "3 H");
  EXPECT_EQ(result("r = Shape<start = -2>(x)"), "H 8");
  EXPECT_EQ(result("r = Size(z)"), "scalar 10");
  EXPECT_EQ(result("r = Size(x)"), "-");
  EXPECT_EQ(result("s = Shape(x) r = Gather(s, i)"), "scalar 3");
  EXPECT_EQ(result("s = Shape(x) r = Gather(s, minus)"), "scalar 8");
  EXPECT_EQ(result("s = Shape(x) r = Gather(s, pair)"), "8 N");
  EXPECT_EQ(result("s = Shape(x) r = Gather(s, far)"), "-") << "out of range";
  EXPECT_EQ(result("s = Shape(x) r = Slice(s, one, two)"), "3");
  EXPECT_EQ(result("s = Shape(x) r = Slice(s, zero, w, zero, two)", "int64[1] w = {9999}"), "N H");
  EXPECT_EQ(result("s = Shape(x) r = Slice(s, w, zero, zero, w)", "int64[1] w = {-1}"), "-") << "backwards is not followed";
}

TEST(ShapeValues, ArithmeticOnWhatIsKnown) {
  EXPECT_EQ(result("s = Shape(x) r = Mul(s, two)"), "? 6 ? 16");
  EXPECT_EQ(result("s = Shape(x) r = Add(s, two)"), "? 5 ? 10");
  EXPECT_EQ(result("s = Shape(x) r = Sub(s, one)"), "? 2 ? 7");
  EXPECT_EQ(result("s = Shape(x) r = Div(s, two)"), "? 1 ? 4");
  EXPECT_EQ(result("s = Shape(x) r = Mul(s, one)"), "N 3 H 8") << "neutral: an unknown dimension stays itself";
  EXPECT_EQ(result("s = Shape(x) r = Add(zero, s)"), "N 3 H 8");
  EXPECT_EQ(result("s = Shape(x) r = Sub(zero, s)"), "? -3 ? -8");
  EXPECT_EQ(result("r = Div(one, zero)"), "?") << "nobody divides by zero here";
}

TEST(ShapeValues, ListsAreBuiltAndTakenApart) {
  EXPECT_EQ(result("s = Shape(x) g = Gather(s, i) r = Unsqueeze(g, zero)"), "3");
  EXPECT_EQ(result("r = Squeeze(two)"), "scalar 2");
  EXPECT_EQ(result("s = Shape(x) a = Slice(s, zero, two) r = Concat<axis = 0>(a, two, one)"), "N 3 2 1");
  EXPECT_EQ(result("s = Shape(x) r = Reshape(s, w)", "int64[1] w = {-1}"), "N 3 H 8");
  EXPECT_EQ(result("s = Shape(x) r = Cast<to = 7>(s)"), "N 3 H 8");
  EXPECT_EQ(result("s = Shape(x) r = Identity(s)"), "N 3 H 8");
}

TEST(ShapeValues, NothingIsSaidOfData) {
  EXPECT_EQ(result("f = Abs(x) s = Cast<to = 7>(f) r = ReduceSum<keepdims = 0>(s)"), "-");
  EXPECT_EQ(result("s = Shape(x) f = Cast<to = 1>(s) r = Cast<to = 7>(f)"), "-") << "through float";
  Quantizing q("(float[N] x) => (float[N] y) <float[1] k = {2}>", "y = Mul(x, k)");
  EXPECT_EQ(known(q, "k"), "-");
}

TEST(ShapeValues, TensorsOfKnownNumbers) {
  Quantizing q("(float[4,3] x) => (int64[2] y) <int64 i = {1}>", "s = Shape(x) g = Gather(s, i) c = Cast<to = 6>(s) y = Neg(s)");
  const ShapeValues values(*q.graph);
  EXPECT_TENSOR(values.find(q.graph->find_value("s"))->tensor(), test::ints({4, 3}));
  EXPECT_TENSOR(values.find(q.graph->find_value("g"))->tensor(), at::scalar_tensor(3, at::kLong));
  EXPECT_TENSOR(values.find(q.graph->find_value("c"))->tensor(), test::ints({4, 3}).to(at::kInt));
  EXPECT_TRUE(values.find(q.graph->find_value("s"))->known());
}

TEST(ShapeValues, ADimensionIsProvenByNumberSymbolOrOrigin) {
  Quantizing q("(float[N,3,?] x, float[N,4,?] z) => (int64[3] y)", "s = Shape(x) y = Neg(s)");
  const ShapeValues values(*q.graph);
  const auto& elements = values.find(q.graph->find_value("s"))->elements;
  const Value &x = *q.graph->find_value("x"), &z = *q.graph->find_value("z");
  EXPECT_TRUE(elements[0].is_dim(z, 0)) << "the same symbol";
  EXPECT_TRUE(elements[1].is_dim(x, 1));
  EXPECT_FALSE(elements[1].is_dim(z, 1)) << "3 is not 4";
  EXPECT_TRUE(elements[2].is_dim(x, 2)) << "itself";
  EXPECT_FALSE(elements[2].is_dim(z, 2)) << "two unknown dimensions may differ";
  EXPECT_FALSE(elements[0].is_dim(x, 7));
}

}  // namespace
}  // namespace ppq::passes
