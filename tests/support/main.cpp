#include <gmock/gmock.h>

#include <cstdio>

#include "ppq/error.h"
#include "support/device.h"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  try {
    const at::Device device = ppq::test::test_device();
    if (!device.is_cpu()) std::printf("PPQ_TEST_DEVICE: networks run on %s\n", device.str().c_str());
  } catch (const ppq::Error& error) {
    std::fprintf(stderr, "PPQ_TEST_DEVICE=%s: nothing was tested: %s\n", ppq::test::test_device_name().c_str(), error.what());
    return ppq::exit_code(error.kind());
  }
  return RUN_ALL_TESTS();
}
