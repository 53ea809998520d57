#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten fuse(const std::string& inputs, const std::string& outputs, const std::string& body, const std::vector<std::string>& constants) {
  return rewrite(parse_model(model_text(inputs, outputs, body), constants), passes::make_fuse_bias_add());
}

TEST(FuseBiasAdd, ShapesOfTheConstant) {
  for (const char* shape : {"4,1,1", "1,4,1,1", "1", "1,1,1", ""}) {
    std::string inputs = "float[N,3,5,5] x, float[4,3,3,3] w, float[";
    inputs = shape[0] ? inputs + shape + "] b" : "float[N,3,5,5] x, float[4,3,3,3] w, float b";
    const auto r = fuse(inputs, "float[N,4,3,3] y", "c = Conv(x, w) y = Add(c, b)", {"w", "b"});
    EXPECT_EQ(r.changes, 1u) << shape;
    EXPECT_THAT(r.types(), ElementsAre("Conv"));
    EXPECT_EQ(r.after->nodes()[0]->constant_input(2).sizes(), at::IntArrayRef({4}));
  }
}

TEST(FuseBiasAdd, OntoAPresentBiasFromEitherSideAndTwice) {
  const auto r = fuse("float[N,3,5,5] x, float[4,3,3,3] w, float[4] wb, float[4,1,1] b, float[1] d", "float[N,4,3,3] y",
                      "c = Conv(x, w, wb) e = Add(b, c) y = Sub(e, d)", {"w", "wb", "b", "d"});
  EXPECT_EQ(r.changes, 2u);
  EXPECT_THAT(r.types(), ElementsAre("Conv"));
}

TEST(FuseBiasAdd, ConvTransposeWithGroups) {
  const auto r = fuse("float[N,4,5] x, float[4,3,3] w, float[6,1] b", "float[N,6,7] y", "c = ConvTranspose<group = 2>(x, w) y = Add(c, b)",
                      {"w", "b"});
  EXPECT_THAT(r.types(), ElementsAre("ConvTranspose"));
}

TEST(FuseBiasAdd, GemmWithBeta) {
  const auto r = fuse("float[N,3] x, float[3,5] w, float[5] wb, float[1,5] b", "float[N,5] y",
                      "c = Gemm<alpha = 2.0, beta = 0.5>(x, w, wb) y = Add(c, b)", {"w", "wb", "b"});
  EXPECT_THAT(r.types(), ElementsAre("Gemm"));
  EXPECT_FALSE(r.after->nodes()[0]->attributes.has("beta"));
  const auto bare =
      fuse("float[N,3] x, float[5,3] w, float[5] b", "float[N,5] y", "c = Gemm<beta = 0.5, transB = 1>(x, w) y = Add(c, b)", {"w", "b"});
  EXPECT_THAT(bare.types(), ElementsAre("Gemm"));
}

TEST(FuseBiasAdd, DoesNotFire) {
  struct Case {
    const char *why, *inputs, *outputs, *body;
    std::vector<std::string> constants;
  };
  const char* conv = "float[N,3,5,5] x, float[4,3,3,3] w, float[4,1,1] b";
  for (const Case& c : std::vector<Case>{
           {"the convolution's result is a graph output",
            conv,
            "float[N,4,3,3] y, float[N,4,3,3] c",
            "c = Conv(x, w) y = Add(c, b)",
            {"w", "b"}},
           {"another reader", conv, "float[N,4,3,3] y, float[N,4,3,3] z", "c = Conv(x, w) y = Add(c, b) z = Relu(c)", {"w", "b"}},
           {"both sides are the convolution", conv, "float[N,4,3,3] y", "c = Conv(x, w) y = Add(c, c)", {"w"}},
           {"computed at run time", conv, "float[N,4,3,3] y", "c = Conv(x, w) y = Add(c, b)", {"w"}},
           {"the constant comes first in Sub", conv, "float[N,4,3,3] y", "c = Conv(x, w) y = Sub(b, c)", {"w", "b"}},
           {"one number a column",
            "float[N,3,5,5] x, float[4,3,3,3] w, float[3] b",
            "float[N,4,3,3] y",
            "c = Conv(x, w) y = Add(c, b)",
            {"w", "b"}},
           {"it widens the channels",
            "float[N,3,5,5] x, float[1,3,3,3] w, float[4,1,1] b",
            "float[N,4,3,3] y",
            "c = Conv(x, w) y = Add(c, b)",
            {"w", "b"}},
           {"it adds a dimension",
            "float[N,3,5] x, float[4,3,3] w, float[1,1,4,1] b",
            "float[1,N,4,3] y",
            "c = Conv(x, w) y = Add(c, b)",
            {"w", "b"}},
           {"one row each", "float[2,3] x, float[3,5] w, float[2,5] b", "float[2,5] y", "c = Gemm(x, w) y = Add(c, b)", {"w", "b"}},
           {"a run-time bias",
            "float[N,3,5,5] x, float[4,3,3,3] w, float[4] d, float[4,1,1] b",
            "float[N,4,3,3] y",
            "c = Conv(x, w, d) y = Add(c, b)",
            {"w", "b"}},
       }) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(fuse(c.inputs, c.outputs, c.body, c.constants).changes, 0u);
  }
}

}  // namespace
}  // namespace ppq::test
