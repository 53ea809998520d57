#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten fuse(const std::string& inputs, const std::string& outputs, const std::string& body, const std::vector<std::string>& constants,
               int opset = 15) {
  return rewrite(parse_model(model_text(inputs, outputs, body, opset), constants), passes::make_fuse_matmul_add());
}

TEST(FuseMatMulAdd, BecomesGemm) {
  for (const char* body : {"c = MatMul(x, w) y = Add(c, b)", "c = MatMul(x, w) y = Add(b, c)"}) {
    for (const char* bias : {"float[5] b", "float[1,5] b", "float b"}) {
      std::string inputs = "float[N,3] x, float[3,5] w, ";
      const auto r = fuse(inputs + bias, "float[N,5] y", body, {"w", "b"});
      EXPECT_EQ(r.changes, 1u);
      EXPECT_THAT(r.types(), ElementsAre("Gemm"));
      EXPECT_EQ(r.after->nodes()[0]->constant_input(2).sizes(), at::IntArrayRef({5}));
    }
  }
}

TEST(FuseMatMulAdd, DoesNotFire) {
  EXPECT_EQ(fuse("float[N,2,3] x, float[3,5] w, float[5] b", "float[N,2,5] y", "c = MatMul(x, w) y = Add(c, b)", {"w", "b"}).changes, 0u)
      << "batched";
  EXPECT_EQ(fuse("float[N,3] x, float[3,5] w, float[5] b", "float[N,5] y", "c = MatMul(x, w) y = Add(c, b)", {"b"}).changes, 0u)
      << "run-time weight";
  EXPECT_EQ(fuse("float[N,3] x, float[3,5] w, float[5] b", "float[N,5] y", "c = MatMul(x, w) y = Add(c, b)", {"w"}).changes, 0u)
      << "run-time bias";
  EXPECT_EQ(
      fuse("float[N,3] x, float[3,5] w, float[5] b", "float[N,5] y, float[N,5] c", "c = MatMul(x, w) y = Add(c, b)", {"w", "b"}).changes,
      0u)
      << "output";
  EXPECT_EQ(fuse("float[2,3] x, float[3,5] w, float[2,5] b", "float[2,5] y", "c = MatMul(x, w) y = Add(c, b)", {"w", "b"}).changes, 0u)
      << "row by row";
  EXPECT_EQ(fuse("float[2,3] x, float[3,5] w, float[1,1,5] b", "float[1,2,5] y", "c = MatMul(x, w) y = Add(c, b)", {"w", "b"}).changes, 0u)
      << "wider";
}

}  // namespace
}  // namespace ppq::test
