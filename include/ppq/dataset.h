#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ppq/graph.h"
#include "ppq/tensors.h"

namespace ppq {

/// What a sample must look like: one entry for each graph input that is not a constant.
struct InputSpec {
  std::string name;
  DataType dtype = DataType::Float;
  Shape shape;
};
std::vector<InputSpec> input_specs(const Graph& graph);

/// Samples with random access. A sample holds one tensor for each graph input, with the leading batch dimension (1 for
/// image models), on the CPU. `sample` may be called from several threads.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual size_t size() const = 0;
  /// Throws Data naming the file: wrong size, shape, dtype, NaN or Inf with its position.
  virtual Tensors sample(size_t index) const = 0;
  /// What to call sample `index` in messages and output folders ("000123", "cat.jpg").
  virtual std::string name(size_t index) const = 0;
};
using DatasetPtr = std::shared_ptr<const Dataset>;

/// Samples held in memory.
DatasetPtr make_dataset(std::vector<Tensors> samples);
/// Single-input samples.
DatasetPtr make_dataset(std::vector<at::Tensor> samples);
/// A part of another dataset: indices into it.
DatasetPtr subset(DatasetPtr base, std::vector<size_t> indices);
/// The same samples, each tensor passed through `collate`.
DatasetPtr map_dataset(DatasetPtr base, std::function<at::Tensor(const at::Tensor&)> collate);

enum class Layout { Auto, NCHW, NHWC };

/// How files become samples. Images have no defaults that change pixel values: mean, std and color must be given.
struct DataOptions {
  std::vector<std::pair<std::string, std::vector<int64_t>>> input_shapes;  ///< by input name; "" is the only input
  bool native_dtype = false;
  Layout raw_layout = Layout::NCHW;  ///< of .bin and .raw files
  Layout layout = Layout::Auto;      ///< of the model's image input
  std::optional<int64_t> resize_shorter;
  std::optional<std::pair<int64_t, int64_t>> image_size, crop;  ///< height, width
  std::vector<double> mean, std;                                ///< on the 0..255 scale; one value or one a channel
  std::string color;                                            ///< rgb, bgr, gray
  bool allow_non_finite = false;
  std::string option_prefix;  ///< what errors put before the name of an option: "--" on a command line
  std::string option(const char* name) const { return option_prefix + name; }
};

/// Opens a folder, a file, or an input list. Throws Data (missing, empty, unknown
/// suffix) and Usage (image options missing).
DatasetPtr open_dataset(const std::string& path, const std::vector<InputSpec>& inputs, const DataOptions& options);

/// Concatenates samples into batches along dimension 0, loading ahead on its own threads. The last batch may be smaller.
class BatchLoader {
 public:
  BatchLoader(DatasetPtr dataset, size_t batch_size, size_t threads = 2);
  ~BatchLoader();
  struct Batch {
    Tensors tensors;
    size_t first = 0, count = 0;  ///< samples first .. first+count of the dataset
  };
  /// The next batch, or nullopt at the end. Rethrows loading errors.
  std::optional<Batch> next();
  /// From now on batches of several samples are put together in pinned memory, which a GPU copies from by itself.
  void collate_pinned();
  size_t batch_count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ppq
