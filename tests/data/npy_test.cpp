#include "data/npy.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/file.h"
#include "ppq/error.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq {
namespace {

using test::run_python;
using test::temporary_dir;
using ::testing::AllOf;
using ::testing::HasSubstr;

void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/// A version 1 file with this header text and these data bytes.
std::string npy_bytes(std::string header, const std::string& data) {
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header + data;
}

std::string data_error(const std::string& path) {
  try {
    read_npy(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Data);
    EXPECT_THAT(std::string(error.what()), HasSubstr(path));
    return error.what();
  }
  ADD_FAILURE() << path << " was read";
  return "";
}

// numpy writes each array in every dtype, byte order and memory order, and beside it the same values as float64 in C order.
TEST(Npy, EveryDtypeOrderAndVersionOfNumpy) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("npy");
  const std::string list = run_python(R"(
import sys, numpy as np
out, n = sys.argv[1], 0
rng = np.random.default_rng(1)
for code in '? b B h H i I l L q Q e f d g'.split():
    for swap in (False, True):
        for order in 'CF':
            for version in ((1, 0), (2, 0), (3, 0)):
                for shape in ((), (5,), (3, 4), (2, 3, 4, 5), (1, 0, 3)):
                    a = np.asarray(rng.integers(0, 2 if code == '?' else 120, shape)).astype(code)
                    if code in 'efdg': a = (a - 60) / np.asarray(7, code)
                    if code in 'bhilq': a = a - np.asarray(60, code)
                    a = np.asarray(a, dtype=np.dtype(code).newbyteorder('>') if swap else code, order=order)
                    name = f'{out}/{n}'; n += 1
                    with open(name + '.npy', 'wb') as f: np.lib.format.write_array(f, a, version=version)
                    np.ascontiguousarray(a.astype('<f8')).tofile(name + '.f64')
                    print(name, a.dtype.str, *a.shape, sep=',')
)",
                                      {dir});
  std::istringstream lines(list);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    std::istringstream fields(line);
    std::string name, dtype, field;
    std::getline(fields, name, ',');
    std::getline(fields, dtype, ',');
    std::vector<int64_t> shape;
    while (std::getline(fields, field, ',')) shape.push_back(std::stoll(field));
    const std::string expected = read_file(name + ".f64");
    const at::Tensor got = read_npy(name + ".npy");
    ASSERT_EQ(got.sizes(), at::IntArrayRef(shape)) << line;
    const at::Tensor wide = got.to(at::kDouble).contiguous();
    ASSERT_EQ(std::string(static_cast<const char*>(wide.data_ptr()), wide.nbytes()), expected) << line;
  }
  EXPECT_EQ(count, 15 * 2 * 2 * 3 * 5);
}

TEST(Npy, RowsOfFortranAndBigEndianFiles) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("npy_rows");
  run_python(R"(
import sys, numpy as np
a = np.arange(5 * 3 * 4).reshape(5, 3, 4)
np.save(sys.argv[1] + '/c.npy', a.astype('>f4'))
np.save(sys.argv[1] + '/f.npy', np.asfortranarray(a.astype('<i2')))
)",
             {dir});
  const at::Tensor expected = at::arange(60).reshape({5, 3, 4});
  for (const char* name : {"/c.npy", "/f.npy"}) {
    const NpyHeader header = read_npy_header(dir + name);
    for (int64_t first = 0; first < 4; ++first)
      EXPECT_TRUE(at::equal(read_npy_rows(dir + name, header, first, 2).to(at::kLong), expected.narrow(0, first, 2))) << name << first;
  }
}

TEST(Npy, BadFilesAreNamedWithWhatWasFound) {
  const std::string dir = temporary_dir("npy_bad");
  auto path = [&](const char* name) { return dir + "/" + name; };
  write(path("object.npy"), npy_bytes("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "xxxxxxxxx"));
  EXPECT_THAT(data_error(path("object.npy")), HasSubstr("object array"));
  write(path("string.npy"), npy_bytes("{'descr': '<U5', 'fortran_order': False, 'shape': (2,), }", std::string(40, 'x')));
  EXPECT_THAT(data_error(path("string.npy")), HasSubstr("<U5"));
  write(path("fields.npy"), npy_bytes("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", std::string(8, 'x')));
  EXPECT_THAT(data_error(path("fields.npy")), HasSubstr("structured"));
  write(path("short.npy"), npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", std::string(20, '\0')));
  EXPECT_THAT(data_error(path("short.npy")), AllOf(HasSubstr("got 20 bytes"), HasSubstr("expected 24")));
  write(path("huge.npy"), npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 16), }", "abcd"));
  EXPECT_THAT(data_error(path("huge.npy")), HasSubstr("truncated"));
  std::string ones;
  for (int i = 0; i < 65; ++i) ones += "1, ";
  write(path("deep.npy"), npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (" + ones + "), }", "abcd"));
  EXPECT_THAT(data_error(path("deep.npy")), HasSubstr("too many dimensions: got 65"));
  write(path("magic.npy"), std::string(100, 'a'));
  EXPECT_THAT(data_error(path("magic.npy")), HasSubstr("not a .npy file"));
  write(path("empty.npy"), "");
  EXPECT_THAT(data_error(path("empty.npy")), HasSubstr("0 bytes"));
  std::string version("\x93NUMPY\x09\x00\x10\x00", 10);
  write(path("version.npy"), version.append(20, ' '));
  EXPECT_THAT(data_error(path("version.npy")), HasSubstr("version"));
  write(path("header.npy"), npy_bytes("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", "12345678"));
  EXPECT_THAT(data_error(path("header.npy")), HasSubstr("Maybe"));
  write(path("cut.npy"), npy_bytes("{'descr': '<f4', 'fort", ""));
  data_error(path("cut.npy"));
  data_error(path("missing.npy"));
}

// Our writer, read by numpy.
TEST(Npy, NumpyReadsWhatIsWritten) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("npy_write");
  write_npy(dir + "/a.npy", at::arange(24, at::kFloat).reshape({2, 3, 4}) / 3);
  write_npy(dir + "/b.npy", at::arange(5, at::kLong).unsqueeze(1).t());
  write_npy(dir + "/c.npy", at::scalar_tensor(2.5, at::kDouble));
  write_npy(dir + "/d.npy", at::arange(2).eq(0));
  write_npy(dir + "/e.npy", at::arange(4, at::kByte));
  run_python(R"(
import sys, numpy as np
d = sys.argv[1] + '/'
a, b, c, e = (np.load(d + n + '.npy') for n in 'abce')
assert a.dtype == np.float32 and (a == (np.arange(24, dtype=np.float32).reshape(2, 3, 4) / np.float32(3))).all(), a
assert b.dtype == np.int64 and b.shape == (1, 5) and (b[0] == np.arange(5)).all()
assert c.shape == () and c == 2.5 and c.dtype == np.float64
assert (np.load(d + 'd.npy') == [True, False]).all()
assert e.dtype == np.uint8 and e.tolist() == [0, 1, 2, 3]
)",
             {dir});
}

}  // namespace
}  // namespace ppq
