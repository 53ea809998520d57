#include "passes/rewritten.h"

namespace ppq::test {
namespace {

Rewritten convert(const std::string& text) { return rewrite(parse_model(text), passes::make_constants_to_values()); }

TEST(ConstantsToValues, EveryFormOfNumbers) {
  const auto r = convert(
      model_text("float[2] x, int64[2] n", "float[2] y, int64[2] z",
                 "a = Constant<value = float[2] {1, 2}>() b = Constant<value_float = 3.5>() c = Constant<value_floats = [4.0, 5.0]>() "
                 "i = Constant<value_int = 6>() j = Constant<value_ints = [7, 8]>() "
                 "t = Add(x, a) u = Mul(t, b) y = Sub(u, c) v = Add(n, i) z = Mul(v, j)"));
  EXPECT_EQ(r.changes, 5u);
  EXPECT_THAT(r.types(), ElementsAre("Add", "Mul", "Sub", "Add", "Mul"));
  const auto constant = [&](const char* name) { return r.after->find_value(name)->constant(); };
  EXPECT_EQ(constant("b").dim(), 0);
  EXPECT_EQ(constant("b").item<float>(), 3.5f);
  EXPECT_EQ(constant("i").scalar_type(), at::kLong);
  EXPECT_EQ(constant("c").sizes(), at::IntArrayRef({2}));
  EXPECT_EQ(constant("j")[1].item<int64_t>(), 8);
}

TEST(ConstantsToValues, DoesNotFireForGraphOutputsAndStrings) {
  EXPECT_EQ(convert(model_text("float[2] x", "float[2] y, float[2] a", "a = Constant<value = float[2] {1, 2}>() y = Add(x, a)")).changes,
            0u);
  auto graph = parse_model(
      model_text("float[2] x", "float[2] y, string[1] z", "a = Constant<value_strings = [\"text\"]>() z = Identity(a) y = Relu(x)"));
  PassContext context;
  EXPECT_EQ(passes::make_constants_to_values()->run(*graph, context), 0u);
}

}  // namespace
}  // namespace ppq::test
