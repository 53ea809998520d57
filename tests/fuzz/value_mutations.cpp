#include "fuzz/mutations.h"

namespace ppq::fuzz {
namespace {

using onnx::AttributeProto;

constexpr size_t kRanks[] = {1, 5, 65, 1000};

std::string label(const onnx::NodeProto& node, const AttributeProto& attribute) { return node.op_type() + "." + attribute.name(); }

std::string change_attribute(Work& work, Random& random) {
  auto* node = work.node(random);
  if (!node || node->attribute_size() == 0) return "";
  auto& a = *node->mutable_attribute(static_cast<int>(random.below(static_cast<size_t>(node->attribute_size()))));
  const int64_t integer = random.pick(kIntegers);
  switch (a.type()) {
    case AttributeProto::INT:
      a.set_i(integer);
      return label(*node, a) + " = " + std::to_string(integer);
    case AttributeProto::INTS:
      if (a.ints_size() == 0 || random.one_in(6))
        a.add_ints(integer);
      else if (random.one_in(6))
        a.mutable_ints()->RemoveLast();
      else
        a.set_ints(static_cast<int>(random.below(static_cast<size_t>(a.ints_size()))), integer);
      return label(*node, a) + " with " + std::to_string(integer);
    case AttributeProto::FLOAT:
      a.set_f(random.pick(kReals));
      return label(*node, a) + " = " + std::to_string(a.f());
    case AttributeProto::FLOATS:
      if (a.floats_size() == 0 || random.one_in(4))
        a.add_floats(random.pick(kReals));
      else
        a.set_floats(static_cast<int>(random.below(static_cast<size_t>(a.floats_size()))), random.pick(kReals));
      return label(*node, a) + " with another real";
    case AttributeProto::STRING: {
      const std::string words[] = {
          "", "SAME_UPPER", "VALID", "linear", "cubic", "reflect", "ij,jk->ik", std::string(1000, 'x'), std::string("\xff\0a", 3)};
      a.set_s(random.pick(words));
      return label(*node, a) + " = '" + a.s().substr(0, 12) + "'";
    }
    default:
      return "";
  }
}

std::string drop_attribute(Work& work, Random& random) {
  auto* node = work.node(random);
  if (!node || node->attribute_size() == 0) return "";
  const int i = static_cast<int>(random.below(static_cast<size_t>(node->attribute_size())));
  const std::string text = label(*node, node->attribute(i));
  if (random.one_in(4)) {
    *node->add_attribute() = AttributeProto(node->attribute(i));
    return text + " twice";
  }
  node->mutable_attribute()->DeleteSubrange(i, 1);
  return "no " + text;
}

std::string retype_attribute(Work& work, Random& random) {
  auto* node = work.node(random);
  if (!node || node->attribute_size() == 0) return "";
  auto& a = *node->mutable_attribute(static_cast<int>(random.below(static_cast<size_t>(node->attribute_size()))));
  switch (random.below(4)) {
    case 0:
      a.set_type(static_cast<AttributeProto::AttributeType>(random.below(15)));
      break;
    case 1:
      a.set_type(AttributeProto::INTS), a.add_ints(random.pick(kIntegers));
      break;
    case 2:
      a.set_type(AttributeProto::GRAPH);
      *a.mutable_g() = onnx::GraphProto(work.graph(random));  // a copy: it may hold the attribute itself
      break;
    default:
      a.set_ref_attr_name("alpha");
  }
  return label(*node, a) + " of type " + std::to_string(a.type());
}

std::string borrow_attribute(Work& work, Random& random) {
  auto *node = work.node(random), *other = work.node(random);
  if (!node || other->attribute_size() == 0) return "";
  const AttributeProto copy = other->attribute(static_cast<int>(random.below(static_cast<size_t>(other->attribute_size()))));
  *node->add_attribute() = copy;
  return node->op_type() + " gets " + label(*other, copy);
}

/// The number of an element, wherever the tensor keeps it.
template <class Field, class Number>
bool set_in(Field* field, Random& random, Number number) {
  if (field->empty()) return false;
  field->Set(static_cast<int>(random.below(static_cast<size_t>(field->size()))), static_cast<typename Field::value_type>(number));
  return true;
}

size_t raw_width(int type) {
  switch (type) {
    case onnx::TensorProto::FLOAT:
    case onnx::TensorProto::INT32:
    case onnx::TensorProto::UINT32:
      return 4;
    case onnx::TensorProto::INT64:
    case onnx::TensorProto::UINT64:
    case onnx::TensorProto::DOUBLE:
      return 8;
    case onnx::TensorProto::FLOAT16:
    case onnx::TensorProto::BFLOAT16:
    case onnx::TensorProto::INT16:
      return 2;
    default:
      return 1;
  }
}

template <class Number>
void put(std::string& bytes, size_t at, Number number, size_t width) {
  for (size_t i = 0; i < width; ++i) bytes[at + i] = reinterpret_cast<const char*>(&number)[i];
}

std::string change_element(Work& work, Random& random) {
  auto* tensor = work.tensor(random);
  if (!tensor) return "";
  const int64_t integer = random.pick(kIntegers);
  const float real = random.pick(kReals);
  const bool floating = tensor->data_type() == onnx::TensorProto::FLOAT;
  const std::string text = "element of " + tensor->name() + " = " + (floating ? std::to_string(real) : std::to_string(integer));
  if (tensor->has_raw_data()) {
    std::string& bytes = *tensor->mutable_raw_data();
    const size_t width = raw_width(tensor->data_type()), count = bytes.size() / width;
    if (count == 0) return "";
    // All of them now and then: weights of NaN, infinities, zeros.
    const bool all = random.one_in(4);
    const size_t one = random.below(count);
    for (size_t i = 0; i < count; ++i)
      if (all || i == one) floating ? put(bytes, i * width, real, width) : put(bytes, i * width, integer, width);
    return text;
  }
  const bool any = set_in(tensor->mutable_float_data(), random, real) || set_in(tensor->mutable_int64_data(), random, integer) ||
                   set_in(tensor->mutable_double_data(), random, real) ||
                   set_in(tensor->mutable_int32_data(), random, static_cast<int32_t>(integer)) ||
                   set_in(tensor->mutable_uint64_data(), random, static_cast<uint64_t>(integer));
  return any ? text : "";
}

onnx::ValueInfoProto* some_info(Work& work, Random& random) {
  auto& graph = work.graph(random);
  auto* list = random.one_in(3) ? graph.mutable_output() : random.one_in(4) ? graph.mutable_value_info() : graph.mutable_input();
  return list->empty() ? nullptr : list->Mutable(static_cast<int>(random.below(static_cast<size_t>(list->size()))));
}

std::string change_type(Work& work, Random& random) {
  auto* info = some_info(work, random);
  if (!info) return "";
  auto& type = *info->mutable_type();
  if (random.one_in(12)) {
    onnx::TypeProto element = type;
    *type.mutable_sequence_type()->mutable_elem_type() = element;
    return info->name() + " is a sequence";
  }
  if (random.one_in(12)) {
    type.Clear();
    return info->name() + " has no type";
  }
  const int kind = static_cast<int>(random.below(28)) - 1;
  type.mutable_tensor_type()->set_elem_type(kind);
  return info->name() + " of element type " + std::to_string(kind);
}

std::string change_shape(Work& work, Random& random) {
  auto* info = some_info(work, random);
  if (!info) return "";
  auto& type = *info->mutable_type()->mutable_tensor_type();
  auto& dims = *type.mutable_shape()->mutable_dim();
  switch (random.below(8)) {
    case 0:
      type.clear_shape();
      return info->name() + " of any shape";
    case 1:
      dims.Clear();
      return info->name() + " is a scalar";
    case 2:
      for (size_t i = random.pick(kRanks); i > 0; --i) dims.Add()->set_dim_value(1);
      return info->name() + " of " + std::to_string(dims.size()) + " dimensions";
    default:
      break;
  }
  if (dims.empty()) return "";
  auto& dim = dims[static_cast<int>(random.below(static_cast<size_t>(dims.size())))];
  if (random.one_in(4))
    dim.set_dim_param(random.one_in(2) ? "N" : "");
  else
    dim.set_dim_value(random.pick(kIntegers));
  return info->name() + " with size " + std::to_string(dim.dim_value());
}

}  // namespace

std::vector<Mutation> value_mutations() {
  return {{12, change_attribute}, {3, drop_attribute}, {2, retype_attribute}, {1, borrow_attribute},
          {14, change_element},   {5, change_type},    {6, change_shape}};
}

}  // namespace ppq::fuzz
