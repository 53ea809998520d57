#include "core/last_words.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <thread>

#include "core/log.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// The exception in flight as one of ours.
Error last_error() {
  constexpr const char* kWhere = "ppq_torch";
  if (!std::current_exception()) return Error(ErrorKind::Internal, kWhere, "was terminated");
  try {
    rethrow_with_context(ErrorKind::Internal, kWhere);
  } catch (const Error& error) {
    return error;
  } catch (...) {
    return Error(ErrorKind::Internal, kWhere, "was terminated by an exception of an unknown type");
  }
}

[[noreturn]] void say_and_leave() {
  // Of several threads that fail the first one speaks, and ends them all.
  static std::atomic_flag spoken;
  while (spoken.test_and_set()) std::this_thread::sleep_for(std::chrono::seconds(1));
  const Error error = last_error();
  log_error(error.what());
  std::_Exit(exit_code(error.kind()));
}

}  // namespace

void leave_with_last_words() { std::set_terminate(say_and_leave); }

}  // namespace ppq
