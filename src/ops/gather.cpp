#include <ATen/ATen.h>

#include "ops/dtypes.h"
#include "ops/indexing.h"
#include "ops/memory_bound.h"

namespace ppq::ops {
namespace {

using Indices = c10::List<std::optional<at::Tensor>>;

at::Tensor take(const at::Tensor& x, const at::Tensor& indices, int64_t axis) {
  const int64_t length = x.size(axis);
  if (indices.is_cpu() && indices.numel() == 1) {  // a view, and no transfer
    const int64_t index = scalar_of(indices).to<int64_t>();
    TORCH_CHECK(index >= -length && index < length, "index ", index, " is out of range for axis ", axis, " of shape ", x.sizes());
    const at::Tensor slice = x.select(axis, index);
    if (indices.dim() == 0) return slice;
    std::vector<int64_t> sizes = slice.sizes().vec();
    sizes.insert(sizes.begin() + axis, static_cast<size_t>(indices.dim()), 1);
    return slice.reshape(sizes);
  }
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.erase(sizes.begin() + axis);
  sizes.insert(sizes.begin() + axis, indices.sizes().begin(), indices.sizes().end());
  return x.index_select(axis, wrapped(indices, length, x).reshape(-1)).reshape(sizes);
}

Kernel gather(const OpSpec& spec) {
  return [axis = spec.node.attributes.get_int("axis", 0)](Inputs in, Outputs out) {
    out[0] = moved(in[0], [&](const at::Tensor& x) { return take(x, in[1], normalize_axis(axis, x.dim())); });
  };
}

Kernel gather_elements(const OpSpec& spec) {
  return [axis = spec.node.attributes.get_int("axis", 0)](Inputs in, Outputs out) {
    out[0] = moved(in[0], [&](const at::Tensor& x) {
      const int64_t dim = normalize_axis(axis, x.dim());
      return x.gather(dim, wrapped(in[1], x.size(dim), x));
    });
  };
}

/// The last axis of the indices names a position in the axes after `batch` shared leading ones.
at::Tensor gather_nd_of(const at::Tensor& x, const at::Tensor& indices, int64_t batch) {
  const at::Tensor index = on_device_of(indices.to(at::kLong), x);
  const int64_t grid = index.dim() - 1, depth = index.size(-1);
  TORCH_CHECK(batch + depth <= x.dim(), "indices: ", depth, " coordinates and ", batch, " batch axes for shape ", x.sizes());
  Indices list;
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<int64_t> sizes(static_cast<size_t>(grid), 1);
    sizes[static_cast<size_t>(b)] = index.size(b);
    list.push_back(at::arange(index.size(b), index.options()).reshape(sizes));
  }
  for (int64_t d = 0; d < depth; ++d) list.push_back(index.select(-1, d));
  return at::index(x, list);
}

Kernel gather_nd(const OpSpec& spec) {
  return [batch = spec.node.attributes.get_int("batch_dims", 0)](Inputs in, Outputs out) {
    out[0] = moved(in[0], [&](const at::Tensor& x) { return gather_nd_of(x, in[1], batch); });
  };
}

Kernel compress(const OpSpec& spec) {
  const bool flat = !spec.node.attributes.has("axis");
  return [flat, axis = spec.node.attributes.get_int("axis", 0)](Inputs in, Outputs out) {
    out[0] = moved(in[0], [&](const at::Tensor& data) {
      const at::Tensor x = flat ? data.reshape(-1) : data;
      return x.index_select(flat ? 0 : normalize_axis(axis, x.dim()), at::nonzero(on_device_of(in[1], x)).reshape(-1));
    });
  };
}

/// values = [off, on]; an index outside [-depth, depth) gives a row of `off`.
Kernel one_hot(const OpSpec& spec) {
  return [axis = spec.node.attributes.get_int("axis", -1)](Inputs in, Outputs out) {
    const at::Tensor values = on_device_of(in[2], in[0]);
    const int64_t depth = to_int(in[1], "depth"), dim = normalize_axis(axis, in[0].dim() + 1);
    std::vector<int64_t> sizes(static_cast<size_t>(in[0].dim() + 1), 1);
    TORCH_CHECK(depth >= 0, "depth: got ", depth, ", expected 0 or more");
    TORCH_CHECK(values.numel() == 2, "values: got ", values.numel(), ", expected off and on");
    std::vector<int64_t> result = in[0].sizes().vec();
    result.insert(result.begin() + dim, depth);
    check_room("OneHot", result, values.element_size());
    sizes[static_cast<size_t>(dim)] = depth;
    const at::Tensor index = wrapped(in[0], depth, in[0]).unsqueeze(dim);
    const at::Tensor hot = index.eq(at::arange(depth, index.options()).reshape(sizes));
    out[0] = moved(values, [&](const at::Tensor& v) { return at::where(hot, v.select(0, 1), v.select(0, 0)); });
  };
}

Kernel non_zero(const OpSpec&) {
  return [](Inputs in, Outputs out) { out[0] = at::nonzero(signed_view(in[0])).t(); };
}

/// Outputs: values, index of each value's first appearance, position of each element among the values, counts.
Kernel unique(const OpSpec& spec) {
  const bool flat = !spec.node.attributes.has("axis"), sorted = spec.node.attributes.get_int("sorted", 1);
  return [flat, sorted, axis = spec.node.attributes.get_int("axis", 0)](Inputs in, Outputs out) {
    const at::Tensor y = ordered(in[0]), x = flat ? y.reshape(-1) : y;
    const int64_t dim = flat ? 0 : normalize_axis(axis, x.dim()), length = x.size(dim);
    auto [values, inverse, counts] = at::unique_dim(x, dim, /*sorted=*/true, /*return_inverse=*/true, /*return_counts=*/true);
    const at::Tensor positions = at::arange(length, inverse.options());
    at::Tensor first = at::full({values.size(dim)}, length, inverse.options()).scatter_reduce(0, inverse, positions, "amin");
    if (!sorted) {
      const at::Tensor order = first.argsort(), place = order.argsort();
      values = values.index_select(dim, order);
      first = first.index_select(0, order);
      counts = counts.index_select(0, order);
      inverse = place.index_select(0, inverse);
    }
    out[0] = from_ordered(values, in[0].scalar_type());
    if (out.size() > 1) out[1] = first;
    if (out.size() > 2) out[2] = inverse;
    if (out.size() > 3) out[3] = counts;
  };
}

/// Reverses the first lengths[b] steps of each batch entry.
Kernel reverse_sequence(const OpSpec& spec) {
  const int64_t batch = spec.node.attributes.get_int("batch_axis", 1), time = spec.node.attributes.get_int("time_axis", 0);
  return [batch, time](Inputs in, Outputs out) {
    out[0] = moved(in[0], [&](const at::Tensor& x) {
      const int64_t b = normalize_axis(batch, x.dim()), t = normalize_axis(time, x.dim());
      const at::Tensor moved_x = x.movedim({t, b}, {0, 1});
      const at::Tensor lengths = on_device_of(in[1].to(at::kLong), x).unsqueeze(0);
      const at::Tensor steps = at::arange(x.size(t), lengths.options()).unsqueeze(1);
      const at::Tensor source = at::where(steps.lt(lengths), lengths - 1 - steps, steps);
      Indices list;
      list.push_back(source);
      list.push_back(at::arange(x.size(b), lengths.options()).unsqueeze(0));
      return at::index(moved_x, list).movedim({0, 1}, {t, b});
    });
  };
}

}  // namespace

Rows gather_rows() {
  using enum OpKind;
  return {
      {"Gather", 1, gather, {Movement, "df", "d"}},
      {"GatherElements", 11, gather_elements, {Movement, "df", "d"}},
      {"GatherND", 11, gather_nd, {Movement, "df", "d"}},
      {"Compress", 9, compress, {Movement, "df", "d"}},
      {.type = "OneHot", .since = 9, .make = one_hot, .facts = {Description, "ssf", "f"}, .host_inputs = 0b10},
      {"NonZero", 9, non_zero, {Description, "d", "f"}},
      {"Unique", 11, unique, {Movement, "d", "df"}},
      {"ReverseSequence", 10, reverse_sequence, {Movement, "ds", "d"}},
  };
}

}  // namespace ppq::ops
