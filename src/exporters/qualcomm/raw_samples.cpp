// Samples as Qualcomm's tools read them: one headerless float32 file an input, and the list that names them.
#include <ATen/ATen.h>

#include <cstdio>

#include "core/file.h"
#include "data/sample_file.h"
#include "exporters/qualcomm/deploy.h"
#include "ppq/error.h"

namespace ppq {
namespace {

std::string file_part(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.') c = '_';
  return name;
}

/// [N, C, H, W] to [N, H, W, C], for inputs that are channels-first.
at::Tensor channels_last(const at::Tensor& value, const InputSpec& input) {
  if (value.dim() != 4 && value.dim() != 5) return value;
  SampleShape shape{input.name, input.dtype, value.sizes().vec()};
  return layout_of(shape, {}) == Layout::NCHW ? value.movedim(1, -1) : value;
}

}  // namespace

std::string raw_sample_path(const std::string& input, bool several, size_t index) {
  char number[32];
  std::snprintf(number, sizeof number, "%06zu", index);
  return "raw/" + (several ? file_part(input) + "/" : "") + number + ".raw";
}

size_t write_raw_samples(const Dataset& dataset, const std::vector<InputSpec>& inputs, const std::string& folder, Layout layout,
                         size_t count) {
  count = std::min(count, dataset.size());
  const bool several = inputs.size() > 1;
  std::string list;
  for (size_t i = 0; i < count; ++i) {
    const Tensors sample = dataset.sample(i);
    if (sample.size() != inputs.size())
      throw Error(ErrorKind::Internal, dataset.name(i),
                  "number of tensors: got " + std::to_string(sample.size()) + ", expected " + std::to_string(inputs.size()));
    for (size_t k = 0; k < inputs.size(); ++k) {
      const std::string path = raw_sample_path(inputs[k].name, several, i);
      at::Tensor value = sample[k].to(at::kCPU, at::kFloat);
      if (layout == Layout::NHWC) value = channels_last(value, inputs[k]);
      value = value.contiguous();
      AtomicFile file(folder + "/" + path);
      file.write(value.const_data_ptr<float>(), value.nbytes());
      file.commit();
      list += (k ? " " : "") + (several ? inputs[k].name + ":=" + path : path);
    }
    list += "\n";
  }
  write_file(folder + "/input_list.txt", list);
  return count;
}

}  // namespace ppq
