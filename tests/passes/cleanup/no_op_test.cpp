#include "passes/cleanup/no_op.h"

#include "passes/quantizing.h"

/// What remove_identity_test.cpp shows of whole graphs is not repeated here: the edges of each proof.
namespace ppq::passes {
namespace {

using test::Quantizing;

struct Case {
  const char *signature, *body;
  bool no_op;
  int opset = 15;
};

bool proven(const Case& c) {
  auto graph =
      read_onnx_text("<ir_version: 8, opset_import: [\"\" : " + std::to_string(c.opset) + "]> g " + c.signature + " {" + c.body + "}");
  return is_no_op(*graph->nodes()[0], c.opset);
}

TEST(NoOp, Proofs) {
  for (const Case& c : std::vector<Case>{
           {"(float[2,3] x) => (float[2,3] y) <int64[2] s = {2, 3}>", "y = Reshape<allowzero = 1>(x, s)", true},
           {"(float[N,3] x) => (float[N,3] y) <int64[2] s = {0, 3}>", "y = Reshape(x, s)", true},
           {"(float[N,M] x) => (float[A,B] y) <int64[2] s = {-1, 0}>", "y = Reshape(x, s)", true},
           {"(float[N,3] x) => (float[A,3] y) <int64[2] s = {0, 3}>", "y = Reshape<allowzero = 1>(x, s)", false},
           {"(float[N,M] x) => (float[A,4] y) <int64[2] s = {-1, 4}>", "y = Reshape(x, s)", false},
           {"(float[N,M] x, int64[2] s) => (float[A,B] y)", "y = Reshape(x, s)", false},
           {"(float[N,3] x) => (float[N,3] y) <int64[1] s = {3}>", "y = Expand(x, s)", true},
           {"(float[N,1] x) => (float[N,3] y) <int64[1] s = {3}>", "y = Expand(x, s)", false},
           {"(float[N,3] x) => (float[A,3] y) <int64[2] s = {2, 3}>", "y = Expand(x, s)", false},
           {"(float[2,3] x) => (float[2,3] y)", "y = Squeeze(x)", true},
           {"(float[N,3] x) => (float[A] y)", "y = Squeeze(x)", false},
           {"(float[2,3] x) => (float[2,3] y) <int64[2] t = {1, 2}>", "y = Tile(x, t)", false},
           {"(float[2,3] x) => (float[2,3] y)", "y = Split<axis = 0>(x)", true, 13},
           {"(float[4,3] x) => (float[2,3] y, float[2,3] z)", "y, z = Split<axis = 0>(x)", false, 13},
           {"(float[2,3] x) => (float[2,3] y) <float p = {1}>", "y = Pow(x, p)", true},
           {"(float[2,3] x) => (float[2,3] y) <float p = {2}>", "y = Pow(x, p)", false},
           {"(float[2,3] x) => (float[2,3] y)", "y = Mean(x)", true},
           {"(float[2,3] x) => (float[3,2] y)", "y = Transpose(x)", false},
           {"(float[3] x) => (float[3] y)", "y = Transpose(x)", true},
           {"(float[1,2,4,4] x) => (float[1,2,4,4] y) <int64[4] s = {1,2,4,4}>", "y = Resize(x, , , s)", true},
           {"(float[1,2,4,4] x) => (float[1,2,8,8] y) <int64[4] s = {1,2,8,8}>", "y = Resize(x, , , s)", false},
           {"(float[1,2,4,4] x) => (float[1,2,4,4] y) <float[4] s = {1,1,1,1}, float[8] r = {0,0,0,0,1,1,0.5,0.5}>",
            "y = Resize<coordinate_transformation_mode = \"tf_crop_and_resize\">(x, r, s)", false},
           {"(float[1,2,4,4] x) => (float[1,2,4,4] y)", "y = AveragePool<kernel_shape = [1,1], pads = [0,0,0,0], strides = [1,1]>(x)",
            true},
           {"(float[1,2,4,4] x) => (float[1,2,6,6] y)", "y = AveragePool<kernel_shape = [1,1], pads = [1,1,1,1]>(x)", false},
           {"(float[2] x) => (float[2] y) <float low = {0}>", "y = Clip(x, low)", false},
           {"(float[2] x) => (float[2] y)", "y = Clip<min = 0.0>(x)", false, 10},
           {"(float[4] x) => (float[2] y) <int64[1] a = {0}, int64[1] b = {4}, int64[1] c = {0}, int64[1] d = {2}>",
            "y = Slice(x, a, b, c, d)", false},
           {"(float[2] x) => (float[2] y)", "y = Relu(x)", false},
       })
    EXPECT_EQ(proven(c), c.no_op) << c.signature << " " << c.body;
}

TEST(NoOp, AnotherDomainsIdentityMayBeAnything) {
  Quantizing q("(float[2] x) => (float[2] y)", "[i] y = Identity(x)");
  EXPECT_TRUE(is_no_op(q.node("i"), 15));
  q.node("i").domain = "made.up";
  EXPECT_FALSE(is_no_op(q.node("i"), 15));
}

}  // namespace
}  // namespace ppq::passes
