#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/cuda/shim/shim_schedule.h"

/// Runs CUDA kernels on the host, for tests: kernels/cuda/device.cuh includes this instead of CUDA when PPQ_HOST_SHIM is
/// defined. A grid runs block by block; each thread of a block is a fiber that switches at barriers and shuffles and, under a
/// random schedule, at any shared or atomic access. Shared memory is watched: two threads that touch one element between the
/// same two barriers, one of them writing (and not both by atomics), are a race; reading what was never written, leaving the
/// array, and a barrier that not all threads reach are errors too. An error ends the launch with std::runtime_error.
namespace shim {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

void run_grid(int64_t grid, int block, int64_t shared_bytes, const std::function<void()>& kernel);
void barrier(const char* file, int line);
int barrier_or(bool predicate, const char* file, int line);
/// Value of the lane `lane ^ step` of the calling warp.
uint64_t shuffle_xor(uint64_t value, int step, const char* file, int line);
/// Whether `predicate` holds in any lane of the calling warp.
bool any_lane(bool predicate, const char* file, int line);
/// A place where a random schedule may switch threads.
void may_switch();
[[noreturn]] void fail(const std::string& problem);

unsigned current_thread();
uint64_t current_block();  ///< unique over all launches
uint32_t current_epoch();  ///< barriers passed in this block
int64_t dynamic_bytes();

enum class Access { Read, Write, Atomic };

/// Who touched one element since when.
struct Shadow {
  static constexpr uint32_t kNever = 0xffffffffu;
  uint32_t epoch[3] = {kNever, kNever, kNever};  ///< by Access: the last barrier interval
  uint16_t thread[3] = {};                       ///< one thread that did so in it
  bool many[3] = {};                             ///< others did, too
  bool written = false;
  /// Throws on a race.
  void touch(Access access, const char* name, size_t index);
};

template <class T>
class SharedStorage {
 public:
  explicit SharedStorage(const char* name) : name_(name) {}
  /// At a thread's entry: the block's first one gets fresh, unwritten memory.
  SharedStorage& enter(int64_t count) {
    if (block_ != current_block()) {
      block_ = current_block();
      values_.assign(static_cast<size_t>(count), T{});
      memset(static_cast<void*>(values_.data()), 0xa5, values_.size() * sizeof(T));
      shadows_.assign(static_cast<size_t>(count), Shadow{});
    }
    return *this;
  }
  T& touch(size_t index, Access access) {
    may_switch();
    if (index >= values_.size()) {
      fail("shared array " + std::string(name_) + ": index " + std::to_string(static_cast<int64_t>(index)) + " of " +
           std::to_string(values_.size()));
    }
    shadows_[index].touch(access, name_, index);
    return values_[index];
  }

 private:
  const char* name_;
  uint64_t block_ = 0;
  std::vector<T> values_;
  std::vector<Shadow> shadows_;
};

template <class T>
struct SharedPointer {
  SharedStorage<T>* storage;
  size_t index;
};
template <class T>
class SharedReference {
 public:
  SharedReference(SharedStorage<T>* storage, size_t index) : at_{storage, index} {}
  operator T() const { return at_.storage->touch(at_.index, Access::Read); }
  SharedReference& operator=(T value) {
    at_.storage->touch(at_.index, Access::Write) = value;
    return *this;
  }
  SharedReference& operator=(const SharedReference& other) { return *this = static_cast<T>(other); }
  SharedReference& operator+=(T value) { return *this = static_cast<T>(static_cast<T>(*this) + value); }
  SharedPointer<T> operator&() const { return at_; }

 private:
  SharedPointer<T> at_;
};
/// What a shared array decays to.
template <class T>
class SharedArray {
 public:
  SharedArray(SharedStorage<T>& storage, size_t start = 0) : storage_(&storage), start_(start) {}
  SharedReference<T> operator[](int64_t i) const { return {storage_, start_ + static_cast<size_t>(i)}; }
  SharedArray operator+(int64_t n) const { return {*storage_, start_ + static_cast<size_t>(n)}; }

 private:
  SharedStorage<T>* storage_;
  size_t start_;
};

inline Index thread_index, block_index, block_size, grid_size;

}  // namespace shim

#define threadIdx (::shim::thread_index)
#define blockIdx (::shim::block_index)
#define blockDim (::shim::block_size)
#define gridDim (::shim::grid_size)
#define __global__
#define __device__
#define __host__
#define __noinline__
#define __grid_constant__
#define __launch_bounds__(...)
#define __syncthreads() ::shim::barrier(__FILE__, __LINE__)
#define __syncthreads_or(predicate) ::shim::barrier_or((predicate) != 0, __FILE__, __LINE__)
#define __shfl_xor_sync(mask, value, step) ::shim::shuffle(value, step, __FILE__, __LINE__)
#define __any_sync(mask, predicate) ::shim::any_lane(predicate, __FILE__, __LINE__)
#define PPQ_UNROLL
#define PPQ_ROLLED
#define PPQ_SHARED(type, name, count)                      \
  static ::shim::SharedStorage<type> name##_memory(#name); \
  ::shim::SharedArray<type> name(name##_memory.enter(count))
#define PPQ_DYNAMIC_SHARED(type, name)                     \
  static ::shim::SharedStorage<type> name##_memory(#name); \
  ::shim::SharedArray<type> name(name##_memory.enter(::shim::dynamic_bytes() / static_cast<int64_t>(sizeof(type))))

namespace shim {

template <class T>
T shuffle(T value, int step, const char* file, int line) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  bits = shuffle_xor(bits, step, file, line);
  memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace shim

/// a × b + c rounded once, downwards; a × b must be exact in double (as all products of floats are).
inline float __fmaf_rd(float a, float b, float c) {
  const double product = static_cast<double>(a) * b, sum = product + c, part = sum - product;
  const double rest = (product - (sum - part)) + (c - part);  // what the sum lost
  const float result = static_cast<float>(sum);
  return result > sum || (result == sum && rest < 0) ? std::nextafter(result, -std::numeric_limits<float>::infinity()) : result;
}
inline uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t by) {
  return static_cast<uint32_t>((static_cast<uint64_t>(high) << 32 | low) >> (by & 31));
}
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint32_t>(static_cast<uint64_t>(a) * b >> 32); }

// Atomics on global memory (one host thread runs all: a switch only happens before them) and on shared memory.
template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  shim::may_switch();
  T old = *address;
  *address = old + value;
  return old;
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  shim::may_switch();
  T old = *address;
  *address = std::min(old, value);
  return old;
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  shim::may_switch();
  T old = *address;
  *address = std::max(old, value);
  return old;
}
template <class T>
T atomicAdd(shim::SharedPointer<T> at, std::type_identity_t<T> value) {
  T& place = at.storage->touch(at.index, shim::Access::Atomic);
  T old = place;
  place = old + value;
  return old;
}
template <class T>
T atomicMin(shim::SharedPointer<T> at, std::type_identity_t<T> value) {
  T& place = at.storage->touch(at.index, shim::Access::Atomic);
  T old = place;
  place = std::min(old, value);
  return old;
}
template <class T>
T atomicMax(shim::SharedPointer<T> at, std::type_identity_t<T> value) {
  T& place = at.storage->touch(at.index, shim::Access::Atomic);
  T old = place;
  place = std::max(old, value);
  return old;
}

struct CUstream_st;
namespace ppq::kernels::cuda {

template <class... Parameters, class... Arguments>
void launch_kernel(void (*kernel)(Parameters...), int64_t grid, int block, int64_t shared_bytes, CUstream_st*,
                   const Arguments&... arguments) {
  shim::run_grid(grid, block, shared_bytes, [&] { kernel(arguments...); });
}

}  // namespace ppq::kernels::cuda
