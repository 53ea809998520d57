#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten convert(const std::string& x, const std::string& outputs, const std::string& body,
                  const std::vector<std::string>& constants = {"s", "b", "m", "var"}) {
  return rewrite(parse_model(model_text(x + ", float[3] s, float[3] b, float[3] m, float[3] var", outputs, body), constants),
                 passes::make_batch_norm_to_conv());
}

TEST(BatchNormToConv, DepthwiseOfTheRealRank) {
  for (const char* x : {"float[N,3,5] x", "float[N,3,5,4] x", "float[N,3,5,4,2] x"}) {
    const auto r = convert(x, "float[] y", "r = Relu(x) y = BatchNormalization<epsilon = 0.01>(r, s, b, m, var)");
    EXPECT_EQ(r.changes, 1u) << x;
    EXPECT_THAT(r.types(), ElementsAre("Relu", "Conv")) << x;
    EXPECT_EQ(node_of_type(*r.after, "Conv")->attributes.get_int("group", 1), 3);
  }
}

TEST(BatchNormToConv, MatricesGetMulAndAdd) {
  EXPECT_THAT(convert("float[N,3] x", "float[N,3] y", "y = BatchNormalization(x, s, b, m, var)").types(), ElementsAre("Mul", "Add"));
}

TEST(BatchNormToConv, TwoThatShareParameters) {
  const auto r = convert("float[N,3,5] x", "float[N,3,5] y",
                         "t = BatchNormalization(x, s, b, m, var) u = Relu(t) y = BatchNormalization(u, s, b, m, var)");
  EXPECT_THAT(r.types(), ElementsAre("Conv", "Relu", "Conv"));
}

TEST(BatchNormToConv, DoesNotFire) {
  EXPECT_EQ(convert("float[N,3,5] x", "float[N,3,5] y", "y = BatchNormalization(x, s, b, m, var)", {"s", "b", "var"}).changes, 0u);
}

TEST(BatchNormToConv, DoesNotFireWithoutARank) {
  auto graph = parse_model(model_text("float[N,3,5] x, int64[R] shape, float[3] s, float[3] b, float[3] m, float[3] var", "float[] y",
                                      "t = Reshape(x, shape) y = BatchNormalization(t, s, b, m, var)"),
                           {"s", "b", "m", "var"});
  PassContext context;
  EXPECT_EQ(passes::make_batch_norm_to_conv()->run(*graph, context), 0u);
}

}  // namespace
}  // namespace ppq::test
