#include "onnx/external_data.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "ppq/error.h"

namespace ppq {
namespace {

namespace fs = std::filesystem;

size_t parse_size(const std::string& text, const char* key, const std::string& where) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw Error(ErrorKind::Model, where, std::string("bad ") + key + " of external data: got '" + text + "', expected a number of bytes");
  return value;
}

bool is_inside(const fs::path& folder, const fs::path& file) {
  const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  return end == folder.end() && rest != file.end();
}

}  // namespace

MappedFile::MappedFile(const fs::path& path, const std::string& where) {
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) throw Error(ErrorKind::Model, where, "no such file: got " + path.string(), "check the path");
    throw Error(ErrorKind::Model, where, "cannot read " + path.string() + ": " + std::strerror(errno), "check the file's permissions");
  }
  struct stat info {};
  const bool known = ::fstat(fd, &info) == 0;
  if (!known || !S_ISREG(info.st_mode)) {
    ::close(fd);
    throw Error(ErrorKind::Model, where,
                path.string() + (known && S_ISDIR(info.st_mode) ? " is a folder" : " is not a regular file") + ", expected a file",
                "give the path of the .onnx file itself");
  }
  size_ = static_cast<size_t>(info.st_size);
  if (size_ > 0) {
    void* mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    const int error = errno;
    ::close(fd);
    if (mapped == MAP_FAILED)
      throw Error(ErrorKind::Resource, where, "cannot map " + path.string() + " into memory: " + std::strerror(error));
    data_ = static_cast<char*>(mapped);
  } else {
    ::close(fd);
  }
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

std::shared_ptr<MappedFile> ExternalFiles::open(const std::string& location, const std::string& where) {
  if (auto it = files_.find(location); it != files_.end()) return it->second;
  const std::string hint = "put the data file beside the model and name it by a relative path";
  if (folder_.empty())
    throw Error(ErrorKind::Model, where, "has external data in '" + location + "', but the model comes from memory",
                "read the model from its file");
  const fs::path relative(location);
  if (location.empty() || relative.is_absolute())
    throw Error(ErrorKind::Model, where,
                "external data outside the model's folder: got location '" + location + "', expected a relative path", hint);
  for (const auto& part : relative)
    if (part == "..")
      throw Error(ErrorKind::Model, where,
                  "external data outside the model's folder: got location '" + location + "', expected a path without '..'", hint);
  // Links are followed first, so that a link out of the folder is seen as what it leads to.
  std::error_code error;
  const fs::path folder = fs::canonical(folder_, error);
  const fs::path file = error ? fs::path() : fs::canonical(folder / relative, error);
  if (error)
    throw Error(ErrorKind::Model, where,
                "external data file is missing: got '" + (folder_ / relative).string() + "' (" + error.message() + ")", hint);
  if (!is_inside(folder, file))
    throw Error(ErrorKind::Model, where, "external data outside the model's folder: '" + location + "' is a link to " + file.string(),
                hint);
  auto mapped = std::make_shared<MappedFile>(file, where);
  files_.emplace(location, mapped);
  return mapped;
}

ExternalFiles::Range ExternalFiles::find(const onnx::TensorProto& tensor, size_t bytes, const std::string& where) {
  std::string location;
  size_t offset = 0, length = bytes;
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = parse_size(entry.value(), "offset", where);
    if (entry.key() == "length") length = parse_size(entry.value(), "length", where);
  }
  if (length != bytes)
    throw Error(ErrorKind::Model, where,
                "wrong number of bytes of external data: got " + std::to_string(length) + ", expected " + std::to_string(bytes),
                "export the model again");
  auto file = open(location, where);
  if (offset > file->size() || bytes > file->size() - offset)
    throw Error(ErrorKind::Model, where,
                "external data file '" + location + "' is too short: got " + std::to_string(file->size()) + " bytes, expected " +
                    std::to_string(bytes) + " at offset " + std::to_string(offset),
                "copy the whole file again");
  return {file, file->data() + offset};
}

}  // namespace ppq
