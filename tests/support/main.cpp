#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "kernels/cpu/level.h"
#include "ppq/error.h"
#include "support/device.h"

namespace {

constexpr int kSkipped = 77;  ///< SKIP_RETURN_CODE of tests/CMakeLists.txt

/// Whether PPQ_CPU_KERNELS names a level that exists but not here. (A name that is none is for the tests to complain about.)
bool lacks_wanted_level() {
  const char* wanted = std::getenv("PPQ_CPU_KERNELS");
  const auto levels = ppq::kernels::cpu::available_levels();
  const auto is_wanted = [&](std::string_view name) { return wanted && name == wanted; };
  if (!is_wanted("avx2") && !is_wanted("avx512")) return false;
  if (std::any_of(levels.begin(), levels.end(), [&](const auto* level) { return is_wanted(level->name); })) return false;
  std::printf("skipped: this machine lacks %s instructions (PPQ_CPU_KERNELS)\n", wanted);
  return true;
}

/// Whether this run would repeat what the tests do by themselves: the machine's own level, where PPQ_SKIP_OWN_LEVEL asks to leave it out.
bool repeats_own_level() {
  const char* wanted = std::getenv("PPQ_CPU_KERNELS");
  const std::string_view own = ppq::kernels::cpu::available_levels().back()->name;
  if (!wanted || own != wanted || !std::getenv("PPQ_SKIP_OWN_LEVEL")) return false;
  std::printf("skipped: %s is this machine's own level, at which every test runs anyway\n", wanted);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (lacks_wanted_level() || repeats_own_level()) return kSkipped;
  testing::InitGoogleMock(&argc, argv);
  try {
    const at::Device device = ppq::test::test_device();
    if (!device.is_cpu()) std::printf("PPQ_TEST_DEVICE: networks run on %s\n", device.str().c_str());
  } catch (const ppq::Error& error) {
    std::fprintf(stderr, "PPQ_TEST_DEVICE=%s: nothing was tested: %s\n", ppq::test::test_device_name().c_str(), error.what());
    return ppq::exit_code(error.kind());
  }
  const int failed = RUN_ALL_TESTS();
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  return !failed && all.successful_test_count() == 0 && all.skipped_test_count() > 0 ? kSkipped : failed;
}
