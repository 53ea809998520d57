#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ppq {

/// What went wrong, from the user's point of view. The numbers are the process's exit codes.
enum class ErrorKind { Usage = 2, Model = 3, Unsupported = 4, Data = 5, Resource = 6, Internal = 70 };

/// The one exception type of the library. `what()` reads
/// `[where] what is wrong: got X, expected Y. Hint: one thing to do.`
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string where, std::string problem, std::string hint = "");

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& where() const noexcept { return where_; }
  const std::string& problem() const noexcept { return problem_; }
  const std::string& hint() const noexcept { return hint_; }

  /// The same error with an outer place put before `where`: "pass fuse-batch-norm: node conv1".
  Error with_context(std::string_view outer) const;

 private:
  ErrorKind kind_;
  std::string where_, problem_, hint_;
};

inline int exit_code(ErrorKind kind) { return static_cast<int>(kind); }

/// Runs `body`; errors of c10, json and std that leave it become `ppq::Error`s of `kind` at `where`, and a
/// `ppq::Error` gets `where` as outer context. Out-of-memory becomes Resource.
template <class Body>
auto with_error_context(ErrorKind kind, std::string_view where, Body&& body) -> decltype(body());

/// Rethrows the exception in flight as a `ppq::Error` (see with_error_context).
[[noreturn]] void rethrow_with_context(ErrorKind kind, std::string_view where);

template <class Body>
auto with_error_context(ErrorKind kind, std::string_view where, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    rethrow_with_context(kind, where);
  }
}

/// The `limit` candidates nearest to `name` (edit distance, case ignored), best first; far ones are left out.
std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& candidates, size_t limit = 3);

/// "did you mean a, b?" or, when nothing is near, "choose from: a, b, c".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace ppq
