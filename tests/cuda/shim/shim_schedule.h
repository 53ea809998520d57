#pragma once

#include <string>
#include <vector>

namespace shim {

/// 0: threads and blocks in order. Else: a random order of blocks, and a random choice of the next thread at each switch.
void set_schedule(unsigned seed);

/// The places of all barriers that threads have reached since the start, as "file.cu:123", in a fixed order.
std::vector<std::string> barrier_places();
/// Threads walk through the barrier of this place as if it were not there; "" mends it.
void break_barrier(const std::string& place);

}  // namespace shim
