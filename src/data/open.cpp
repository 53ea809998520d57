// What samples come from: a folder, a file, an input list; and the samples in it.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "core/log.h"
#include "data/input_list.h"
#include "data/sample_file.h"
#include "ppq/error.h"

namespace ppq {
namespace {

namespace fs = std::filesystem;

/// The files of one input, seen as one long list of rows.
class RowIndex {
 public:
  void add(SampleFilePtr file) {
    ends_.push_back(rows() + file->rows());
    files_.push_back(std::move(file));
  }
  int64_t rows() const { return ends_.empty() ? 0 : ends_.back(); }
  size_t files() const { return files_.size(); }

  at::Tensor read(int64_t first, int64_t count) const {
    std::vector<at::Tensor> parts;
    for (size_t f = file_of(first); count > 0; ++f) {
      const int64_t begin = first - (ends_[f] - files_[f]->rows());
      const int64_t take = std::min(count, files_[f]->rows() - begin);
      parts.push_back(files_[f]->read(begin, take));
      first += take;
      count -= take;
    }
    return parts.size() == 1 ? parts[0] : at::cat(parts);
  }

  /// "cat.jpg", or "batch_000007.npy" for row 7 of a file of several.
  std::string name(int64_t row, int64_t rows_per_sample) const {
    const SampleFile& file = *files_[file_of(row)];
    const fs::path path(file.path());
    if (file.rows() <= rows_per_sample) return path.filename().string();
    const int64_t within = row - (ends_[file_of(row)] - file.rows());
    char number[32];
    std::snprintf(number, sizeof number, "_%06lld", static_cast<long long>(within / rows_per_sample));
    return path.stem().string() + number + path.extension().string();
  }

 private:
  size_t file_of(int64_t row) const { return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin()); }
  std::vector<SampleFilePtr> files_;
  std::vector<int64_t> ends_;
};

class FileDataset : public Dataset {
 public:
  FileDataset(const std::string& path, std::vector<SampleShape> shapes, std::vector<RowIndex> inputs)
      : path_(path), shapes_(std::move(shapes)), inputs_(std::move(inputs)) {
    std::string counts;
    bool differ = false;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const int64_t samples = inputs_[i].rows() / shapes_[i].rows();
      if (i == 0) size_ = samples;
      differ |= samples != size_;
      counts += (i ? ", " : "") + shapes_[i].name + " " + std::to_string(samples);
    }
    if (differ)
      throw Error(ErrorKind::Data, path, "number of samples differs between inputs: got " + counts + ", expected the same for each");
    if (size_ == 0)
      throw Error(ErrorKind::Data, path,
                  "no samples: got " + std::to_string(inputs_[0].rows()) + " rows, expected at least " + std::to_string(shapes_[0].rows()) +
                      " (the model's fixed batch)");
    const int64_t left = inputs_[0].rows() % shapes_[0].rows();
    if (left)
      log_warning("[" + path + "] " + std::to_string(left) + " rows at the end do not fill the model's batch of " +
                  std::to_string(shapes_[0].rows()) + " and are left out");
    make_names();
  }

  size_t size() const override { return static_cast<size_t>(size_); }
  std::string name(size_t index) const override { return names_.at(index); }
  Tensors sample(size_t index) const override {
    if (index >= size())
      throw Error(ErrorKind::Internal, path_, "sample index: got " + std::to_string(index) + ", expected below " + std::to_string(size_));
    Tensors tensors;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const int64_t rows = shapes_[i].rows();
      tensors.push_back(inputs_[i].read(static_cast<int64_t>(index) * rows, rows));
    }
    return tensors;
  }

 private:
  void make_names() {
    std::map<std::string, int> seen;
    for (int64_t i = 0; i < size_; ++i) ++seen[names_.emplace_back(inputs_[0].name(i * shapes_[0].rows(), shapes_[0].rows()))];
    for (size_t i = 0; i < names_.size(); ++i) {
      if (seen[names_[i]] == 1) continue;
      char number[32];
      std::snprintf(number, sizeof number, "%06zu_", i);
      names_[i] = number + names_[i];
    }
  }

  std::string path_;
  std::vector<SampleShape> shapes_;
  std::vector<RowIndex> inputs_;
  std::vector<std::string> names_;
  int64_t size_ = 0;
};

/// Files that often lie beside samples and are none.
bool is_companion(const fs::path& path) {
  static constexpr const char* kSuffixes[] = {".txt", ".json", ".csv", ".md", ".yaml", ".yml"};
  const std::string suffix = suffix_of(path.string());
  return path.filename().string().starts_with(".") || std::find(std::begin(kSuffixes), std::end(kSuffixes), suffix) != std::end(kSuffixes);
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  std::string companions;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) continue;
    if (is_companion(entry.path()))
      companions += " " + entry.path().filename().string();
    else
      files.push_back(entry.path().string());
  }
  if (files.empty())
    throw Error(ErrorKind::Data, folder,
                "empty folder: got no sample files" + (companions.empty() ? "" : " (only" + companions + ")") +
                    ", expected .bin .raw .npy .pb .jpg .jpeg or .png");
  std::sort(files.begin(), files.end());
  return files;
}

/// A tensor name as a folder name.
std::string folder_name(std::string name) {
  for (char& c : name)
    if (c == '/' || c == ':' || c == '\\') c = '_';
  return name;
}

fs::path sub_folder(const fs::path& folder, const std::string& input) {
  // Names with slashes: both as nested folders and with underscores.
  for (const fs::path& candidate : {folder / fs::path(input).relative_path(), folder / folder_name(input)})
    if (fs::is_directory(candidate)) return candidate;
  return {};
}

RowIndex index_files(const std::vector<std::string>& files, const SampleShape& shape, const DataOptions& options) {
  RowIndex index;
  for (const std::string& file : files) index.add(open_sample_file(file, shape, options));
  return index;
}

std::vector<RowIndex> open_folder(const std::string& path, const std::vector<SampleShape>& shapes, const DataOptions& options) {
  std::vector<RowIndex> inputs;
  std::string missing, names;
  for (const SampleShape& shape : shapes) {
    names += (names.empty() ? "" : ", ") + folder_name(shape.name);
    if (sub_folder(path, shape.name).empty()) missing += (missing.empty() ? "" : ", ") + folder_name(shape.name);
  }
  if (shapes.size() > 1 && !missing.empty())
    throw Error(ErrorKind::Data, path,
                "the model has " + std::to_string(shapes.size()) + " inputs: got no sub-folder " + missing +
                    ", expected one sub-folder for each (" + names + ")",
                "or give a .txt list with lines name:=path name:=path");
  for (const SampleShape& shape : shapes) {
    const fs::path folder = sub_folder(path, shape.name);
    inputs.push_back(index_files(files_in(folder.empty() ? path : folder.string()), shape, options));
  }
  return inputs;
}

std::vector<RowIndex> open_list(const std::string& path, const std::vector<SampleShape>& shapes, const DataOptions& options) {
  std::vector<std::string> names;
  for (const SampleShape& shape : shapes) names.push_back(shape.name);
  const std::vector<InputListLine> lines = read_input_list(path, names);
  if (lines.empty()) throw Error(ErrorKind::Data, path, "no samples: got a list without lines, expected one line a sample");
  std::vector<RowIndex> inputs(shapes.size());
  for (const InputListLine& line : lines) {
    with_error_context(ErrorKind::Data, path + ":" + std::to_string(line.number), [&] {
      for (size_t i = 0; i < shapes.size(); ++i) {
        const int64_t before = inputs[i].rows();
        inputs[i].add(open_sample_file(line.paths[i], shapes[i], options));
        if (i && (inputs[i].rows() - before) * shapes[0].rows() != inputs[0].rows() * shapes[i].rows() - before * shapes[0].rows())
          throw Error(ErrorKind::Data, line.paths[i], "number of samples differs between the files of one line");
      }
    });
  }
  return inputs;
}

}  // namespace

DatasetPtr open_dataset(const std::string& path, const std::vector<InputSpec>& inputs, const DataOptions& options) {
  if (inputs.empty()) throw Error(ErrorKind::Model, path, "the model has no inputs, so it takes no samples");
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw Error(ErrorKind::Data, path, "no such file or folder: expected samples (a folder, a file or a .txt list)");
  const std::vector<SampleShape> shapes = resolve_shapes(inputs, options);
  std::vector<RowIndex> rows;
  if (fs::is_directory(path)) {
    rows = open_folder(path, shapes, options);
  } else if (suffix_of(path) == ".txt") {
    rows = open_list(path, shapes, options);
  } else if (shapes.size() > 1) {
    throw Error(ErrorKind::Data, path,
                "the model has " + std::to_string(shapes.size()) +
                    " inputs: got one file, expected a folder with one sub-folder for each input, or a .txt list");
  } else {
    rows.push_back(index_files({path}, shapes[0], options));
  }
  return std::make_shared<FileDataset>(path, shapes, std::move(rows));
}

}  // namespace ppq
