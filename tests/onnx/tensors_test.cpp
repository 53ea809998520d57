// Tensors of every element type and storage, against bytes that onnx and numpy made; and tensors that lie.
#include <sstream>

#include "onnx/files.h"

namespace ppq::test {
namespace {

std::string bytes_of(const at::Tensor& tensor) { return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()}; }

TEST(ReadTensorProto, EveryElementTypeFromTypedAndRawData) {
  PPQ_REQUIRE_PYTHON();
  const std::string folder = temporary_dir("tensors");
  std::istringstream lines(run_script("make_tensors.py", {folder}));
  std::string name;
  int type = 0, count = 0;
  while (lines >> name >> type) {
    ++count;
    for (const char* kind : {"raw", "typed"}) {
      SCOPED_TRACE(name + " " + kind);
      const at::Tensor tensor = read_tensor_proto(folder + "/" + name + "_" + kind + ".pb");
      EXPECT_EQ(static_cast<int>(to_data_type(tensor.scalar_type())), type);
      EXPECT_EQ(tensor.sizes(), at::IntArrayRef({2, 3}));
      EXPECT_EQ(bytes_of(tensor), load(folder + "/" + name + ".bytes"));
    }
  }
  EXPECT_EQ(count, 20) << name;
}

// Messages by hand: field 1 dims (varint), 2 data_type, 4 float_data, 5 int32_data, 8 name, 9 raw_data, see onnx.proto.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value > 127; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
std::string field(int number, uint64_t value) { return varint(static_cast<uint64_t>(number) << 3) + varint(value); }
std::string field(int number, const std::string& bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}

std::string tensor_error(const std::string& message) {
  const std::string path = temporary_dir("tensor") + "/t.pb";
  save(path, message);
  const std::string error = error_of(ErrorKind::Data, [&] { read_tensor_proto(path); });
  EXPECT_NE(error.find(path), std::string::npos) << "the file is not named: " << error;
  return error;
}

TEST(ReadTensorProto, BoolBytesBecomeZeroAndOne) {
  const std::string path = temporary_dir("bool") + "/t.pb";
  save(path, field(1, 3) + field(2, 9) + field(9, std::string("\x00\x01\x80", 3)));
  EXPECT_EQ(bytes_of(read_tensor_proto(path)), std::string("\0\1\1", 3));
}

TEST(ReadTensorProto, ScalarAndEmpty) {
  const std::string path = temporary_dir("scalar") + "/t.pb";
  save(path, field(2, 3) + field(9, "\x05"));
  EXPECT_EQ(read_tensor_proto(path).dim(), 0);
  EXPECT_EQ(read_tensor_proto(path).item<int>(), 5);
  save(path, field(1, 0) + field(1, 4) + field(2, 1));
  EXPECT_EQ(read_tensor_proto(path).sizes(), at::IntArrayRef({0, 4}));
}

TEST(ReadTensorProto, WrongNumberOfBytes) {
  const std::string error = tensor_error(field(1, 2) + field(2, 1) + field(9, std::string(7, 'x')));
  EXPECT_NE(error.find("got 7, expected 8 for float32 [2]"), std::string::npos) << error;
  tensor_error(field(1, 2) + field(2, 1));
  tensor_error(field(1, 2) + field(2, 1) + field(4, std::string(4, 'x')));
  tensor_error(field(1, 0) + field(2, 1) + field(9, "abcd"));
}

TEST(ReadTensorProto, DimensionsThatLie) {
  EXPECT_NE(tensor_error(field(1, uint64_t(-2)) + field(2, 1)).find("negative dimension"), std::string::npos);
  EXPECT_NE(tensor_error(field(1, uint64_t{1} << 40) + field(1, uint64_t{1} << 40) + field(2, 1)).find("overflow"), std::string::npos);
  EXPECT_NE(tensor_error(field(1, 0) + field(1, uint64_t{1} << 40) + field(1, uint64_t{1} << 40) + field(2, 1)).find("overflow"),
            std::string::npos);
  // 4 TiB that nothing holds: told by the count, not tried.
  EXPECT_NE(tensor_error(field(1, uint64_t{1} << 40) + field(2, 1) + field(9, "abcd")).find("expected 4398046511104"), std::string::npos);
  EXPECT_NE(tensor_error(field(1, uint64_t{1} << 40) + field(2, 1)).find("expected 1099511627776"), std::string::npos);
}

TEST(ReadTensorProto, WrongTypes) {
  EXPECT_NE(tensor_error(field(1, 1) + field(2, 99) + field(9, "a")).find("unknown element type: got 99"), std::string::npos);
  EXPECT_NE(tensor_error(field(1, 1) + field(9, "a")).find("unknown element type: got 0"), std::string::npos);
  EXPECT_NE(tensor_error(field(1, 1) + field(2, 3) + field(5, 200)).find("value 200 in int32_data does not fit int8"), std::string::npos);
  EXPECT_NE(tensor_error(field(1, 1) + field(2, 8) + field(6, "word")).find("string"), std::string::npos);
}

TEST(ReadTensorProto, FilesThatAreNone) {
  const std::string folder = temporary_dir("none");
  EXPECT_NE(error_of(ErrorKind::Data, [&] { read_tensor_proto(folder + "/missing.pb"); }).find("no such file"), std::string::npos);
  EXPECT_NE(error_of(ErrorKind::Data, [&] { read_tensor_proto(folder); }).find("is a folder"), std::string::npos);
  tensor_error("");
  tensor_error("\xff\xff\xff\xff");
}

}  // namespace
}  // namespace ppq::test
