#include "data/cast.h"

#include <cmath>

#include "ppq/error.h"

namespace ppq {

std::string position_text(at::IntArrayRef sizes, int64_t flat) {
  std::vector<int64_t> index(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) {
    index[d] = flat % sizes[d];
    flat /= sizes[d];
  }
  return to_string(at::IntArrayRef(index));
}

namespace {

/// Index of the first true element, or -1.
int64_t first_true(const at::Tensor& mask) {
  if (mask.numel() == 0 || !mask.any().item<bool>()) return -1;
  return mask.reshape({-1}).to(at::kByte).argmax().item<int64_t>();
}

/// LibTorch's 16 to 64-bit unsigned types and 8-bit floats have no arithmetic: widen them.
at::Tensor widened(const at::Tensor& values) {
  if (at::isFloat8Type(values.scalar_type())) return values.to(at::kFloat);
  switch (values.scalar_type()) {
    case at::kUInt16:
      return values.to(at::kInt);
    case at::kUInt32:
      return values.to(at::kLong);
    case at::kUInt64:
      return values.to(at::kDouble);
    case at::kBool:
      return values.to(at::kByte);
    default:
      return values;
  }
}

}  // namespace

void require_finite(const at::Tensor& given, const std::string& where) {
  if (!given.is_floating_point() || given.numel() == 0) return;
  const at::Tensor values = widened(given);
  // A sum is finite unless some element is not (or it overflows): one fast read in the normal case.
  if (std::isfinite(values.sum(at::kDouble).item<double>())) return;
  const int64_t bad = first_true(at::isfinite(values).logical_not());
  if (bad < 0) return;
  const double value = values.reshape({-1})[bad].item<double>();
  throw Error(ErrorKind::Data, where,
              std::string("not a finite number: got ") +
                  (std::isnan(value) ? "NaN"
                   : value > 0       ? "Inf"
                                     : "-Inf") +
                  " at " + position_text(values.sizes(), bad) + ", expected finite values",
              "leave this file out, or repair what wrote it");
}

at::Tensor cast_exactly(const at::Tensor& values, DataType dtype, const std::string& where) {
  if (!has_scalar_type(dtype))
    throw Error(ErrorKind::Unsupported, where, std::string("input dtype: got ") + name_of(dtype) + ", expected a numeric type");
  const at::ScalarType target = to_scalar_type(dtype);
  if (values.scalar_type() == target) return values.contiguous();
  if (values.is_complex() && !at::isComplexType(target))
    throw Error(ErrorKind::Data, where,
                std::string("complex numbers: got ") + name_of(to_data_type(values.scalar_type())) + ", expected " + name_of(dtype));
  const at::Tensor source = widened(values);
  at::Tensor result = source.to(target).contiguous();
  // uint8 to float and the like cannot go wrong.
  if (at::canCast(values.scalar_type(), target) && at::isFloatingType(target) && !values.is_floating_point()) return result;
  const at::Tensor back = widened(result);
  int64_t bad = -1;
  if (at::isFloatingType(target)) {
    if (source.is_floating_point()) bad = first_true(at::isfinite(source).logical_and(at::isfinite(back).logical_not()));
  } else if (!at::isComplexType(target)) {
    bad = first_true(back.to(at::kDouble).ne(source.to(at::kDouble)));
  }
  if (bad >= 0)
    throw Error(ErrorKind::Data, where,
                "value does not fit the input's type: got " + std::to_string(source.reshape({-1})[bad].item<double>()) + " at " +
                    position_text(values.sizes(), bad) + ", expected a value of " + name_of(dtype));
  return result;
}

}  // namespace ppq
