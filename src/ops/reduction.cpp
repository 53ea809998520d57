#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "ops/arithmetic.h"
#include "ops/dtypes.h"
#include "ops/families.h"

namespace ppq::ops {
namespace {

using Axes = std::vector<int64_t>;
using Reduce = at::Tensor (*)(const at::Tensor& x, const Axes& axes, bool keepdims);

/// Reductions that end in a root or logarithm compute integers in double.
at::Tensor in_double(const at::Tensor& x) { return at::isFloatingType(x.scalar_type()) ? x : x.to(at::kDouble); }

at::Tensor reduce_sum(const at::Tensor& x, const Axes& axes, bool keepdims) {
  if (!is_wide_unsigned(x.scalar_type())) return at::sum(x, axes, keepdims, x.scalar_type());
  const auto bits = x.scalar_type() == at::kUInt64 ? x.view(at::kLong) : x.to(at::kLong);
  const auto sum = at::sum(bits, axes, keepdims);
  return x.scalar_type() == at::kUInt64 ? sum.view(at::kUInt64) : sum.to(x.scalar_type());
}

at::Tensor reduce_mean(const at::Tensor& x, const Axes& axes, bool keepdims) {
  if (at::isFloatingType(x.scalar_type())) return at::mean(x, axes, keepdims);
  return at::mean(x.to(at::kDouble), axes, keepdims).trunc().to(x.scalar_type());
}

/// The value of a maximum or minimum over nothing.
at::Scalar lowest(at::ScalarType type, bool negative) {
  if (at::isFloatingType(type)) return negative ? -INFINITY : INFINITY;
  if (type == at::kLong) return negative ? INT64_MIN : INT64_MAX;
  if (type == at::kInt) return negative ? INT32_MIN : INT32_MAX;
  if (type == at::kShort) return negative ? INT16_MIN : INT16_MAX;
  if (type == at::kChar) return negative ? INT8_MIN : INT8_MAX;
  return negative ? 0 : UINT8_MAX;
}

at::Tensor extreme(const at::Tensor& x, const Axes& axes, bool keepdims, bool maximum) {
  if (x.scalar_type() == at::kBool) return extreme(x.to(at::kByte), axes, keepdims, maximum).to(at::kBool);
  const at::Tensor y = ordered(x);
  if (y.numel() == 0) {
    const auto shape = at::sum(y, axes, keepdims).sizes().vec();
    return from_ordered(at::full(shape, lowest(y.scalar_type(), maximum), y.options()), x.scalar_type());
  }
  return from_ordered(maximum ? at::amax(y, axes, keepdims) : at::amin(y, axes, keepdims), x.scalar_type());
}

at::Tensor reduce_max(const at::Tensor& x, const Axes& axes, bool keepdims) { return extreme(x, axes, keepdims, true); }
at::Tensor reduce_min(const at::Tensor& x, const Axes& axes, bool keepdims) { return extreme(x, axes, keepdims, false); }

at::Tensor reduce_prod(const at::Tensor& x, const Axes& axes, bool keepdims) {
  at::Tensor y = is_wide_unsigned(x.scalar_type()) ? x.to(at::kLong) : x;
  Axes descending = axes;
  std::sort(descending.rbegin(), descending.rend());
  for (int64_t axis : descending) y = at::prod(y, axis, keepdims, y.scalar_type());
  return y.to(x.scalar_type());
}

at::Tensor reduce_l1(const at::Tensor& x, const Axes& axes, bool keepdims) {
  const bool is_unsigned = x.scalar_type() == at::kByte || is_wide_unsigned(x.scalar_type());
  return reduce_sum(is_unsigned ? x : x.abs(), axes, keepdims);
}

at::Tensor reduce_sum_square(const at::Tensor& x, const Axes& axes, bool keepdims) {
  return reduce_sum(moved(x, [](const at::Tensor& y) { return y * y; }), axes, keepdims);
}

at::Tensor reduce_l2(const at::Tensor& x, const Axes& axes, bool keepdims) {
  return at::linalg_vector_norm(in_double(x), 2, at::OptionalIntArrayRef(axes), keepdims).to(x.scalar_type());
}

at::Tensor reduce_log_sum(const at::Tensor& x, const Axes& axes, bool keepdims) {
  return at::sum(in_double(x), axes, keepdims).log().to(x.scalar_type());
}

at::Tensor reduce_log_sum_exp(const at::Tensor& x, const Axes& axes, bool keepdims) {
  return at::logsumexp(in_double(x), axes, keepdims).to(x.scalar_type());
}

Axes normalized(Axes axes, int64_t rank) {
  for (int64_t& axis : axes) axis = normalize_axis(axis, rank);
  return axes;
}

Axes all_axes(int64_t rank) {
  Axes axes(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) axes[static_cast<size_t>(i)] = i;
  return axes;
}

/// Axes come from the attribute, or (ReduceSum from 13, the others from 18 on) from input 1. No axes means all, or with
/// noop_with_empty_axes none; the element-wise part (square, absolute value) of the reduction is still done then.
Kernel make_reduction(const OpSpec& spec, Reduce reduce) {
  const bool keepdims = spec.node.attributes.get_int("keepdims", 1);
  const bool noop = spec.node.attributes.get_int("noop_with_empty_axes", 0);
  return [reduce, keepdims, noop, fixed = spec.node.attributes.get_ints("axes")](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    Axes axes = in.size() > 1 ? to_ints(in[1]) : fixed;
    if (axes.empty() && noop) {
      out[0] = reduce(x.unsqueeze(0), {0}, false);
      return;
    }
    axes = axes.empty() || x.dim() == 0 ? all_axes(x.dim()) : normalized(std::move(axes), x.dim());
    out[0] = axes.empty() ? reduce(x.unsqueeze(0), {0}, false) : reduce(x, axes, keepdims);
  };
}

template <Reduce F>
Kernel reduction_of(const OpSpec& spec) {
  return make_reduction(spec, F);
}

template <bool kMaximum>
Kernel arg_extreme(const OpSpec& spec) {
  const int64_t axis = spec.node.attributes.get_int("axis", 0);
  const bool keepdims = spec.node.attributes.get_int("keepdims", 1);
  const bool last = spec.node.attributes.get_int("select_last_index", 0);
  return [axis, keepdims, last](Inputs in, Outputs out) {
    at::Tensor x = ordered(in[0]);
    const int64_t dim = normalize_axis(axis, std::max<int64_t>(x.dim(), 1));
    if (last) x = x.flip(dim);
    at::Tensor index = kMaximum ? x.argmax(dim, keepdims) : x.argmin(dim, keepdims);
    out[0] = last ? at::sub(at::scalar_tensor(x.size(dim) - 1, index.options()), index) : index;
  };
}

using Cumulate = at::Tensor (*)(const at::Tensor& x, int64_t axis);

at::Tensor cumulative_sum(const at::Tensor& x, int64_t axis) { return at::cumsum(x, axis, x.scalar_type()); }
at::Tensor cumulative_product(const at::Tensor& x, int64_t axis) { return at::cumprod(x, axis, x.scalar_type()); }

/// `exclusive` shifts by one, beginning with the neutral element; `reverse` runs from the end.
template <Cumulate F, int kNeutral>
Kernel cumulative(const OpSpec& spec) {
  const bool exclusive = spec.node.attributes.get_int("exclusive", 0), reverse = spec.node.attributes.get_int("reverse", 0);
  return [exclusive, reverse](Inputs in, Outputs out) {
    out[0] = moved(in[0], [&](at::Tensor x) {
      const int64_t axis = normalize_axis(to_int(in[1], "axis"), x.dim()), length = x.size(axis);
      if (reverse) x = x.flip(axis);
      if (exclusive && length > 0) {
        const auto first = at::full_like(x.narrow(axis, 0, 1), kNeutral);
        x = at::cat({first, x.narrow(axis, 0, length - 1)}, axis);
      }
      x = F(x, axis);
      return reverse ? x.flip(axis) : x;
    });
  };
}

/// Equal values keep the order of their indices, which topk does not promise; hence the stable sort.
void top_k(const at::Tensor& x, int64_t k, int64_t axis, bool largest, Outputs out) {
  const at::Tensor y = ordered(x);
  const auto sorted = at::sort(y, /*stable=*/true, axis, /*descending=*/largest);
  out[0] = from_ordered(std::get<0>(sorted).narrow(axis, 0, k), x.scalar_type());
  if (out.size() > 1) out[1] = std::get<1>(sorted).narrow(axis, 0, k);
}

Kernel make_top_k(const OpSpec& spec) {
  const int64_t axis = spec.node.attributes.get_int("axis", -1);
  const bool largest = spec.node.attributes.get_int("largest", 1);
  std::optional<int64_t> fixed;
  if (spec.opset < 10) fixed = spec.node.attributes.get_int("k", 0);
  return [axis, largest, fixed](Inputs in, Outputs out) {
    const int64_t dim = normalize_axis(axis, in[0].dim()), k = fixed ? *fixed : to_int(in[1], "K");
    TORCH_CHECK(k >= 0 && k <= in[0].size(dim), "K: got ", k, ", expected 0..", in[0].size(dim), " (axis ", dim, ")");
    top_k(in[0], k, dim, largest, out);
  };
}

}  // namespace

Rows reduction() {
  using enum OpKind;
  Rows rows;
  auto reduce = [&](const char* type, int axes_input_since, MakeKernel make) {
    const OpFacts facts{Computation, "ds", "d"};
    rows.push_back({type, 1, make, facts});
    rows.push_back({.type = type, .since = axes_input_since, .make = make, .facts = facts, .host_inputs = 0b10});
  };
  reduce("ReduceSum", 13, reduction_of<reduce_sum>);
  reduce("ReduceMean", 18, reduction_of<reduce_mean>);
  reduce("ReduceMax", 18, reduction_of<reduce_max>);
  reduce("ReduceMin", 18, reduction_of<reduce_min>);
  reduce("ReduceProd", 18, reduction_of<reduce_prod>);
  reduce("ReduceL1", 18, reduction_of<reduce_l1>);
  reduce("ReduceL2", 18, reduction_of<reduce_l2>);
  reduce("ReduceLogSum", 18, reduction_of<reduce_log_sum>);
  reduce("ReduceLogSumExp", 18, reduction_of<reduce_log_sum_exp>);
  reduce("ReduceSumSquare", 18, reduction_of<reduce_sum_square>);
  append(rows,
         {
             {"ArgMax", 1, arg_extreme<true>, {Description, "d", "f"}},
             {"ArgMin", 1, arg_extreme<false>, {Description, "d", "f"}},
             {.type = "CumSum", .since = 11, .make = cumulative<cumulative_sum, 0>, .facts = {Computation, "ds", "d"}, .host_inputs = 0b10},
             {.type = "CumProd",
              .since = 26,
              .make = cumulative<cumulative_product, 1>,
              .facts = {Computation, "ds", "d"},
              .host_inputs = 0b10},
             {"TopK", 1, make_top_k, {Movement, "ds", "df"}},
             {.type = "TopK", .since = 10, .make = make_top_k, .facts = {Movement, "ds", "df"}, .host_inputs = 0b10},
         });
  return rows;
}

}  // namespace ppq::ops
