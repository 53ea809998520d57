#include "graph/composites.h"

#include <cmath>

#include "passes/rewritten.h"

namespace ppq::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// A dictionary of scalars, as constants of the graph.
constexpr const char* kScalars =
    "<float two = {2}, float eps = {1e-5}, float one = {1}, float half = {0.5}, float three = {3}, float root = {1.4142135}, float inverse "
    "= "
    "{0.70710678}, float cubic = {0.044715}, float pi = {0.7978845608}, float other = {1.5}, float[1] many = {2}>";

std::unique_ptr<Graph> parse(const std::string& body, const std::string& outputs = "float[2,3,4] y",
                             const std::string& inputs = "float[2,3,4] x, float[4] g, float[4] b") {
  return parse_model("<ir_version: 8, opset_import: [\"\" : 13]> m (" + inputs + ") => (" + outputs + ") " + kScalars + " {" + body + "}",
                     inputs.find("float[4] g") == std::string::npos ? std::vector<std::string>() : std::vector<std::string>{"g", "b"});
}

std::vector<Composite> found(const Graph& graph) { return find_composites(graph); }

const std::string kMean = "m = ReduceMean<axes = [-1]>(x) d = Sub(x, m) ";
const std::string kVariance = "q = Pow(d, two) v = ReduceMean<axes = [-1]>(q) e = Add(v, eps) s = Sqrt(e) ";

struct Norm {
  const char* what;
  std::string body;
  const char* type = "LayerNormalization";
  bool scaled = true, shifted = true;
};

class Normalizations : public testing::TestWithParam<Norm> {};

TEST_P(Normalizations, AreFound) {
  const auto graph = parse(GetParam().body);
  const auto all = found(*graph);
  ASSERT_THAT(all, SizeIs(1));
  const Composite& one = all[0];
  EXPECT_EQ(one.type, GetParam().type);
  EXPECT_EQ(one.nodes.size(), graph->node_count()) << "all of it";
  EXPECT_EQ(one.input->name(), "x");
  EXPECT_EQ(one.output->name(), "y");
  EXPECT_EQ(one.axis, -1);
  EXPECT_NEAR(one.epsilon, 1e-5, 1e-11);
  EXPECT_EQ(one.scale ? one.scale->name() : "", GetParam().scaled ? "g" : "");
  EXPECT_EQ(one.bias ? one.bias->name() : "", GetParam().shifted ? "b" : "");
  // What the parts say, against what the graph computes.
  const Tensors inputs = random_inputs(*graph);
  const at::Tensor x = inputs[0].to(at::kDouble);
  const at::Tensor centred = one.type == "LayerNormalization" ? x - x.mean(-1, true) : x;
  at::Tensor expected = centred / (centred.square().mean(-1, true) + one.epsilon).sqrt();
  if (one.scale) expected = expected * one.scale->constant();
  if (one.bias) expected = expected + one.bias->constant();
  EXPECT_LE(relative_difference(run_float(*graph, inputs), {expected.to(at::kFloat)}), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, Normalizations,
    testing::Values(
        Norm{"torch", kMean + kVariance + "n = Div(d, s) k = Mul(n, g) y = Add(k, b)"},
        Norm{"the other way round", kMean + kVariance + "n = Div(d, s) k = Mul(g, n) y = Add(b, k)"},
        Norm{"a product for the square", kMean +
                                             "q = Mul(d, d) v = ReduceMean<axes = [-1]>(q) e = Add(eps, v) s = Sqrt(e) n = Div(d, s) k = "
                                             "Mul(n, g) y = Add(k, b)"},
        Norm{"the axis from the front",
             "m = ReduceMean<axes = [2]>(x) d = Sub(x, m) q = Pow(d, many) v = ReduceMean<axes = [2]>(q) e = "
             "Add(v, eps) s = Sqrt(e) n = Div(d, s) k = Mul(n, g) y = Add(k, b)"},
        Norm{"the difference twice", kMean + kVariance + "c = Sub(x, m) n = Div(c, s) k = Mul(n, g) y = Add(k, b)"},
        Norm{"a reciprocal", kMean + kVariance + "r = Reciprocal(s) n = Mul(d, r) k = Mul(n, g) y = Add(k, b)"},
        Norm{"one over it", kMean + kVariance + "r = Div(one, s) n = Mul(d, r) k = Mul(n, g) y = Add(k, b)"},
        Norm{"the scale first", kMean + kVariance + "r = Reciprocal(s) f = Mul(r, g) k = Mul(d, f) y = Add(k, b)"},
        Norm{"two products", kMean + kVariance + "r = Reciprocal(s) f = Mul(r, g) i = Mul(x, f) j = Mul(m, f) w = Sub(b, j) y = Add(i, w)"},
        Norm{"without parameters", kMean + kVariance + "y = Div(d, s)", "LayerNormalization", false, false},
        Norm{"a scale alone", kMean + kVariance + "n = Div(d, s) y = Mul(n, g)", "LayerNormalization", true, false},
        Norm{"a bias alone", kMean + kVariance + "n = Div(d, s) y = Add(n, b)", "LayerNormalization", false, true},
        Norm{"without a mean", "q = Pow(x, two) v = ReduceMean<axes = [-1]>(q) e = Add(v, eps) s = Sqrt(e) n = Div(x, s) y = Mul(g, n)",
             "RMSNormalization", true, false},
        Norm{"without a mean, by a reciprocal",
             "q = Mul(x, x) v = ReduceMean<axes = [-1]>(q) e = Add(v, eps) s = Sqrt(e) r = Reciprocal(s) n = Mul(x, r) y = Mul(n, g)",
             "RMSNormalization", true, false}),
    [](const auto& info) {
      std::string name = info.param.what;
      std::replace_if(
          name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
      return name;
    });

TEST(Composites, SeveralAxesAndPooling) {
  const auto two = parse(
      "m = ReduceMean<axes = [-2, -1]>(x) d = Sub(x, m) q = Pow(d, two) v = ReduceMean<axes = [1, 2]>(q) e = Add(v, eps) "
      "s = Sqrt(e) n = Div(d, s) y = Mul(n, g)");
  ASSERT_THAT(found(*two), SizeIs(1));
  EXPECT_EQ(found(*two)[0].axis, -2);
  const auto pooled = parse(
      "m = GlobalAveragePool(x) d = Sub(x, m) q = Pow(d, two) v = GlobalAveragePool(q) e = Add(v, eps) s = Sqrt(e) y "
      "= Div(d, s)",
      "float[2,3,4,5] y", "float[2,3,4,5] x");
  ASSERT_THAT(found(*pooled), SizeIs(1));
  EXPECT_EQ(found(*pooled)[0].axis, -2);
}

TEST(Composites, WhatOthersReadEndsTheNormalization) {
  const std::string norm = kMean + kVariance + "n = Div(d, s) k = Mul(n, g) y = Add(k, b)";
  const auto scaled = parse(norm, "float[2,3,4] y, float[2,3,4] k");
  ASSERT_THAT(found(*scaled), SizeIs(1));
  EXPECT_EQ(found(*scaled)[0].output->name(), "k") << "its scale is in, its bias is not";
  const auto plain = parse(norm + " z = Abs(n)", "float[2,3,4] y, float[2,3,4] z");
  ASSERT_THAT(found(*plain), SizeIs(1));
  EXPECT_EQ(found(*plain)[0].output->name(), "n");
  const auto across = parse(kMean + kVariance + "n = Div(d, s) y = Mul(n, c)", "float[2,3,4] y", "float[2,3,4] x, float[3,1] c");
  ASSERT_THAT(found(*across), SizeIs(1)) << "computed at run time";
  EXPECT_EQ(found(*across)[0].output->name(), "n");
}

TEST(Composites, WhatIsNoNormalization) {
  const std::string end = "n = Div(d, s) k = Mul(n, g) y = Add(k, b)";
  for (const auto& [why, body, outputs] : std::vector<std::tuple<const char*, std::string, const char*>>{
           {"another exponent", kMean + "q = Pow(d, three) v = ReduceMean<axes = [-1]>(q) e = Add(v, eps) s = Sqrt(e) " + end,
            "float[2,3,4] y"},
           {"another axis of the variance", kMean + "q = Pow(d, two) v = ReduceMean<axes = [-2]>(q) e = Add(v, eps) s = Sqrt(e) " + end,
            "float[2,3,4] y"},
           {"an axis in the middle",
            "m = ReduceMean<axes = [1]>(x) d = Sub(x, m) q = Pow(d, two) v = ReduceMean<axes = [1]>(q) e = Add(v, eps) s = Sqrt(e) " + end,
            "float[2,3,4] y"},
           {"an epsilon that is computed",
            kMean + "h = ReduceMax<axes = [-1]>(x) q = Pow(d, two) v = ReduceMean<axes = [-1]>(q) e = Add(v, h) s = Sqrt(e) " + end,
            "float[2,3,4] y"},
           {"the variance is an output", kMean + kVariance + end, "float[2,3,4] y, float[2,3,1] v"},
           {"others read the deviation", kMean + kVariance + end + " z = Abs(s)", "float[2,3,4] y, float[2,3,1] z"},
           {"another numerator", kMean + kVariance + "o = Abs(x) n = Div(o, s) k = Mul(n, g) y = Add(k, b)", "float[2,3,4] y"},
           {"a difference the wrong way round",
            "m = ReduceMean<axes = [-1]>(x) d = Sub(m, x) " + kVariance + "f = Sub(x, m) n = Div(f, s) y = Mul(n, g)", "float[2,3,4] y"},
           {"a sub-graph reads the variance",
            kMean + kVariance + end +
                " t = ReduceMax<keepdims = 0>(x) go = IsNaN(t) z = If (go) <then_branch = t () => (float[2,3,1] u) { u = Abs(v) }, "
                "else_branch = e () => (float[2,3,1] w) { w = Neg(v) }>",
            "float[2,3,4] y, float[2,3,1] z"},
       }) {
    SCOPED_TRACE(why);
    for (const Composite& one : found(*parse(body, outputs))) EXPECT_NE(one.type, "LayerNormalization");
  }
}

struct Form {
  const char *what, *body;
  bool approximate = false;
};
class Gelus : public testing::TestWithParam<Form> {};

TEST_P(Gelus, AreFound) {
  const auto graph = parse(GetParam().body);
  const auto all = found(*graph);
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].type, "Gelu");
  EXPECT_EQ(all[0].approximate, GetParam().approximate);
  EXPECT_EQ(all[0].input->name(), "x");
  EXPECT_EQ(all[0].output->name(), "y");
  EXPECT_EQ(all[0].nodes.size(), graph->node_count());
}

INSTANTIATE_TEST_SUITE_P(
    Forms, Gelus,
    testing::Values(Form{"torch", "d = Div(x, root) e = Erf(d) a = Add(e, one) p = Mul(x, a) y = Mul(p, half)"},
                    Form{"half first", "h = Mul(x, half) d = Div(x, root) e = Erf(d) a = Add(e, one) y = Mul(h, a)"},
                    Form{"half of the sum", "d = Mul(inverse, x) e = Erf(d) a = Add(one, e) p = Mul(half, a) y = Mul(p, x)"},
                    Form{"over two", "d = Div(x, root) e = Erf(d) a = Add(e, one) p = Mul(a, x) y = Div(p, two)"},
                    Form{"tanh",
                         "c = Pow(x, three) k = Mul(c, cubic) s = Add(x, k) t = Mul(s, pi) e = Tanh(t) a = Add(e, one) p = Mul(x, a) y "
                         "= Mul(p, half)",
                         true},
                    Form{"tanh, by products",
                         "q = Mul(x, x) c = Mul(q, x) k = Mul(cubic, c) s = Add(k, x) t = Mul(pi, s) e = Tanh(t) a = "
                         "Add(one, e) h = Mul(half, x) y = Mul(h, a)",
                         true},
                    Form{"tanh, factored",
                         "z = Mul(x, pi) q = Mul(x, x) k = Mul(q, cubic) s = Add(k, one) t = Mul(z, s) e = Tanh(t) a = "
                         "Add(e, one) h = Mul(x, half) y = Mul(a, h)",
                         true}),
    [](const auto& info) {
      std::string name = info.param.what;
      std::replace_if(
          name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
      return name;
    });

TEST(Composites, WhatIsNoGelu) {
  for (const auto& [why, body, outputs] : std::vector<std::tuple<const char*, const char*, const char*>>{
           {"another divisor", "d = Div(x, other) e = Erf(d) a = Add(e, one) p = Mul(x, a) y = Mul(p, half)", "float[2,3,4] y"},
           {"another factor", "d = Div(x, root) e = Erf(d) a = Add(e, one) p = Mul(x, a) y = Mul(p, other)", "float[2,3,4] y"},
           {"another sum", "d = Div(x, root) e = Erf(d) a = Add(e, two) p = Mul(x, a) y = Mul(p, half)", "float[2,3,4] y"},
           {"another x", "o = Abs(x) d = Div(x, root) e = Erf(d) a = Add(e, one) p = Mul(o, a) y = Mul(p, half)", "float[2,3,4] y"},
           {"a constant a channel", "d = Div(x, g) e = Erf(d) a = Add(e, one) p = Mul(x, a) y = Mul(p, half)", "float[2,3,4] y"},
           {"the sum is an output", "d = Div(x, root) e = Erf(d) a = Add(e, one) p = Mul(x, a) y = Mul(p, half)",
            "float[2,3,4] y, float[2,3,4] a"},
           {"others read inside", "d = Div(x, root) e = Erf(d) a = Add(e, one) p = Mul(x, a) y = Mul(p, half) z = Abs(d)",
            "float[2,3,4] y, float[2,3,4] z"},
           {"a Tanh by itself", "y = Tanh(x)", "float[2,3,4] y"}}) {
    SCOPED_TRACE(why);
    EXPECT_THAT(found(*parse(body, outputs)), IsEmpty());
  }
}

}  // namespace
}  // namespace ppq::test
