#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

#include "ops/op.h"
#include "ppq/error.h"

namespace ppq::ops {

std::vector<int64_t> to_ints(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const at::Tensor host = tensor.to(at::kCPU, at::kLong).contiguous();
  const int64_t* data = host.const_data_ptr<int64_t>();
  return {data, data + host.numel()};
}

int64_t to_int(const at::Tensor& tensor, const char* what) {
  const std::vector<int64_t> numbers = to_ints(tensor);
  if (numbers.empty()) throw Error(ErrorKind::Model, "", std::string(what) + ": got no number, expected one");
  return numbers[0];
}

at::Scalar scalar_of(const at::Tensor& tensor) {
  if (!tensor.is_cpu() || tensor.numel() != 1) return tensor.item();
  return AT_DISPATCH_ALL_TYPES_AND3(at::kHalf, at::kBFloat16, at::kBool, tensor.scalar_type(), "scalar_of",
                                    [&] { return at::Scalar(*tensor.const_data_ptr<scalar_t>()); });
}

at::Tensor on_device_of(const at::Tensor& other, const at::Tensor& like) {
  if (!other.defined() || other.device() == like.device()) return other;
  return other.to(like.device());
}

int64_t normalize_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    throw Error(ErrorKind::Model, "",
                "axis is out of range: got " + std::to_string(axis) + ", expected [" + std::to_string(-rank) + ", " +
                    std::to_string(rank - 1) + "] for a tensor of rank " + std::to_string(rank));
  return axis < 0 ? axis + rank : axis;
}

void fail(const Node& node, const std::string& problem) { throw Error(ErrorKind::Model, node.name + " (" + node.op_type + ")", problem); }

}  // namespace ppq::ops
