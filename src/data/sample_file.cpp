#include "data/sample_file.h"

#include <algorithm>
#include <filesystem>

#include "ppq/error.h"

namespace ppq {
namespace {

struct FormatRow {
  const char* suffix;
  SampleFilePtr (*open)(const std::string&, const SampleShape&, const DataOptions&);
};
constexpr FormatRow kFormats[] = {
    {".bin", open_raw_file},   {".raw", open_raw_file},    {".npy", open_npy_file},   {".pb", open_proto_file},
    {".jpg", open_image_file}, {".jpeg", open_image_file}, {".png", open_image_file},
};

const FormatRow* find_format(const std::string& path) {
  const std::string suffix = suffix_of(path);
  for (const FormatRow& row : kFormats)
    if (suffix == row.suffix) return &row;
  return nullptr;
}

}  // namespace

std::string suffix_of(const std::string& path) {
  std::string suffix = std::filesystem::path(path).extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return suffix;
}

bool is_sample_file(const std::string& path) { return find_format(path) != nullptr; }

SampleFilePtr open_sample_file(const std::string& path, const SampleShape& shape, const DataOptions& options) {
  const FormatRow* row = find_format(path);
  if (!row) {
    const std::string suffix = suffix_of(path);
    std::string known;
    for (const FormatRow& format : kFormats) known += (known.empty() ? "" : " ") + std::string(format.suffix);
    throw Error(ErrorKind::Data, path,
                "unknown kind of file: got " + (suffix.empty() ? "no suffix" : "'" + suffix + "'") + ", expected one of " + known,
                "raw float32 data may be called .bin");
  }
  return row->open(path, shape, options);
}

}  // namespace ppq
