#include "fuzz/mutations.h"

namespace ppq::fuzz {
namespace {

using onnx::TensorProto;

void add(TensorProto& tensor, const std::string& key, const std::string& value) {
  auto* entry = tensor.add_external_data();
  entry->set_key(key);
  entry->set_value(value);
}

std::string change_dims(Work& work, Random& random) {
  auto* tensor = work.tensor(random);
  if (!tensor) return "";
  if (tensor->dims_size() && !random.one_in(4))
    tensor->set_dims(static_cast<int>(random.below(static_cast<size_t>(tensor->dims_size()))), random.pick(kIntegers));
  else
    tensor->add_dims(random.one_in(2) ? 1 : random.pick(kIntegers));
  return "dimensions of " + tensor->name();
}

/// No elements, more of them, or the same ones in another shape: the tensor itself stays whole.
std::string reshape(Work& work, Random& random) {
  auto* tensor = work.tensor(random);
  if (!tensor || tensor->data_location() == TensorProto::EXTERNAL) return "";
  switch (random.below(4)) {
    case 0:
      if (tensor->dims_size() == 0) return "";
      tensor->clear_raw_data(), tensor->clear_float_data(), tensor->clear_int32_data(), tensor->clear_int64_data();
      tensor->set_dims(0, 0);
      return tensor->name() + " is empty";
    case 1: {
      int64_t count = 1;
      for (const int64_t dim : tensor->dims()) count *= dim;
      tensor->clear_dims();
      tensor->add_dims(count);
      return tensor->name() + " is flat";
    }
    case 2:
      for (int i = random.one_in(4) ? 70 : 1; i > 0; --i) tensor->add_dims(1);
      return tensor->name() + " of more dimensions";
    default: {
      if (tensor->dims_size() == 0 || !tensor->has_raw_data() || tensor->raw_data().size() > 100000) return "";
      tensor->set_dims(0, tensor->dims(0) * 2);
      tensor->set_raw_data(tensor->raw_data() + tensor->raw_data());
      return tensor->name() + " twice as long";
    }
  }
}

std::string change_element_type(Work& work, Random& random) {
  auto* tensor = work.tensor(random);
  if (!tensor) return "";
  const int type = static_cast<int>(random.below(28)) - 1;
  tensor->set_data_type(type);
  return tensor->name() + " of element type " + std::to_string(type);
}

/// The same numbers as another type: the graph around stays possible where the operators allow it.
std::string convert(Work& work, Random& random) {
  auto* tensor = work.tensor(random);
  if (!tensor || tensor->int64_data_size() == 0) return "";
  tensor->set_data_type(TensorProto::INT32);
  for (const int64_t value : tensor->int64_data()) tensor->add_int32_data(static_cast<int32_t>(value));
  tensor->clear_int64_data();
  return tensor->name() + " in int32";
}

/// Its data goes to the file beside the model, or to where there is none.
std::string make_external(Work& work, Random& random) {
  auto* tensor = work.tensor(random);
  if (!tensor) return "";
  std::string bytes = tensor->raw_data();
  for (const float value : tensor->float_data()) bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  for (const int64_t value : tensor->int64_data()) bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  tensor->clear_raw_data(), tensor->clear_float_data(), tensor->clear_int64_data();
  if (!random.one_in(8)) tensor->set_data_location(TensorProto::EXTERNAL);
  const std::string locations[] = {
      "model.data", "model.data", "model.data",           "../model.data",        "/etc/passwd",          "/dev/zero", "gone.data", "",
      ".",          "..",         "sub/../../model.data", std::string(5000, 'a'), std::string("a\0b", 3), "model.onnx"};
  const std::string numbers[] = {"1", "-1", "4096", "18446744073709551615", "99999999999999999999", "x",
                                 "",  " 4", "0x10", "9223372036854775807"};
  const std::string location = random.pick(locations);
  add(*tensor, "location", location);
  // Not aligned now and then.
  if (random.one_in(3)) work.data += '\0';
  add(*tensor, "offset", random.one_in(4) ? random.pick(numbers) : std::to_string(work.data.size()));
  if (random.one_in(2)) add(*tensor, "length", random.one_in(3) ? random.pick(numbers) : std::to_string(bytes.size()));
  work.data += random.one_in(8) ? bytes.substr(0, bytes.size() / 2) : bytes;
  return tensor->name() + " in '" + location.substr(0, 24) + "'";
}

std::string make_sparse(Work& work, Random& random) {
  auto& graph = work.graph(random);
  if (graph.initializer_size() == 0) return "";
  const int i = static_cast<int>(random.below(static_cast<size_t>(graph.initializer_size())));
  auto& sparse = *graph.add_sparse_initializer();
  *sparse.mutable_values() = graph.initializer(i);
  for (const int64_t dim : graph.initializer(i).dims()) sparse.add_dims(random.one_in(4) ? random.pick(kIntegers) : dim);
  auto& indices = *sparse.mutable_indices();
  indices.set_data_type(TensorProto::INT64);
  indices.add_dims(1);
  indices.add_int64_data(random.pick(kIntegers));
  graph.mutable_initializer()->DeleteSubrange(i, 1);
  return sparse.values().name() + " is sparse";
}

std::string make_input(Work& work, Random& random) {
  auto& graph = *work.model.mutable_graph();
  if (graph.initializer_size() == 0) return "";
  const int i = static_cast<int>(random.below(static_cast<size_t>(graph.initializer_size())));
  const TensorProto tensor = graph.initializer(i);
  auto& input = *graph.add_input();
  input.set_name(tensor.name());
  input.mutable_type()->mutable_tensor_type()->set_elem_type(tensor.data_type());
  for (const int64_t dim : tensor.dims()) input.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(dim);
  if (!random.one_in(3)) graph.mutable_initializer()->DeleteSubrange(i, 1);
  return tensor.name() + " is an input";
}

}  // namespace

std::vector<Mutation> tensor_mutations() {
  return {{3, change_dims}, {4, reshape}, {3, change_element_type}, {1, convert}, {3, make_external}, {1, make_sparse}, {3, make_input}};
}

}  // namespace ppq::fuzz
