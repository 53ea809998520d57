#pragma once

#include "kernels/cpu/histogram_rows.h"

namespace ppq::kernels::cpu {

/// observe() of `outer` rows of alternating channels (channels-last), in one read.
void observe_interleaved(const Level& level, const void* data, Type type, int64_t outer, int64_t channels, const Rows& rows);

}  // namespace ppq::kernels::cpu
