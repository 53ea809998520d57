#pragma once

#include <gtest/gtest.h>

#include "ppq/error.h"

namespace ppq::test {

/// The ppq::Error that `body` throws; fails the test when it throws none or something else.
template <class Body>
Error thrown(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not a ppq::Error: " << error.what();
    return Error(ErrorKind::Internal, "", "something else");
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::Internal, "", "nothing was thrown");
}

}  // namespace ppq::test
