// Σ(q-f)², Σf², Σq², Σqf in float64. Blocks: at most kErrorBlocks, each takes chunks of 256 threads × 2 vectors of 16 bytes,
// a grid apart. Traffic: reads q and f once; 32 bytes a block for the sums. Deterministic: the grid depends on the size
// alone, threads add in a fixed order, blocks in a fixed tree, and a last block of one adds theirs in a fixed order.
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/vectors.cuh"

namespace ppq::kernels::cuda {
namespace {

constexpr int kSumThreads = 256, kSumVectors = 2;

template <class T>
__global__ void __launch_bounds__(kSumThreads) error_sums_kernel(const T* quantized, const T* reference, int64_t count, double* partials) {
  PPQ_SHARED(double, scratch, 4 * kSumThreads / 32);
  int shift = vector_shift(quantized);
  bool aligned = (reinterpret_cast<uintptr_t>(quantized) - reinterpret_cast<uintptr_t>(reference)) % 16 == 0;
  double sums[4] = {0, 0, 0, 0};
  int64_t chunk = static_cast<int64_t>(kSumThreads) * kSumVectors * kVector<T>;
  for (int64_t start = blockIdx.x * chunk - shift; start < count; start += gridDim.x * chunk) {
    Vector<T> q[kSumVectors], f[kSumVectors];
    PPQ_UNROLL for (int v = 0; v < kSumVectors; ++v) {
      int64_t begin = start + (v * kSumThreads + static_cast<int>(threadIdx.x)) * kVector<T>;
      q[v] = load_vector(quantized, begin, count, true);
      f[v] = load_vector(reference, begin, count, aligned);
    }
    // Elements outside are loaded as zeros, which add nothing.
    PPQ_UNROLL for (int v = 0; v < kSumVectors; ++v) {
      PPQ_UNROLL for (int k = 0; k < kVector<T>; ++k) {
        double a = to_float(q[v].value[k]), b = to_float(f[v].value[k]), difference = a - b;
        sums[0] += difference * difference;
        sums[1] += b * b;
        sums[2] += a * a;
        sums[3] += a * b;
      }
    }
  }
  PPQ_UNROLL for (int i = 0; i < 4; ++i) {
    double sum = block_sum<kSumThreads>(sums[i], scratch + i * (kSumThreads / 32));
    if (threadIdx.x == 0) partials[4 * static_cast<int64_t>(blockIdx.x) + i] = sum;
  }
}

__global__ void __launch_bounds__(kSumThreads) error_sums_finish_kernel(const double* partials, int parts, double* result) {
  PPQ_SHARED(double, scratch, 4 * kSumThreads / 32);
  PPQ_UNROLL for (int i = 0; i < 4; ++i) {
    double sum = 0;
    for (int part = static_cast<int>(threadIdx.x); part < parts; part += kSumThreads) sum += partials[4 * part + i];
    sum = block_sum<kSumThreads>(sum, scratch + i * (kSumThreads / 32));
    if (threadIdx.x == 0) result[i] = sum;
  }
}

}  // namespace

void launch_error_sums(const void* quantized, const void* reference, int64_t count, DType dtype, double* partials, double* sums,
                       Stream stream) {
  int64_t blocks = 0;
  with_storage(dtype, [&](auto storage) {
    using T = decltype(storage);
    int64_t chunk = static_cast<int64_t>(kSumThreads) * kSumVectors * kVector<T>;
    blocks = (count + kVector<T> - 1 + chunk - 1) / chunk;
    blocks = blocks < kErrorBlocks ? blocks : kErrorBlocks;
    launch_kernel(error_sums_kernel<T>, blocks, kSumThreads, 0, stream, static_cast<const T*>(quantized), static_cast<const T*>(reference),
                  count, partials);
  });
  launch_kernel(error_sums_finish_kernel, 1, kSumThreads, 0, stream, static_cast<const double*>(partials), static_cast<int>(blocks), sums);
}

}  // namespace ppq::kernels::cuda
