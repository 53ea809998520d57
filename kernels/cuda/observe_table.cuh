#pragma once

#include "kernels/cuda/histogram.cuh"
#include "kernels/cuda/rows.cuh"

namespace ppq::kernels::cuda {
namespace {

struct ObserveEntry {
  ObserveWork work;
  RowPlan plan;
  uint32_t observe_end, channel_end;  ///< blocks of this entry and those before it, in the first and the second launch
};
/// The descriptor table travels with the launch: no copy to keep alive, and a captured graph holds it.
struct ObserveTable {
  ObserveEntry entries[kObserveBatch];
  int bins;
};

struct Place {
  int entry;
  uint32_t block;
};
template <uint32_t ObserveEntry::*kEnd>
__device__ Place find_entry(const ObserveTable& table, uint32_t block) {
  int entry = 0;
  while (block >= table.entries[entry].*kEnd) ++entry;
  return {entry, entry == 0 ? block : block - table.entries[entry - 1].*kEnd};
}

}  // namespace
}  // namespace ppq::kernels::cuda
