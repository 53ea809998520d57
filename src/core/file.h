#pragma once

#include <string>

namespace ppq {

/// Whole file; throws Data ("no such file", "is a folder") at `path`.
std::string read_file(const std::string& path);
/// Writes beside `path` and renames when whole, so no half file is ever seen. Makes missing folders. Throws Resource.
void write_file(const std::string& path, const std::string& bytes);

/// Writes a file piece by piece where nobody sees it; `commit` puts it into place under its name. Without commit (an error,
/// a killed process) nothing stays. Devices and pipes (/dev/stdout) are written as they are, links followed. Throws Resource
/// (disk full, not writable).
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  void write(const void* data, size_t size);
  void write(const std::string& text) { write(text.data(), text.size()); }
  size_t position() const { return position_; }
  void commit();

 private:
  std::string path_, temporary_;
  int fd_ = -1;
  bool nameless_ = false, in_place_ = false;
  size_t position_ = 0;
};

}  // namespace ppq
