#pragma once

#include <ATen/core/Tensor.h>

namespace ppq::passes {

/// A grid: integers from quant_min to quant_max, (integer - offset) · scale.
struct Grid {
  at::Tensor scale, offset;  ///< float64 [groups, outputs, columns]
  double quant_min, quant_max;
};

/// Integers less offset by rounding to nearest; rows and result float64 [groups, outputs, columns].
at::Tensor nearest_rounding(const at::Tensor& rows, const Grid& grid);

/// The same, column by column, each column's errors taken up by the columns that are still to come, so that the error of the outputs,
/// the diagonal of (Q - W) H (Q - W)ᵀ, gets small: GPTQ (arXiv 2210.17323), columns with the largest moments first. `moments`: float64
/// [groups, columns, columns], H = E[x xᵀ] of what the weights are multiplied with; `damping`: the share of the mean of its diagonal
/// that is added to the diagonal. Columns whose moments are zero, and groups whose moments cannot be inverted, are rounded to nearest.
at::Tensor compensated_rounding(const at::Tensor& rows, const at::Tensor& moments, const Grid& grid, double damping);

/// The error of each output, the diagonal of D H Dᵀ for differences D [groups, outputs, columns]: float64 [groups, outputs].
at::Tensor output_errors(const at::Tensor& differences, const at::Tensor& moments);

}  // namespace ppq::passes
