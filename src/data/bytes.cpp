#include "data/bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ppq/error.h"

namespace ppq {

int64_t file_bytes(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) throw Error(ErrorKind::Data, path, std::string("cannot open: ") + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) throw Error(ErrorKind::Data, path, "not a file: got a folder or device, expected a file");
  return info.st_size;
}

void read_bytes(const std::string& path, int64_t offset, int64_t count, void* out) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error(ErrorKind::Data, path, std::string("cannot open: ") + std::strerror(errno));
  int64_t done = 0;
  while (done < count) {
    const ssize_t n = pread(fd, static_cast<char*>(out) + done, static_cast<size_t>(count - done), offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const std::string why =
          n < 0 ? std::strerror(errno)
                : "the file ends at byte " + std::to_string(offset + done) + ", expected " + std::to_string(offset + count);
      close(fd);
      throw Error(ErrorKind::Data, path, "cannot read: " + why);
    }
    done += n;
  }
  close(fd);
}

void swap_bytes(void* data, int64_t count, int64_t width) {
  if (width < 2) return;
  auto* bytes = static_cast<unsigned char*>(data);
  for (int64_t i = 0; i < count; ++i) std::reverse(bytes + i * width, bytes + (i + 1) * width);
}

}  // namespace ppq
