#include <ATen/ATen.h>

#include "ops/dtypes.h"
#include "ops/indexing.h"

namespace ppq::ops {
namespace {

enum class Reduction { None, Add, Mul, Max, Min };

Reduction reduction_of(const OpSpec& spec) {
  const std::string name = spec.node.attributes.get_string("reduction", "none");
  if (name == "none") return Reduction::None;
  if (name == "add") return Reduction::Add;
  if (name == "mul") return Reduction::Mul;
  if (name == "max") return Reduction::Max;
  if (name == "min") return Reduction::Min;
  fail(spec.node, "reduction: got '" + name + "', expected none, add, mul, max or min");
}

/// x with `updates` written, or combined, at `index` along `axis`. Duplicate indices combine; without reduction the last wins.
at::Tensor scatter(const at::Tensor& x, int64_t axis, const at::Tensor& index, const at::Tensor& updates, Reduction how) {
  switch (how) {
    case Reduction::None:
      return moved(x, [&](const at::Tensor& y) { return y.scatter(axis, index, signed_view(updates)); });
    case Reduction::Add:
      return moved(x, [&](const at::Tensor& y) { return y.scatter_reduce(axis, index, signed_view(updates), "sum"); });
    case Reduction::Mul:
      return moved(x, [&](const at::Tensor& y) { return y.scatter_reduce(axis, index, signed_view(updates), "prod"); });
    case Reduction::Max:
      return from_ordered(ordered(x).scatter_reduce(axis, index, ordered(updates), "amax"), x.scalar_type());
    case Reduction::Min:
      break;
  }
  return from_ordered(ordered(x).scatter_reduce(axis, index, ordered(updates), "amin"), x.scalar_type());
}

Kernel scatter_elements(const OpSpec& spec) {
  return [axis = spec.node.attributes.get_int("axis", 0), how = reduction_of(spec)](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const int64_t dim = normalize_axis(axis, x.dim());
    out[0] = scatter(x, dim, wrapped(in[1], x.size(dim), x), on_device_of(in[2], x), how);
  };
}

/// The coordinates in the last axis of `indices` name slices of x: numbered, they become rows of a matrix.
Kernel scatter_nd(const OpSpec& spec) {
  return [how = reduction_of(spec)](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const int64_t depth = in[1].size(-1);
    TORCH_CHECK(depth <= x.dim(), "indices: ", depth, " coordinates for shape ", x.sizes());
    int64_t rows = 1, columns = 1;
    at::Tensor row = at::zeros({in[1].numel() / std::max<int64_t>(depth, 1)}, x.options().dtype(at::kLong));
    const at::Tensor indices = in[1].reshape({-1, depth});
    for (int64_t d = 0; d < depth; ++d) {
      const at::Tensor index = wrapped(indices.select(1, d), x.size(d), x);
      // One that is too large along an axis would name the next row; on a GPU looking would wait.
      if (index.is_cpu() && index.numel() > 0)
        TORCH_CHECK(index.min().item<int64_t>() >= 0 && index.max().item<int64_t>() < x.size(d), "indices: out of range for axis ", d,
                    " of shape ", x.sizes());
      row = row * x.size(d) + index;
      rows *= x.size(d);
    }
    for (int64_t d = depth; d < x.dim(); ++d) columns *= x.size(d);
    const at::Tensor updates = on_device_of(in[2], x).reshape({row.size(0), columns});
    const at::Tensor index = row.unsqueeze(1).expand({row.size(0), columns});
    out[0] = scatter(x.reshape({rows, columns}), 0, index, updates, how).reshape(x.sizes());
  };
}

/// Writes `update` into a key/value cache along `axis`, at the position that each batch entry gives.
Kernel tensor_scatter(const OpSpec& spec) {
  const std::string mode = spec.node.attributes.get_string("mode", "linear");
  if (mode != "linear" && mode != "circular") fail(spec.node, "mode: got '" + mode + "', expected linear or circular");
  const bool circular = mode == "circular";
  return [circular, axis = spec.node.attributes.get_int("axis", -2)](Inputs in, Outputs out) {
    const at::Tensor &cache = in[0], update = on_device_of(in[1], cache);
    const int64_t dim = normalize_axis(axis, cache.dim()), batch = cache.size(0);
    const auto options = cache.options().dtype(at::kLong);
    const bool given = in.size() > 2 && in[2].defined();
    const at::Tensor start = given ? on_device_of(in[2].to(at::kLong), cache) : at::zeros({batch}, options);
    at::Tensor index = start.unsqueeze(1) + at::arange(update.size(dim), options).unsqueeze(0);
    if (circular) index = index.remainder(cache.size(dim));
    std::vector<int64_t> sizes(static_cast<size_t>(cache.dim()), 1);
    sizes[0] = batch;
    sizes[static_cast<size_t>(dim)] = update.size(dim);
    out[0] = scatter(cache, dim, index.reshape(sizes).expand(update.sizes()), update, Reduction::None);
  };
}

}  // namespace

Rows scatter_rows() {
  using enum OpKind;
  return {
      {"Scatter", 9, scatter_elements, {Computation, "dfd", "d"}},
      {"ScatterElements", 11, scatter_elements, {Computation, "dfd", "d"}},
      {"ScatterND", 11, scatter_nd, {Computation, "dfd", "d"}},
      {"TensorScatter", 24, tensor_scatter, {Computation, "ddf", "d"}},
  };
}

}  // namespace ppq::ops
