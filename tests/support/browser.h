#pragma once

#include <string>

namespace ppq::test {

/// A Chromium that runs without a screen: $PPQ_TEST_BROWSER, or one found in PATH; empty where there is none.
std::string browser();

/// Opens a page in a window of this width, runs a script at its end, and returns what the script leaves as the text of the body. A page
/// that cannot be shown fails the test.
std::string show_page(const std::string& html, int width, const std::string& script);

}  // namespace ppq::test

/// Skips the test, loudly, where there is no browser.
#define PPQ_REQUIRE_BROWSER() \
  if (ppq::test::browser().empty()) GTEST_SKIP() << "no Chromium to open pages with: run scripts/setup --tests"
