#include "passes/scale/compensated_rounding.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace ppq::passes {
namespace {

constexpr int64_t kOutputs = 128;
constexpr int64_t kBlock = 32;  ///< columns whose errors reach the columns behind them in one product

/// One group: weight, scale and offset [columns, outputs], contiguous; factor [columns, columns], how a column's error is made good by
/// those behind it. The weights of columns yet to come are changed. `integers` less offset [columns, outputs].
void round_group(const at::Tensor& weight, const at::Tensor& factor, const at::Tensor& scale, const at::Tensor& offset, const Grid& grid,
                 const at::Tensor& integers) {
  const int64_t columns = weight.size(0), outputs = weight.size(1);
  const at::Tensor errors = at::empty({kBlock, outputs}, weight.options());
  double *w = weight.data_ptr<double>(), *e = errors.data_ptr<double>(), *q = integers.data_ptr<double>();
  const double *s = scale.const_data_ptr<double>(), *z = offset.const_data_ptr<double>(), *u = factor.const_data_ptr<double>();
  for (int64_t first = 0; first < columns; first += kBlock) {
    const int64_t last = std::min(first + kBlock, columns);
    for (int64_t j = first; j < last; ++j) {
      double* error = e + (j - first) * outputs;
      const double own = 1 / u[j * columns + j];
      for (int64_t r = 0; r < outputs; ++r) {
        const int64_t at = j * outputs + r;
        q[at] = std::clamp(std::nearbyint(w[at] / s[at]) + z[at], grid.quant_min, grid.quant_max) - z[at];
        error[r] = (w[at] - q[at] * s[at]) * own;
      }
      for (int64_t k = j + 1; k < last; ++k) {
        const double share = u[j * columns + k];
        double* behind = w + k * outputs;
        for (int64_t r = 0; r < outputs; ++r) behind[r] -= share * error[r];
      }
    }
    if (last < columns)
      weight.slice(0, last, columns)
          .sub_(at::mm(factor.slice(0, first, last).slice(1, last, columns).t(), errors.slice(0, 0, last - first)));
  }
}

/// The upper factor of the inverse of moments in `order`, `added` [groups, 1] on their diagonal, and in which groups there is one. Wide
/// layers' matrices are large: none is kept longer than needed.
std::pair<at::Tensor, at::Tensor> factor_of_inverse(const at::Tensor& moments, const at::Tensor& order, const at::Tensor& added) {
  at::Tensor matrix = moments.gather(1, order.unsqueeze(2).expand_as(moments));
  matrix = matrix.gather(2, order.unsqueeze(1).expand_as(matrix));
  matrix.diagonal(0, 1, 2).add_(added);
  at::Tensor failed;
  std::tie(matrix, failed) = at::linalg_cholesky_ex(matrix);
  const at::Tensor found = (failed == 0).logical_and(matrix.isfinite().flatten(1).all(1)).logical_and(added.squeeze(1) > 0);
  if (!found.all().item<bool>()) matrix = at::where(found.view({-1, 1, 1}), matrix, at::eye(matrix.size(1), matrix.options()));
  matrix = at::cholesky_inverse(matrix);
  std::tie(matrix, failed) = at::linalg_cholesky_ex(matrix, /*upper=*/true);
  matrix = matrix.contiguous();
  return {matrix, found.logical_and(failed == 0).logical_and(matrix.isfinite().flatten(1).all(1))};
}

}  // namespace

at::Tensor nearest_rounding(const at::Tensor& rows, const Grid& grid) {
  return ((rows / grid.scale).round() + grid.offset).clamp(grid.quant_min, grid.quant_max) - grid.offset;
}

at::Tensor output_errors(const at::Tensor& differences, const at::Tensor& moments) {
  return (at::bmm(differences, moments) * differences).sum(2);
}

at::Tensor compensated_rounding(const at::Tensor& rows, const at::Tensor& moments, const Grid& grid, double damping) {
  const at::Tensor nearest = nearest_rounding(rows, grid);
  const at::Tensor diagonal = moments.diagonal(0, 1, 2).clone(), mean = diagonal.mean(1, /*keepdim=*/true);
  const at::Tensor order = diagonal.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/true);  // [groups, columns]
  const auto [factor, usable] = factor_of_inverse(moments, order, damping * mean);
  const auto sorted = [&](const at::Tensor& x) {  // [groups, outputs, columns] -> [groups, columns, outputs]
    return x.gather(2, order.unsqueeze(1).expand_as(x)).transpose(1, 2).contiguous();
  };
  at::Tensor result = nearest.clone();
  const at::Tensor kept = usable.view({-1, 1, 1}).logical_and((diagonal > 0).unsqueeze(1));
  // Outputs know nothing of each other: a few at a time take less memory.
  for (int64_t first = 0; first < rows.size(1); first += kOutputs) {
    const auto some = [&](const at::Tensor& x) { return x.slice(1, first, std::min(first + kOutputs, x.size(1))); };
    const at::Tensor weight = sorted(some(rows)), scale = sorted(some(grid.scale)), offset = sorted(some(grid.offset));
    at::Tensor integers = at::zeros_like(weight), back = at::empty_like(weight);
    for (int64_t group = 0; group < rows.size(0); ++group)
      if (usable[group].item<bool>()) round_group(weight[group], factor[group], scale[group], offset[group], grid, integers[group]);
    back.scatter_(1, order.unsqueeze(2).expand_as(integers), integers);
    some(result).copy_(at::where(kept, back.transpose(1, 2), some(nearest)));
  }
  return result;
}

}  // namespace ppq::passes
