// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include "data/npy.h"

#include <ATen/ATen.h>

#include <cstring>

#include "core/file.h"
#include "data/bytes.h"
#include "ppq/error.h"
#include "ppq/graph.h"

namespace ppq {
namespace {

constexpr int64_t kLargestHeader = 1 << 20;

/// The header is a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderText {
 public:
  HeaderText(const std::string& path, std::string text) : path_(path), text_(std::move(text)) {}

  NpyHeader parse() {
    NpyHeader header;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        set_type(header);
        descr = true;
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
        order = true;
      } else if (key == "shape") {
        header.shape = tuple();
        shape = true;
      } else
        fail("a key '" + key + "'");
      take(',');
    }
    if (!descr || !order || !shape) fail("a header without descr, fortran_order or shape");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& got) const {
    throw Error(ErrorKind::Data, path_, "not a valid .npy header: got " + got + ", expected numpy's {'descr', 'fortran_order', 'shape'}");
  }
  void space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail("'" + text_.substr(at_, 20) + "' where '" + c + "' should be");
  }
  std::string quoted() {
    space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    const size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string::npos;
    if (end == std::string::npos) fail("'" + text_.substr(at_, 20) + "'");
    std::string result = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return result;
  }
  bool boolean() {
    space();
    for (auto [word, value] : {std::pair{"True", true}, {"False", false}})
      if (text_.compare(at_, std::strlen(word), word) == 0) {
        at_ += std::strlen(word);
        return value;
      }
    fail("'" + text_.substr(at_, 20) + "'");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> dims;
    expect('(');
    while (!take(')')) {
      space();
      size_t used = 0;
      int64_t dim = -1;
      try {
        dim = std::stoll(text_.substr(at_, 24), &used);
      } catch (const std::exception&) {
      }
      if (dim < 0) fail("a shape with '" + text_.substr(at_, 20) + "'");
      at_ += used;
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote 3L
      dims.push_back(dim);
      take(',');
    }
    return dims;
  }
  void set_type(NpyHeader& header) {
    space();
    if (at_ < text_.size() && text_[at_] == '[')
      throw Error(ErrorKind::Data, path_, "structured array: got fields, expected a plain numeric array",
                  "save each field as its own array");
    const std::string descr = quoted();
    const std::string type = !descr.empty() && std::strchr("<>|=", descr[0]) ? descr.substr(1) : descr;
    header.big_endian = descr.starts_with('>');
    header.kind = type.empty() ? '?' : type[0];
    header.width = std::atoll(type.c_str() + (type.empty() ? 0 : 1));
    if (header.kind == 'O')
      throw Error(ErrorKind::Data, path_, "object array: got dtype object, expected numbers",
                  "the arrays inside differ in shape or are None: save each as its own .npy with a numeric dtype");
    const bool known = (header.kind == 'b' && header.width == 1) ||
                       ((header.kind == 'i' || header.kind == 'u') &&
                        (header.width == 1 || header.width == 2 || header.width == 4 || header.width == 8)) ||
                       (header.kind == 'f' && (header.width == 2 || header.width == 4 || header.width == 8 || header.width == 16)) ||
                       (header.kind == 'c' && (header.width == 8 || header.width == 16));
    if (!known)
      throw Error(ErrorKind::Data, path_, "dtype of the array: got '" + descr + "', expected bool, integer, float or complex",
                  "convert with astype before saving");
  }

  const std::string& path_;
  std::string text_;
  size_t at_ = 0;
};

at::ScalarType stored_type(const NpyHeader& header) {
  if (header.kind == 'b') return at::kBool;
  if (header.kind == 'c') return header.width == 8 ? at::kComplexFloat : at::kComplexDouble;
  if (header.kind == 'f') return header.width == 2 ? at::kHalf : header.width == 4 ? at::kFloat : at::kDouble;
  const bool is_signed = header.kind == 'i';
  switch (header.width) {
    case 1:
      return is_signed ? at::kChar : at::kByte;
    case 2:
      return is_signed ? at::kShort : at::kUInt16;
    case 4:
      return is_signed ? at::kInt : at::kUInt32;
    default:
      return is_signed ? at::kLong : at::kUInt64;
  }
}

/// `count` elements from element `first` of the file, native byte order.
at::Tensor read_elements(const std::string& path, const NpyHeader& header, int64_t first, int64_t count) {
  const at::ScalarType type = stored_type(header);
  at::Tensor result = at::empty({count}, type);
  const int64_t offset = header.data_offset + first * header.width;
  const int64_t part = header.kind == 'c' ? header.width / 2 : header.width;  // real and imaginary swap separately
  if (header.kind == 'f' && header.width == 16) {
    static_assert(sizeof(long double) == 16, "float128 files are read as the x86 or IEEE long double");
    std::vector<long double> wide(static_cast<size_t>(count));
    read_bytes(path, offset, count * 16, wide.data());
    if (header.big_endian) swap_bytes(wide.data(), count, 16);
    std::copy(wide.begin(), wide.end(), result.data_ptr<double>());
    return result;
  }
  read_bytes(path, offset, count * header.width, result.data_ptr());
  if (header.big_endian) swap_bytes(result.data_ptr(), count * header.width / part, part);
  return result;
}

}  // namespace

int64_t NpyHeader::elements() const {
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  return n;
}

NpyHeader read_npy_header(const std::string& path) {
  const int64_t bytes = file_bytes(path);
  unsigned char magic[12] = {};
  if (bytes < 10) throw Error(ErrorKind::Data, path, "truncated .npy file: got " + std::to_string(bytes) + " bytes, expected a header");
  read_bytes(path, 0, std::min<int64_t>(bytes, 12), magic);
  if (std::memcmp(magic, "\x93NUMPY", 6) != 0)
    throw Error(ErrorKind::Data, path, "not a .npy file: got other first bytes, expected \\x93NUMPY", "save it with numpy.save");
  if (magic[6] < 1 || magic[6] > 3)
    throw Error(ErrorKind::Data, path, "version of the .npy format: got " + std::to_string(magic[6]) + ", expected 1, 2 or 3");
  const int64_t start = magic[6] == 1 ? 10 : 12;
  int64_t length = magic[8] | magic[9] << 8;
  if (magic[6] > 1) length |= static_cast<int64_t>(magic[10]) << 16 | static_cast<int64_t>(magic[11]) << 24;
  if (length > kLargestHeader || start + length > bytes)
    throw Error(ErrorKind::Data, path,
                "truncated .npy file: got " + std::to_string(bytes) + " bytes, expected a header of " + std::to_string(length));
  std::string text(static_cast<size_t>(length), '\0');
  read_bytes(path, start, length, text.data());
  NpyHeader header = HeaderText(path, std::move(text)).parse();
  header.data_offset = start + length;
  constexpr size_t kMostDimensions = 64;  // of a tensor of LibTorch
  if (header.shape.size() > kMostDimensions)
    throw Error(
        ErrorKind::Data, path,
        "too many dimensions: got " + std::to_string(header.shape.size()) + ", expected at most " + std::to_string(kMostDimensions));
  // Counted in floating point first: a nonsense shape must not overflow.
  double expected = static_cast<double>(header.width);
  for (int64_t dim : header.shape) expected *= static_cast<double>(dim);
  if (static_cast<double>(bytes - header.data_offset) < expected)
    throw Error(ErrorKind::Data, path,
                "truncated .npy file: got " + std::to_string(bytes - header.data_offset) + " bytes of data, expected " +
                    std::to_string(static_cast<int64_t>(std::min(expected, 9e18))) + " for shape " +
                    to_string(at::IntArrayRef(header.shape)));
  return header;
}

at::Tensor read_npy_rows(const std::string& path, const NpyHeader& header, int64_t first, int64_t count) {
  if (header.shape.empty()) return read_elements(path, header, 0, 1).reshape({});
  std::vector<int64_t> dims = header.shape;
  if (header.fortran_order && dims.size() > 1) {
    // Rows are interleaved in the file: read it all, as the transposed array that it is.
    at::Tensor whole = read_elements(path, header, 0, header.elements()).reshape(std::vector<int64_t>(dims.rbegin(), dims.rend()));
    std::vector<int64_t> axes(dims.size());
    for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(axes.size() - 1 - i);
    return whole.permute(axes).narrow(0, first, count).contiguous();
  }
  const int64_t row = dims[0] == 0 ? 0 : header.elements() / dims[0];
  dims[0] = count;
  return read_elements(path, header, first * row, count * row).reshape(dims);
}

at::Tensor read_npy(const std::string& path) {
  const NpyHeader header = read_npy_header(path);
  return read_npy_rows(path, header, 0, header.shape.empty() ? 1 : header.shape[0]);
}

void write_npy(const std::string& path, const at::Tensor& tensor) {
  const at::Tensor data = (tensor.scalar_type() == at::kBFloat16 ? tensor.to(at::kFloat) : tensor).to(at::kCPU).contiguous();
  const at::ScalarType type = data.scalar_type();
  const char* kind = type == at::kBool          ? "b"
                     : at::isComplexType(type)  ? "c"
                     : at::isFloatingType(type) ? "f"
                     : at::isSignedType(type)   ? "i"
                                                : "u";
  std::string header = std::string("{'descr': '") + (data.element_size() == 1 ? "|" : "<") + kind + std::to_string(data.element_size()) +
                       "', 'fortran_order': False, 'shape': (";
  for (int64_t dim : data.sizes()) header += std::to_string(dim) + ", ";
  if (data.dim() > 1) header.resize(header.size() - 2);
  header += "), }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  if (header.size() > 0xffff) throw Error(ErrorKind::Internal, path, "header too long for a .npy file");
  AtomicFile file(path);
  file.write(std::string("\x93NUMPY\x01\x00", 8));
  file.write(std::string{static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)});
  file.write(header);
  file.write(data.data_ptr(), data.nbytes());
  file.commit();
}

}  // namespace ppq
