#include "ppq/error.h"
#include "ppq/graph.h"

namespace ppq {
namespace {

struct TypeRow {
  DataType dtype;
  const char* name;
  at::ScalarType scalar;  // Undefined where LibTorch has no such tensor
};

constexpr auto kNone = at::ScalarType::Undefined;
constexpr TypeRow kTypes[] = {
    {DataType::Undefined, "undefined", kNone},
    {DataType::Float, "float32", at::kFloat},
    {DataType::UInt8, "uint8", at::kByte},
    {DataType::Int8, "int8", at::kChar},
    {DataType::UInt16, "uint16", at::ScalarType::UInt16},
    {DataType::Int16, "int16", at::kShort},
    {DataType::Int32, "int32", at::kInt},
    {DataType::Int64, "int64", at::kLong},
    {DataType::String, "string", kNone},
    {DataType::Bool, "bool", at::kBool},
    {DataType::Float16, "float16", at::kHalf},
    {DataType::Double, "float64", at::kDouble},
    {DataType::UInt32, "uint32", at::ScalarType::UInt32},
    {DataType::UInt64, "uint64", at::ScalarType::UInt64},
    {DataType::Complex64, "complex64", at::kComplexFloat},
    {DataType::Complex128, "complex128", at::kComplexDouble},
    {DataType::BFloat16, "bfloat16", at::kBFloat16},
    {DataType::Float8E4M3FN, "float8e4m3fn", at::kFloat8_e4m3fn},
    {DataType::Float8E4M3FNUZ, "float8e4m3fnuz", at::kFloat8_e4m3fnuz},
    {DataType::Float8E5M2, "float8e5m2", at::kFloat8_e5m2},
    {DataType::Float8E5M2FNUZ, "float8e5m2fnuz", at::kFloat8_e5m2fnuz},
    {DataType::UInt4, "uint4", kNone},
    {DataType::Int4, "int4", kNone},
    {DataType::Float4E2M1, "float4e2m1", kNone},
    {DataType::Float8E8M0, "float8e8m0", at::kFloat8_e8m0fnu},
    {DataType::UInt2, "uint2", kNone},
    {DataType::Int2, "int2", kNone},
};

const TypeRow& row_of(DataType dtype) {
  for (const auto& row : kTypes)
    if (row.dtype == dtype) return row;
  return kTypes[0];
}

}  // namespace

const char* name_of(DataType dtype) { return row_of(dtype).name; }

bool has_scalar_type(DataType dtype) { return row_of(dtype).scalar != kNone; }

at::ScalarType to_scalar_type(DataType dtype) {
  const auto& row = row_of(dtype);
  if (row.scalar == kNone) throw Error(ErrorKind::Unsupported, "", std::string("element type ") + row.name + " cannot be computed with");
  return row.scalar;
}

DataType to_data_type(at::ScalarType type) {
  for (const auto& row : kTypes)
    if (row.scalar == type && type != kNone) return row.dtype;
  throw Error(ErrorKind::Unsupported, "", std::string("ONNX has no element type for ") + at::toString(type));
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) text += ", ";
    text += shape[i].known() ? std::to_string(shape[i].value) : shape[i].symbol.empty() ? "?" : shape[i].symbol;
  }
  return text + "]";
}

std::string to_string(at::IntArrayRef sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i) text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + "]";
}

}  // namespace ppq
