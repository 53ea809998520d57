#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "onnx/proto.h"

namespace ppq {

/// A whole file mapped into memory, copy on write: stores into it stay in this process.
class MappedFile {
 public:
  /// Throws Model ("no such file", "is a folder", …) at `where`.
  MappedFile(const std::filesystem::path& path, const std::string& where);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

/// The external data files of one model: mapped once each, kept alive by the tensors that look into them.
class ExternalFiles {
 public:
  /// Only files inside `folder` are opened. An empty folder means a model from memory, which has no files.
  explicit ExternalFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  struct Range {
    std::shared_ptr<MappedFile> file;
    char* data;
  };
  /// The `bytes` bytes of an external tensor. Throws Model where the file, offset or length does not fit.
  Range find(const onnx::TensorProto& tensor, size_t bytes, const std::string& where);

 private:
  std::shared_ptr<MappedFile> open(const std::string& location, const std::string& where);
  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<MappedFile>> files_;
};

}  // namespace ppq
