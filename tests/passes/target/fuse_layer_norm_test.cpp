#include "passes/rewritten.h"
#include "ppq/error.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

std::unique_ptr<Graph> model(const std::string& tail, int opset = 13, const std::string& outputs = "float[2,3,4] y",
                             const std::string& inputs = "float[2,3,4] x, float[4] g, float[4] b") {
  const std::string axes = opset < 18 ? "<axes = [-1]>(" : "(";
  const std::string end = opset < 18 ? ") " : ", last) ";
  return parse_model("<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) + "]> m (" + inputs + ") => (" + outputs +
                         ") <float two = {2}, float eps = {0.001}, int64[1] last = {-1}> { m = ReduceMean" + axes + "x" + end +
                         "d = Sub(x, m) q = Pow(d, two) v = ReduceMean" + axes + "q" + end + "e = Add(v, eps) s = Sqrt(e) " + tail + "}",
                     inputs.find(" g") == std::string::npos ? std::vector<std::string>() : std::vector<std::string>{"g", "b"});
}

TEST(FuseLayerNorm, BecomesOneNode) {
  for (const int opset : {13, 17, 18}) {
    SCOPED_TRACE(opset);
    const auto r = rewrite(model("n = Div(d, s) k = Mul(n, g) [last] y = Add(k, b)", opset), passes::make_fuse_layer_norm());
    EXPECT_EQ(r.changes, 1u);
    EXPECT_THAT(r.types(), ElementsAre("LayerNormalization"));
    EXPECT_EQ(r.after->opset(), std::max(opset, 17));
    const Node& node = *r.after->nodes()[0];
    EXPECT_EQ(node.name, "last");
    EXPECT_EQ(node.attributes.get_int("axis", 0), -1);
    EXPECT_EQ(node.attributes.get_float("epsilon", 0), 0.001f);
    EXPECT_EQ(r.after->constants().size(), opset < 18 ? 3u : 2u) << "what only the parts read is gone; what nobody read is another pass's";
  }
}

/// PPQ takes the wrong tensor there.
TEST(FuseLayerNorm, WithoutABiasTheProductIsTheResult) {
  const auto r = rewrite(model("n = Div(d, s) k = Mul(n, g) y = Abs(k)"), passes::make_fuse_layer_norm());
  EXPECT_THAT(r.types(), ElementsAre("LayerNormalization", "Abs"));
}

TEST(FuseLayerNorm, ReciprocalAndTwoProducts) {
  const auto r = rewrite(model("r = Reciprocal(s) f = Mul(r, g) i = Mul(x, f) j = Mul(m, f) w = Sub(b, j) y = Add(i, w)"),
                         passes::make_fuse_layer_norm());
  EXPECT_THAT(r.types(), ElementsAre("LayerNormalization"));
}

TEST(FuseLayerNorm, WithoutParametersTheSizesAreNeeded) {
  const auto known = rewrite(model("y = Div(d, s)", 13, "float[2,3,4] y", "float[2,3,4] x"), passes::make_fuse_layer_norm());
  EXPECT_THAT(known.types(), ElementsAre("LayerNormalization"));
  const auto open = rewrite(model("y = Div(d, s)", 13, "float[2,3,N] y", "float[2,3,N] x"), passes::make_fuse_layer_norm());
  EXPECT_EQ(open.changes, 0u);
  EXPECT_EQ(open.after->opset(), 13) << "nothing was raised for nothing";
}

TEST(FuseLayerNorm, ParametersOfOtherShapesAreSpread) {
  const auto r =
      rewrite(model("n = Div(d, s) k = Mul(n, g) y = Add(k, b)", 13, "float[2,3,4] y", "float[2,3,4] x, float[1,1,4] g, float[1] b"),
              passes::make_fuse_layer_norm());
  EXPECT_THAT(r.types(), ElementsAre("LayerNormalization"));
  for (size_t i : {1u, 2u}) EXPECT_EQ(r.after->nodes()[0]->constant_input(i).sizes(), at::IntArrayRef({4}));
}

TEST(FuseLayerNorm, AnotherNodeThatOpset17ReadsDifferentlyIsSaid) {
  auto graph = model("n = Div(d, s) k = Mul(n, g) z = Add(k, b) [odd] y = Softmax(z)", 12);
  PassContext context;
  const Error error = thrown([&] { passes::make_fuse_layer_norm()->run(*graph, context); });
  EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(error.what(), testing::HasSubstr("odd"));
  EXPECT_THAT(error.hint(), testing::HasSubstr("17"));
}

TEST(FuseGelu, BecomesOneNode) {
  const auto gelu = [](const std::string& body) {
    return rewrite(
        parse_model("<ir_version: 8, opset_import: [\"\" : 13]> m (float[2,3,4] x) => (float[2,3,4] y) <float one = {1}, float half "
                    "= {0.5}, float three = {3}, float root = {1.4142135}, float cubic = {0.044715}, float pi = {0.7978845608}> {" +
                    body + "}"),
        passes::make_fuse_gelu());
  };
  const auto erf = gelu("d = Div(x, root) e = Erf(d) a = Add(e, one) p = Mul(x, a) [last] y = Mul(p, half)");
  EXPECT_THAT(erf.types(), ElementsAre("Gelu"));
  EXPECT_EQ(erf.after->opset(), 20);
  EXPECT_EQ(erf.after->nodes()[0]->name, "last");
  EXPECT_EQ(erf.after->nodes()[0]->attributes.get_string("approximate", "none"), "none");
  const auto tanh = gelu(
      "c = Pow(x, three) k = Mul(c, cubic) s = Add(x, k) t = Mul(s, pi) e = Tanh(t) a = Add(e, one) p = Mul(x, a) y = "
      "Mul(p, half)");
  EXPECT_THAT(tanh.types(), ElementsAre("Gelu"));
  EXPECT_EQ(tanh.after->nodes()[0]->attributes.get_string("approximate", "none"), "tanh");
  EXPECT_EQ(gelu("d = Div(x, half) e = Erf(d) a = Add(e, one) p = Mul(x, a) y = Mul(p, half)").changes, 0u);
}

}  // namespace
}  // namespace ppq::test
