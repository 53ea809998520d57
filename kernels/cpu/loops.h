#pragma once

#include "kernels/cpu/loops_channel_sums.h"
#include "kernels/cpu/loops_observe.h"
#include "kernels/cpu/loops_quantize.h"
#include "kernels/cpu/loops_sums.h"

/// The table of a level: included last by each level_*.cpp, after its lanes.
namespace ppq::kernels::cpu::PPQ_LEVEL {

static inline Level make_level(const char* name) {
  return {name,
          fake_quantize_uniform,
          fake_quantize_varying,
          quantize_int_uniform,
          quantize_int_varying,
          backward_uniform,
          backward_varying,
          count_bins,
          kWidth > 1 ? slots_of_columns : nullptr,
          fold,
          range,
          range_varying,
          transpose,
          error_sums,
          channel_sums_uniform,
          channel_sums_varying};
}

}  // namespace ppq::kernels::cpu::PPQ_LEVEL
