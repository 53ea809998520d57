#pragma once

#include <memory>

#include "ppq/pass.h"

namespace ppq::passes {

// One factory a pass, at the end of the file of its name (fuse_batch_norm.cpp: make_fuse_batch_norm). Rows with names and
// summaries are in table.cpp.

// Clean-up: the float result, the names of graph inputs and outputs, and declared shapes stay.
std::unique_ptr<Pass> make_constants_to_values();
std::unique_ptr<Pass> make_fold_constants();
std::unique_ptr<Pass> make_remove_identity();
std::unique_ptr<Pass> make_fuse_matmul_add();
std::unique_ptr<Pass> make_fuse_bias_add();
std::unique_ptr<Pass> make_fuse_batch_norm();
std::unique_ptr<Pass> make_batch_norm_to_conv();
std::unique_ptr<Pass> make_merge_equal_constants();
std::unique_ptr<Pass> make_remove_dead_code();

// What some targets want, and others on request.
std::unique_ptr<Pass> make_split_gemm();
std::unique_ptr<Pass> make_nxp_resize();
std::unique_ptr<Pass> make_fuse_layer_norm();
std::unique_ptr<Pass> make_fuse_gelu();
std::unique_ptr<Pass> make_format_gemm();
std::unique_ptr<Pass> make_gru_split();
std::unique_ptr<Pass> make_matrix_factorization();
std::unique_ptr<Pass> make_weight_split();

// Quantization.
std::unique_ptr<Pass> make_raise_small_ranges();
std::unique_ptr<Pass> make_channel_split();
std::unique_ptr<Pass> make_equalize_layers();
std::unique_ptr<Pass> make_equalize_ssd();
std::unique_ptr<Pass> make_absorb_high_bias();
std::unique_ptr<Pass> make_smooth_layer_norm();
std::unique_ptr<Pass> make_configure_quantization();
std::unique_ptr<Pass> make_fuse_quantization();
std::unique_ptr<Pass> make_simplify_quantization();
std::unique_ptr<Pass> make_quantize_parameters();
std::unique_ptr<Pass> make_calibrate();
std::unique_ptr<Pass> make_choose_observer();
std::unique_ptr<Pass> make_align_quantization();
std::unique_ptr<Pass> make_compensate_rounding();
std::unique_ptr<Pass> make_correct_bias();
std::unique_ptr<Pass> make_quantize_passive_parameters();
std::unique_ptr<Pass> make_bake_parameters();

}  // namespace ppq::passes
