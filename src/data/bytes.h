#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ppq {

/// Size of a file; throws Data (missing, a folder).
int64_t file_bytes(const std::string& path);
/// `count` bytes at `offset`, into `out`; throws Data when the file ends before.
void read_bytes(const std::string& path, int64_t offset, int64_t count, void* out);
/// Reverses the bytes of each of `count` elements of `width` bytes, in place.
void swap_bytes(void* data, int64_t count, int64_t width);

}  // namespace ppq
