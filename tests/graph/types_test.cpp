#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ppq/graph.h"
#include "support/thrown.h"

namespace ppq {
namespace {

TEST(DataTypes, NumbersAreOnnxs) {
  EXPECT_EQ(static_cast<int>(DataType::Float), 1);
  EXPECT_EQ(static_cast<int>(DataType::Int64), 7);
  EXPECT_EQ(static_cast<int>(DataType::Bool), 9);
  EXPECT_EQ(static_cast<int>(DataType::BFloat16), 16);
  EXPECT_STREQ(name_of(DataType::Float), "float32");
  EXPECT_STREQ(name_of(DataType::Bool), "bool");
  EXPECT_STREQ(name_of(static_cast<DataType>(99)), "undefined");
}

TEST(DataTypes, GoToLibTorchAndBack) {
  std::set<std::string> names;
  size_t computable = 0;
  for (int i = 0; i <= 26; ++i) {
    const auto dtype = static_cast<DataType>(i);
    EXPECT_TRUE(names.insert(name_of(dtype)).second) << name_of(dtype);
    if (!has_scalar_type(dtype)) continue;
    ++computable;
    EXPECT_EQ(to_data_type(to_scalar_type(dtype)), dtype) << name_of(dtype);
  }
  EXPECT_EQ(computable, 20u);
  EXPECT_EQ(to_scalar_type(DataType::Int32), at::kInt);
  EXPECT_EQ(to_scalar_type(DataType::Double), at::kDouble);
}

TEST(DataTypes, OnesWithoutTensorsAreUnsupported) {
  for (DataType dtype : {DataType::String, DataType::Int4, DataType::Undefined})
    EXPECT_EQ(test::thrown([&] { to_scalar_type(dtype); }).kind(), ErrorKind::Unsupported);
  EXPECT_EQ(test::thrown([] { to_data_type(at::kQInt8); }).kind(), ErrorKind::Unsupported);
}

TEST(Shapes, Print) {
  EXPECT_EQ(to_string(Shape{{-1, "N"}, {3, ""}, {-1, ""}}), "[N, 3, ?]");
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(at::IntArrayRef{1, 2}), "[1, 2]");
  EXPECT_FALSE((Dim{-1, "N"}.known()));
  EXPECT_TRUE((Dim{0, ""}.known()));
}

}  // namespace
}  // namespace ppq
