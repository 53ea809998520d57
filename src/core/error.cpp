#include "ppq/error.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <new>
#include <nlohmann/json.hpp>
#include <system_error>

namespace ppq {
namespace {

std::string render(const std::string& where, const std::string& problem, const std::string& hint) {
  std::string text = where.empty() ? problem : "[" + where + "] " + problem;
  if (!hint.empty()) {
    if (text.back() != '.' && text.back() != '?') text += '.';
    text += " Hint: " + hint;
  }
  return text;
}

std::string first_line(const char* text) {
  std::string line(text);
  return line.substr(0, line.find('\n'));
}

/// Allocators say so in words, cuBLAS and cuDNN by a status (ALLOC_FAILED or, since cuDNN 9, ALLOCATION_FAILED); LibTorch finds no
/// engine of cuDNN when it has the memory for none.
bool mentions_memory(const std::string& text) {
  constexpr const char* kSigns[] = {"out of memory", "can't allocate memory", "ALLOC_FAILED", "ALLOCATION_FAILED",
                                    "nable to find an engine to execute this computation"};
  return std::any_of(std::begin(kSigns), std::end(kSigns), [&](const char* sign) { return text.find(sign) != std::string::npos; });
}

}  // namespace

Error::Error(ErrorKind kind, std::string where, std::string problem, std::string hint)
    : std::runtime_error(render(where, problem, hint)),
      kind_(kind),
      where_(std::move(where)),
      problem_(std::move(problem)),
      hint_(std::move(hint)) {}

Error Error::with_context(std::string_view outer) const {
  std::string where(outer);
  // "node conv (Conv)" around "conv (Conv)" says the same twice.
  if (!where_.empty() && !outer.ends_with(where_)) where += (where.empty() ? "" : ": ") + where_;
  return Error(kind_, std::move(where), problem_, hint_);
}

void rethrow_with_context(ErrorKind kind, std::string_view where) {
  try {
    throw;
  } catch (const Error& e) {
    throw e.with_context(where);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::Resource, std::string(where), "out of memory", "try a smaller batch size or less memory for activations");
  } catch (const c10::Error& e) {
    const std::string text = first_line(e.what_without_backtrace());
    if (text.find("device-side assert") != std::string::npos)
      throw Error(kind, std::string(where), "a check on the GPU failed, such as that of an index beyond its tensor (" + text + ")",
                  "--device cpu names the node and the index");
    if (mentions_memory(text))
      throw Error(ErrorKind::Resource, std::string(where), text, "try a smaller batch size or less memory for activations");
    throw Error(kind, std::string(where), text);
  } catch (const nlohmann::json::exception& e) {
    throw Error(kind, std::string(where), e.what());
  } catch (const std::system_error& e) {
    throw Error(kind, std::string(where), e.what());
  } catch (const std::exception& e) {
    throw Error(kind, std::string(where), first_line(e.what()));
  }
}

namespace {

std::string folded(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t previous = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = previous;
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& candidates, size_t limit) {
  constexpr size_t kMaxCandidates = 20000;
  const std::string wanted = folded(name.substr(0, 256));
  std::vector<std::pair<size_t, size_t>> scored;
  for (size_t i = 0; i < std::min(candidates.size(), kMaxCandidates); ++i) {
    const std::string candidate = folded(std::string_view(candidates[i]).substr(0, 256));
    size_t distance = edit_distance(wanted, candidate);
    if (!wanted.empty() && candidate.find(wanted) != std::string::npos) distance = std::min(distance, size_t{1});
    if (distance <= std::max<size_t>(2, std::max(wanted.size(), candidate.size()) / 3)) scored.emplace_back(distance, i);
  }
  std::stable_sort(scored.begin(), scored.end(), [](auto& a, auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (size_t k = 0; k < std::min(limit, scored.size()); ++k) names.push_back(candidates[scored[k].second]);
  return names;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  auto near = nearest_names(name, candidates);
  std::string text = near.empty() ? "choose from: " : "did you mean ";
  const auto& shown = near.empty() ? candidates : near;
  constexpr size_t kMaxShown = 30;
  for (size_t i = 0; i < std::min(shown.size(), kMaxShown); ++i) text += (i ? ", " : "") + shown[i];
  if (shown.size() > kMaxShown) text += ", …";
  return near.empty() ? text : text + "?";
}

}  // namespace ppq
