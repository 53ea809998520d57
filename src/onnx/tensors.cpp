#include "onnx/tensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <bit>
#include <cstring>
#include <limits>

#include "ppq/error.h"
#include "ppq/onnx.h"

namespace ppq {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX's raw data is little-endian");

using onnx::TensorProto;

std::string dims_of(const TensorProto& proto) {
  return to_string(at::IntArrayRef(proto.dims().data(), static_cast<size_t>(proto.dims_size())));
}

[[noreturn]] void wrong_count(const TensorProto& proto, const std::string& where, const char* unit, const char* field, size_t got,
                              size_t expected) {
  throw Error(ErrorKind::Model, where,
              std::string("wrong number of ") + unit + " in " + field + ": got " + std::to_string(got) + ", expected " +
                  std::to_string(expected) + " for " + name_of(static_cast<DataType>(proto.data_type())) + " " + dims_of(proto),
              "the file is damaged or its exporter is wrong: export the model again");
}

DataType dtype_of(const TensorProto& proto, const std::string& where) {
  const int32_t type = proto.data_type();
  if (type <= 0 || type > static_cast<int32_t>(DataType::Int2))
    throw Error(
        ErrorKind::Model, where,
        "unknown element type: got " + std::to_string(type) + ", expected 1 to " + std::to_string(static_cast<int32_t>(DataType::Int2)));
  return static_cast<DataType>(type);
}

bool is_external(const TensorProto& proto) { return proto.data_location() == TensorProto::EXTERNAL; }

/// Bits of an element of the types LibTorch has no tensor of; 0 for strings.
size_t packed_bits(DataType dtype) {
  switch (dtype) {
    case DataType::UInt4:
    case DataType::Int4:
    case DataType::Float4E2M1:
      return 4;
    case DataType::UInt2:
    case DataType::Int2:
      return 2;
    default:
      return 0;
  }
}

size_t byte_count(const TensorProto& proto, DataType dtype, const std::string& where) {
  const auto count = static_cast<size_t>(element_count(proto, where));
  if (const size_t bits = packed_bits(dtype)) return count / (8 / bits) + (count % (8 / bits) != 0);
  size_t bytes = 0;
  const size_t size = at::elementSize(to_scalar_type(dtype));
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > static_cast<size_t>(std::numeric_limits<int64_t>::max()))
    throw Error(ErrorKind::Model, where, "dimensions overflow: got " + dims_of(proto));
  return bytes;
}

/// Copies a typed field into `out`; numbers that do not fit T are errors.
template <class T, class Field>
void copy_field(const TensorProto& proto, const Field& field, const char* name, size_t count, void* out, const std::string& where) {
  if (static_cast<size_t>(field.size()) != count) wrong_count(proto, where, "values", name, static_cast<size_t>(field.size()), count);
  T* to = static_cast<T*>(out);
  for (const auto value : field) {
    if constexpr (std::is_integral_v<T>)
      if (static_cast<std::remove_cv_t<decltype(value)>>(static_cast<T>(value)) != value)
        throw Error(
            ErrorKind::Model, where,
            "value " + std::to_string(value) + " in " + name + " does not fit " + name_of(static_cast<DataType>(proto.data_type())));
    *to++ = static_cast<T>(value);
  }
}

void copy_typed_data(const TensorProto& proto, DataType dtype, size_t count, void* out, const std::string& where) {
  const auto int32 = [&]<class T>(T) { copy_field<T>(proto, proto.int32_data(), "int32_data", count, out, where); };
  switch (dtype) {
    case DataType::Float:
      return copy_field<float>(proto, proto.float_data(), "float_data", count, out, where);
    case DataType::Complex64:
      return copy_field<float>(proto, proto.float_data(), "float_data", 2 * count, out, where);
    case DataType::Double:
      return copy_field<double>(proto, proto.double_data(), "double_data", count, out, where);
    case DataType::Complex128:
      return copy_field<double>(proto, proto.double_data(), "double_data", 2 * count, out, where);
    case DataType::Int64:
      return copy_field<int64_t>(proto, proto.int64_data(), "int64_data", count, out, where);
    case DataType::UInt64:
      return copy_field<uint64_t>(proto, proto.uint64_data(), "uint64_data", count, out, where);
    case DataType::UInt32:
      return copy_field<uint32_t>(proto, proto.uint64_data(), "uint64_data", count, out, where);
    case DataType::Int32:
      return int32(int32_t{});
    case DataType::Int16:
      return int32(int16_t{});
    case DataType::UInt16:
    case DataType::Float16:
    case DataType::BFloat16:
      return int32(uint16_t{});
    case DataType::Int8:
      return int32(int8_t{});
    default:
      return int32(uint8_t{});
  }
}

/// A byte other than 0 and 1 is no bool to C++.
void normalize_bools(at::Tensor& tensor) {
  auto* bytes = static_cast<uint8_t*>(tensor.mutable_data_ptr());
  for (int64_t i = 0; i < tensor.numel(); ++i) bytes[i] = bytes[i] != 0;
}

void check_opaque(const TensorProto& proto, DataType dtype, const std::string& where) {
  if (dtype == DataType::String) {
    const auto count = static_cast<size_t>(element_count(proto, where));
    if (static_cast<size_t>(proto.string_data_size()) != count)
      wrong_count(proto, where, "values", "string_data", static_cast<size_t>(proto.string_data_size()), count);
    return;
  }
  const size_t bytes = byte_count(proto, dtype, where);
  if (proto.has_raw_data() && proto.raw_data().size() != bytes)
    wrong_count(proto, where, "bytes", "raw_data", proto.raw_data().size(), bytes);
  if (!proto.has_raw_data() && static_cast<size_t>(proto.int32_data_size()) != bytes)
    wrong_count(proto, where, "values", "int32_data", static_cast<size_t>(proto.int32_data_size()), bytes);
}

}  // namespace

int64_t element_count(const TensorProto& proto, const std::string& where) {
  constexpr int kMostDimensions = 64;  // of a tensor of LibTorch
  if (proto.dims_size() > kMostDimensions)
    throw Error(ErrorKind::Model, where,
                "too many dimensions: got " + std::to_string(proto.dims_size()) + ", expected at most " + std::to_string(kMostDimensions));
  int64_t count = 1;
  bool empty = false, overflow = false;
  for (const int64_t dim : proto.dims()) {
    if (dim < 0) throw Error(ErrorKind::Model, where, "negative dimension: got " + dims_of(proto) + ", expected sizes of 0 or more");
    if (dim == 0)
      empty = true;
    else
      overflow |= __builtin_mul_overflow(count, dim, &count);
  }
  // 16 bytes is the largest element. Strides of empty tensors are products too.
  if (overflow || count > std::numeric_limits<int64_t>::max() / 16)
    throw Error(ErrorKind::Model, where, "dimensions overflow: got " + dims_of(proto), "the file is damaged: export the model again");
  return empty ? 0 : count;
}

TensorData read_tensor(const TensorProto& proto, ExternalFiles& files, const std::string& where) {
  const DataType dtype = dtype_of(proto, where);
  const auto count = static_cast<size_t>(element_count(proto, where));
  if (proto.has_segment())
    throw Error(ErrorKind::Unsupported, where, "tensors stored in segments are not supported", "save the model again with a current onnx");
  if (!has_scalar_type(dtype)) {
    TensorProto copy = proto;
    load_external_data(copy, files, where);
    check_opaque(copy, dtype, where);
    return {{}, Opaque{"TensorProto", copy.SerializeAsString()}};
  }
  const at::ScalarType type = to_scalar_type(dtype);
  const size_t bytes = byte_count(proto, dtype, where);
  const std::vector<int64_t> sizes(proto.dims().begin(), proto.dims().end());
  at::Tensor tensor;
  if (is_external(proto)) {
    auto range = files.find(proto, bytes, where);
    if (bytes == 0) return {at::empty(sizes, type), {}};
    if (reinterpret_cast<uintptr_t>(range.data) % at::elementSize(type) == 0) {
      tensor = at::from_blob(
          range.data, sizes, [file = range.file](void*) {}, at::TensorOptions(type));
    } else {
      tensor = at::empty(sizes, type);
      std::memcpy(tensor.mutable_data_ptr(), range.data, bytes);
    }
  } else if (proto.has_raw_data()) {
    if (proto.raw_data().size() != bytes) wrong_count(proto, where, "bytes", "raw_data", proto.raw_data().size(), bytes);
    tensor = at::empty(sizes, type);
    if (bytes) std::memcpy(tensor.mutable_data_ptr(), proto.raw_data().data(), bytes);
  } else {
    // Nothing is allocated for a count that the file does not hold.
    const size_t held = static_cast<size_t>(proto.float_data_size()) + proto.double_data_size() + proto.int32_data_size() +
                        proto.int64_data_size() + proto.uint64_data_size();
    if (count > held) wrong_count(proto, where, "values", "its data fields", held, count);
    tensor = at::empty(sizes, type);
    copy_typed_data(proto, dtype, count, tensor.mutable_data_ptr(), where);
  }
  if (dtype == DataType::Bool) normalize_bools(tensor);
  return {tensor, {}};
}

void load_external_data(TensorProto& proto, ExternalFiles& files, const std::string& where) {
  if (!is_external(proto)) return;
  const DataType dtype = dtype_of(proto, where);
  if (dtype == DataType::String) throw Error(ErrorKind::Model, where, "string tensors cannot have external data");
  const size_t bytes = byte_count(proto, dtype, where);
  const auto range = files.find(proto, bytes, where);
  proto.set_raw_data(range.data, bytes);
  proto.clear_external_data();
  proto.clear_data_location();
}

void TensorSink::store(TensorProto& proto, const void* data, size_t bytes) { proto.set_raw_data(data, bytes); }

void write_tensor(const at::Tensor& tensor, TensorProto& proto, TensorSink& sink) {
  const at::Tensor host = tensor.cpu().contiguous();
  proto.set_data_type(static_cast<int32_t>(to_data_type(host.scalar_type())));
  for (const int64_t size : host.sizes()) proto.add_dims(size);
  sink.store(proto, host.const_data_ptr(), host.nbytes());
}

at::Tensor read_tensor_proto(const std::string& path) {
  try {
    const MappedFile file(path, path);
    TensorProto proto;
    if (file.size() == 0) throw Error(ErrorKind::Data, path, "is empty, expected a serialized TensorProto");
    if (file.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()) ||
        !proto.ParseFromArray(file.data(), static_cast<int>(file.size())))
      throw Error(ErrorKind::Data, path, "is not a serialized TensorProto",
                  "write samples as .npy or .bin, or with onnx.numpy_helper.from_array");
    ExternalFiles files(std::filesystem::absolute(path).parent_path());
    TensorData data = read_tensor(proto, files, path);
    if (!data.tensor.defined())
      throw Error(ErrorKind::Data, path,
                  std::string("element type ") + name_of(static_cast<DataType>(proto.data_type())) + " cannot be computed with");
    return data.tensor;
  } catch (const Error& error) {
    // The same faults as in a model's tensors, but here they are faults of the data.
    if (error.kind() != ErrorKind::Model) throw;
    throw Error(ErrorKind::Data, error.where(), error.problem(), error.hint());
  }
}

}  // namespace ppq
