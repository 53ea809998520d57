#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ppq/error.h"

namespace ppq {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_write(const std::string& path, int error) {
  const std::string hint =
      error == ENOSPC || error == EDQUOT ? "free some space or choose another folder" : "choose a folder you may write to";
  throw Error(ErrorKind::Resource, path, std::string("cannot write: ") + std::strerror(error), hint);
}

}  // namespace

std::string read_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw Error(ErrorKind::Data, path, "no such file");
  if (S_ISDIR(info.st_mode)) throw Error(ErrorKind::Data, path, "is a folder, expected a file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(ErrorKind::Data, path, std::string("cannot read: ") + std::strerror(errno));
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(stream.gcount()));
  // Pipes and /proc files have no size beforehand.
  if (bytes.empty()) bytes.assign(std::istreambuf_iterator<char>(stream.seekg(0)), {});
  return bytes;
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  std::error_code error;
  // A link keeps pointing where it points; its file is what gets replaced.
  if (fs::is_symlink(path_, error) && fs::exists(path_, error)) path_ = fs::canonical(path_).string();
  error.clear();  // "there is no such file" is the usual case
  const fs::path folder = fs::path(path_).parent_path();
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error) fail_write(folder.string(), error.value());
  if (fs::is_directory(path_, error)) throw Error(ErrorKind::Resource, path_, "is a folder, expected a file to write");
  in_place_ = fs::exists(path_, error) && !fs::is_regular_file(path_, error);
  if (in_place_) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail_write(path_, errno);
    return;
  }
  temporary_ = path_ + ".partial-" + std::to_string(::getpid());
  // A file without a name: whatever kills the process, nothing stays behind. Not every file system has it.
  fd_ = ::open(folder.empty() ? "." : folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
  nameless_ = fd_ >= 0;
  if (!nameless_) fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_write(path_, errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    if (!nameless_ && !in_place_) ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(const void* data, size_t size) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd_, bytes, std::min(size, size_t{1} << 30));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_write(path_, errno);
    }
    bytes += written;
    size -= static_cast<size_t>(written);
    position_ += static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  // A full disk may only show when the data is flushed.
  if (::fsync(fd_) != 0 && errno != EINVAL && errno != EROFS) fail_write(path_, errno);
  if (nameless_) {
    const std::string handle = "/proc/self/fd/" + std::to_string(fd_);
    ::unlink(temporary_.c_str());
    if (::linkat(AT_FDCWD, handle.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) fail_write(path_, errno);
  }
  const int closed = ::close(fd_);
  fd_ = -1;
  if (in_place_) {
    if (closed != 0) fail_write(path_, errno);
    return;
  }
  if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail_write(path_, error);
  }
}

void write_file(const std::string& path, const std::string& bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace ppq
