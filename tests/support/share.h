#pragma once

#include <gtest/gtest.h>

#include <string>

namespace ppq::test {

/// Folder of real models and samples (environment variable PPQ_SHARED, default ../shared beside the source tree); empty
/// when it is not there.
std::string shared_dir();
/// A file or folder in it.
std::string shared(const std::string& relative);
bool have_shared();

/// A fresh folder for one test, removed at process end.
std::string temporary_dir(const std::string& name);

}  // namespace ppq::test

/// Skips the test, loudly, where the real models are absent.
#define PPQ_REQUIRE_SHARED() \
  if (!ppq::test::have_shared()) GTEST_SKIP() << "no real models: set PPQ_SHARED to the folder that has models/ and data/"
