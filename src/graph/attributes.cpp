#include "ppq/error.h"
#include "ppq/graph.h"

namespace ppq {
namespace {

const char* kind_of(const AttrValue& value) {
  static constexpr const char* kNames[] = {"int",    "float",   "string",  "tensor", "graph",       "ints",
                                           "floats", "strings", "tensors", "graphs", "another type"};
  return kNames[value.index()];
}

template <class T>
const T* typed(const Attributes& attributes, std::string_view name, const char* expected) {
  const AttrValue* value = attributes.find(name);
  if (!value) return nullptr;
  if (const T* t = std::get_if<T>(value)) return t;
  throw Error(ErrorKind::Model, "attribute " + std::string(name),
              std::string("wrong type: got ") + kind_of(*value) + ", expected " + expected);
}

}  // namespace

const AttrValue* Attributes::find(std::string_view name) const {
  for (const auto& [key, value] : items_)
    if (key == name) return &value;
  return nullptr;
}

void Attributes::set(std::string name, AttrValue value) {
  for (auto& [key, old] : items_)
    if (key == name) {
      old = std::move(value);
      return;
    }
  items_.emplace_back(std::move(name), std::move(value));
}

void Attributes::erase(std::string_view name) {
  std::erase_if(items_, [&](const auto& item) { return item.first == name; });
}

int64_t Attributes::get_int(std::string_view name, int64_t fallback) const {
  auto* v = typed<int64_t>(*this, name, "int");
  return v ? *v : fallback;
}
float Attributes::get_float(std::string_view name, float fallback) const {
  auto* v = typed<float>(*this, name, "float");
  return v ? *v : fallback;
}
std::string Attributes::get_string(std::string_view name, std::string fallback) const {
  auto* v = typed<std::string>(*this, name, "string");
  return v ? *v : fallback;
}
std::vector<int64_t> Attributes::get_ints(std::string_view name, std::vector<int64_t> fallback) const {
  auto* v = typed<std::vector<int64_t>>(*this, name, "ints");
  return v ? *v : fallback;
}
std::vector<float> Attributes::get_floats(std::string_view name, std::vector<float> fallback) const {
  auto* v = typed<std::vector<float>>(*this, name, "floats");
  return v ? *v : fallback;
}
at::Tensor Attributes::get_tensor(std::string_view name) const {
  auto* v = typed<at::Tensor>(*this, name, "tensor");
  return v ? *v : at::Tensor();
}
std::shared_ptr<Graph> Attributes::get_graph(std::string_view name) const {
  auto* v = typed<std::shared_ptr<Graph>>(*this, name, "graph");
  return v ? *v : nullptr;
}

}  // namespace ppq
