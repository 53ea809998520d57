#pragma once

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/launch.h"

namespace ppq::kernels::cuda {

/// n < 2^31.
__device__ inline uint32_t fast_divide(uint32_t n, const FastDivide& by) { return (__umulhi(n, by.magic) + n) >> by.shift; }

/// Finds scales for the elements from `start` on (at most 2^20 of them), with 32-bit arithmetic after one 64-bit division.
class ScaleFinder {
 public:
  __device__ ScaleFinder(const ScaleMap& map, int64_t start, int64_t count) : map_(map), start_(start) {
    if (count < int64_t{1} << 31) {
      uint32_t row = static_cast<uint32_t>(start),
               inner = map.inner < count ? static_cast<uint32_t>(map.inner) : static_cast<uint32_t>(count);
      column_ = row % inner;
      row /= inner;
      axis_ = row % static_cast<uint32_t>(map.axis);
      outer_ = row / static_cast<uint32_t>(map.axis);
    } else {
      int64_t row = start / map.inner;
      column_ = start - row * map.inner;
      outer_ = row / map.axis;
      axis_ = static_cast<uint32_t>(row - outer_ * map.axis);
    }
  }

  /// The scale of element i, and how many elements from i on share it or (inner_stride) follow it in steps of one.
  __device__ int64_t find(int64_t i, int32_t& run) const {
    int64_t column = column_ + (i - start_);
    uint32_t rows;
    if (map_.inner < int64_t{1} << 30) {
      rows = fast_divide(static_cast<uint32_t>(column), map_.by_inner);
      column -= rows * map_.inner;
    } else {
      rows = column >= map_.inner ? 1 : 0;
      column -= rows ? map_.inner : 0;
    }
    uint32_t axis = axis_ + rows, outer = fast_divide(axis, map_.by_axis);
    axis -= outer * static_cast<uint32_t>(map_.axis);
    uint32_t block = fast_divide(axis, map_.by_block);
    int64_t left = map_.inner - column;
    if (map_.inner_stride == 0) {
      // The axis may end within a block.
      uint32_t size = static_cast<uint32_t>(map_.block), within = size - 1 - (axis - block * size),
               rest = static_cast<uint32_t>(map_.axis) - 1 - axis;
      left += static_cast<int64_t>(within < rest ? within : rest) * map_.inner;
    }
    run = left < (1 << 30) ? static_cast<int32_t>(left) : 1 << 30;
    return (outer_ + outer) * map_.outer_stride + block * map_.block_stride + column * map_.inner_stride;
  }

 private:
  const ScaleMap& map_;
  int64_t start_, column_, outer_;
  uint32_t axis_;
};

/// Hands out scale and offset element after element.
template <bool kMapped>
class ScaleCursor;

template <>
class ScaleCursor<false> {
 public:
  __device__ ScaleCursor(const Elementwise& work, int64_t) : scale_(work.scale[0]), offset_(work.offset[0]) {}
  __device__ void seek(int64_t) {}
  __device__ void next() {}
  __device__ float scale() const { return scale_; }
  __device__ float offset() const { return offset_; }

 private:
  float scale_, offset_;
};

template <>
class ScaleCursor<true> {
 public:
  __device__ ScaleCursor(const Elementwise& work, int64_t start) : work_(work), finder_(work.map, start, work.count) {}
  __device__ void seek(int64_t i) {
    at_ = i;
    if (i < work_.count) load(finder_.find(i, run_));
  }
  __device__ void next() {
    ++at_;
    if (--run_ == 0) {
      seek(at_);
    } else if (work_.map.inner_stride != 0 && at_ < work_.count) {  // the last vector may reach beyond the tensor
      load(index_ + 1);
    }
  }
  __device__ float scale() const { return scale_; }
  __device__ float offset() const { return offset_; }

 private:
  __device__ void load(int64_t index) {
    index_ = index;
    scale_ = work_.scale[index];
    offset_ = work_.offset[index];
  }

  const Elementwise& work_;
  ScaleFinder finder_;
  int64_t at_ = 0, index_ = 0;
  int32_t run_ = 0;
  float scale_ = 1, offset_ = 0;
};

}  // namespace ppq::kernels::cuda
