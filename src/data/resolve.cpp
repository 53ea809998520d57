#include <algorithm>

#include "data/sample_file.h"
#include "ppq/error.h"

namespace ppq {

std::vector<InputSpec> input_specs(const Graph& graph) {
  std::vector<InputSpec> specs;
  for (const Value* value : graph.inputs()) {
    if (value->is_constant()) continue;
    if (!value->shape)
      specs.push_back({value->name(), value->dtype, {}});
    else
      specs.push_back({value->name(), value->dtype, *value->shape});
  }
  return specs;
}

namespace {

std::string shape_text(const std::vector<int64_t>& dims) {
  std::string text;
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? "x" : "") + (dims[i] < 0 ? "?" : std::to_string(dims[i]));
  return text.empty() ? "scalar" : text;
}

std::vector<int64_t> with_given(const InputSpec& spec, const std::vector<int64_t>& given, const DataOptions& options) {
  // An input whose rank is unknown comes here with an empty shape, and any given shape fits it.
  if (!spec.shape.empty()) {
    bool fits = given.size() == spec.shape.size();
    for (size_t i = 0; fits && i < given.size(); ++i) fits = !spec.shape[i].known() || given[i] < 0 || given[i] == spec.shape[i].value;
    if (!fits)
      throw Error(ErrorKind::Usage, options.option("input-shape") + " " + spec.name,
                  "shape does not fit the model: got " + shape_text(given) + ", expected " + to_string(spec.shape));
  }
  std::vector<int64_t> dims = given;
  for (size_t i = 0; i < spec.shape.size(); ++i)
    if (dims[i] < 0 && spec.shape[i].known()) dims[i] = spec.shape[i].value;
  return dims;
}

/// A dimension is the batch when it leads, or bears the symbol of another input's leading dimension.
bool is_batch(const std::vector<InputSpec>& inputs, const InputSpec& spec, size_t axis) {
  if (axis == 0) return true;
  const std::string& symbol = spec.shape[axis].symbol;
  if (symbol.empty()) return false;
  for (const InputSpec& other : inputs)
    if (!other.shape.empty() && !other.shape[0].known() && other.shape[0].symbol == symbol) return true;
  return false;
}

}  // namespace

std::vector<SampleShape> resolve_shapes(const std::vector<InputSpec>& inputs, const DataOptions& options) {
  std::vector<std::string> names;
  for (const InputSpec& spec : inputs) names.push_back(spec.name);
  // A shape without a name is that of the only input.
  auto matches = [&](const std::string& given, const std::string& name) { return given == name || (given.empty() && inputs.size() == 1); };
  for (const auto& [name, dims] : options.input_shapes) {
    if (!(name.empty() && inputs.size() == 1) && std::find(names.begin(), names.end(), name) == names.end())
      throw Error(ErrorKind::Usage, options.option("input-shape"), "no such input: got '" + name + "', expected an input of the model",
                  did_you_mean(name, names));
  }
  const bool image_sized = options.image_size || options.crop;
  std::vector<SampleShape> result;
  for (const InputSpec& spec : inputs) {
    SampleShape shape{spec.name, spec.dtype, {}};
    auto given = std::find_if(options.input_shapes.rbegin(), options.input_shapes.rend(),
                              [&](const auto& entry) { return matches(entry.first, spec.name); });
    if (given != options.input_shapes.rend()) {
      shape.dims = with_given(spec, given->second, options);
      if (!shape.dims.empty() && shape.dims[0] < 0) shape.dims[0] = 1;
    } else {
      std::vector<int64_t> suggestion;
      bool open = false;
      for (size_t i = 0; i < spec.shape.size(); ++i) {
        const Dim& dim = spec.shape[i];
        const bool batch = !dim.known() && is_batch(inputs, spec, i);
        shape.dims.push_back(dim.known() ? dim.value : batch ? 1 : -1);
        suggestion.push_back(dim.known() ? dim.value : batch ? 1 : 224);
        open |= !dim.known() && !batch;
      }
      if (open && !(image_sized && spec.shape.size() == 4))
        throw Error(ErrorKind::Data, "input " + spec.name,
                    "the model leaves dimensions open: got " + to_string(spec.shape) + ", expected numbers (only the batch may stay open)",
                    "say the shape, for example " + options.option("input-shape") + " " + spec.name + ":" + shape_text(suggestion));
    }
    for (int64_t dim : shape.dims)
      if (dim == 0)
        throw Error(ErrorKind::Data, "input " + spec.name, "empty shape: got " + shape_text(shape.dims) + ", expected positive dimensions");
    result.push_back(std::move(shape));
  }
  return result;
}

Layout layout_of(const SampleShape& shape, const DataOptions& options) {
  if (options.layout != Layout::Auto) return options.layout;
  auto channels = [](int64_t dim) { return dim == 1 || dim == 3; };
  const bool last = shape.dims.size() == 4 && channels(shape.dims[3]) && !channels(shape.dims[1]);
  return last ? Layout::NHWC : Layout::NCHW;
}

}  // namespace ppq
