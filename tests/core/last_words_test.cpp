#include "core/last_words.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "ppq/error.h"

namespace ppq {
namespace {

using testing::ExitedWithCode;

class LastWords : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  /// `fault` in a thread that nothing catches for.
  template <class Fault>
  static void in_a_thread(Fault fault) {
    leave_with_last_words();
    std::thread(fault).join();
  }
};

/// As a tensor does that is let go when its device is lost.
struct Throwing {
  ~Throwing() { TORCH_CHECK(false, "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be"); }
};

TEST_F(LastWords, OfAThreadAreOneErrorLine) {
  EXPECT_EXIT(in_a_thread([] { throw std::runtime_error("CUDA launch failed: invalid argument\nmore"); }), ExitedWithCode(70),
              "^error: \\[ppq_torch\\] CUDA launch failed: invalid argument\n$");
}

TEST_F(LastWords, OfADestructorAreOneErrorLine) {
  EXPECT_EXIT(in_a_thread([] { const Throwing one; }), ExitedWithCode(70),
              "^error: \\[ppq_torch\\] CUDA error: an illegal memory access was encountered\n$");
}

TEST_F(LastWords, KeepTheKindsExitCode) {
  EXPECT_EXIT(in_a_thread([] { throw Error(ErrorKind::Data, "a.npy", "is short"); }), ExitedWithCode(5), "^error: .*a.npy. is short\n$");
  EXPECT_EXIT(in_a_thread([] { TORCH_CHECK(false, "CUDA out of memory. Tried to allocate"); }), ExitedWithCode(6),
              "^error: .*out of memory");
  EXPECT_EXIT(in_a_thread([] { throw 3; }), ExitedWithCode(70), "^error: .*unknown type\n$");
}

}  // namespace
}  // namespace ppq
