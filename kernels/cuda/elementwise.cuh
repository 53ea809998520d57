#pragma once

#include "kernels/cuda/scale_map.cuh"
#include "kernels/cuda/vectors.cuh"

namespace ppq::kernels::cuda {

inline constexpr int kElementThreads = 256;
/// 16-byte vectors in flight a thread.
inline constexpr int kElementVectors = 4;
template <class T>
inline constexpr int kBlockElements = kElementThreads* kElementVectors* kVector<T>;

/// The loop of the kernels that map x to out, element by element. A block takes kBlockElements neighbouring elements; thread
/// t takes vectors t, t + 256, ... of them, loads all before it computes. Vectors lie on 16-byte boundaries of x; the first
/// and the last of the tensor may be partial, and are then accessed element by element, as is all of `out` when it is
/// aligned differently. compute(value, scale, offset) gives the element of out. `kInFlight` of the kElementVectors are loaded
/// together: all for the hot cases, one where little code matters more.
template <class T, class U, bool kMapped, int kInFlight = kElementVectors, class Compute>
__device__ void map_elements(const Elementwise& work, U* out, Compute compute) {
  static_assert(kElementVectors % kInFlight == 0);
  const T* x = static_cast<const T*>(work.x);
  int shift = vector_shift(x);
  bool out_aligned = reinterpret_cast<uintptr_t>(out - shift) % (sizeof(U) * kVector<T>) == 0;
  int64_t start = static_cast<int64_t>(blockIdx.x) * kBlockElements<T> - shift;
  ScaleCursor<kMapped> cursor(work, start > 0 ? start : 0);
  PPQ_ROLLED for (int first = 0; first < kElementVectors; first += kInFlight) {
    int64_t mine = start + (first * kElementThreads + static_cast<int>(threadIdx.x)) * kVector<T>;
    Vector<T> values[kInFlight];
    PPQ_UNROLL for (int v = 0; v < kInFlight; ++v) {
      values[v] = load_vector(x, mine + v * kElementThreads * kVector<T>, work.count, true);
    }
    PPQ_UNROLL for (int v = 0; v < kInFlight; ++v) {
      int64_t begin = mine + v * kElementThreads * kVector<T>;
      if (begin >= work.count) return;
      cursor.seek(begin > 0 ? begin : 0);
      Vector<U, kVector<T>> result;
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        result.value[k] = compute(to_float(values[v].value[k]), cursor.scale(), cursor.offset());
        if (k + 1 < kVector<T> && begin + k >= 0) cursor.next();
      }
      store_vector<T>(out, begin, work.count, out_aligned, result);
    }
  }
}

template <class T>
int64_t element_blocks(const Elementwise& work) {
  int64_t elements = work.count + vector_shift(static_cast<const T*>(work.x));
  return (elements + kBlockElements<T> - 1) / kBlockElements<T>;
}

}  // namespace ppq::kernels::cuda
