#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "ops/op_facts.h"
#include "ppq/graph.h"

namespace ppq::ops {

/// Inputs of one execution, in the order of the node's inputs; absent optional inputs are undefined tensors.
using Inputs = std::span<const at::Tensor>;
/// Outputs to fill, one place for each output of the node (also for the unused ones, which may stay undefined).
using Outputs = std::span<at::Tensor>;
/// A prepared operation. Attributes were read once, when it was made; it must not write into its inputs.
using Kernel = std::function<void(Inputs, Outputs)>;

/// What a kernel is made from.
struct OpSpec {
  const Node& node;
  int64_t opset;  ///< version of the node's domain that the model imports
};

/// Makes the kernel of a node: reads and checks attributes. Throws Model (bad attribute) or Unsupported.
using MakeKernel = Kernel (*)(const OpSpec&);

/// One operator from one opset on. Look-up takes the greatest `since` ≤ the model's opset.
struct OpRow {
  const char* type;
  int since;
  MakeKernel make;
  OpFacts facts;  ///< the same in every version's row; a row without them does not compile
  const char* domain = "";
  /// Bit i set: input i is shape-like (Reshape's shape, Slice's starts, …) and is kept on the host.
  uint32_t host_inputs = 0;
  /// Outputs are made on the host: shape-like ones (Shape, Size), and tensors made from no input (Constant, Range).
  bool host_outputs = false;
};

/// The row for a node, or null when the operator (or a version old enough) is not known.
const OpRow* find_op(std::string_view domain, std::string_view type, int64_t opset);
inline const OpRow* find_op(const Node& node, int64_t opset) { return find_op(node.domain, node.op_type, opset); }
/// How many inputs a node must give, of operators that onnx's checker knows nothing of; 0 for the others.
size_t least_inputs(const Node& node);
/// Every row, sorted by domain, type and version.
std::vector<OpRow> all_ops();

/// Shape-like input as a list of integers (any integer dtype, any device).
std::vector<int64_t> to_ints(const at::Tensor& tensor);
/// The first of them; throws Model where there is none. `what` is the input's name.
int64_t to_int(const at::Tensor& tensor, const char* what);
/// The one element of a tensor. On the host it is read without a word to LibTorch's dispatcher: it costs nothing, and what
/// watches for waits (HostWaits) sees only those.
at::Scalar scalar_of(const at::Tensor& tensor);
/// `other` on the device of `like` (no copy when it is there already).
at::Tensor on_device_of(const at::Tensor& other, const at::Tensor& like);
/// Negative axes count from the end; throws Model outside [-rank, rank).
int64_t normalize_axis(int64_t axis, int64_t rank);
/// Throws Model: `[node (type)] problem`.
[[noreturn]] void fail(const Node& node, const std::string& problem);

}  // namespace ppq::ops
