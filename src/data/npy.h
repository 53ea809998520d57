#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace ppq {

/// What the header of a .npy file says (format versions 1 to 3).
struct NpyHeader {
  char kind = 'f';    ///< numpy's kind letter: b, i, u, f, c
  int64_t width = 4;  ///< bytes an element
  bool big_endian = false, fortran_order = false;
  std::vector<int64_t> shape;
  int64_t data_offset = 0;
  int64_t elements() const;
};

/// Reads and checks a header and that the file is long enough. Throws Data: not a .npy file, object or string arrays,
/// structured types, truncated (with expected and found bytes).
NpyHeader read_npy_header(const std::string& path);

/// Rows first .. first + count along dimension 0 (all of a 0-dim array) in the narrowest LibTorch type that holds the
/// file's; float128 becomes float64.
at::Tensor read_npy_rows(const std::string& path, const NpyHeader& header, int64_t first, int64_t count);
/// The whole array.
at::Tensor read_npy(const std::string& path);

/// Writes a contiguous CPU tensor as a version 1 .npy file (little-endian, C order), beside and renamed when whole.
void write_npy(const std::string& path, const at::Tensor& tensor);

}  // namespace ppq
