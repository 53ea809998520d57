#include <sys/auxv.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>

/// OpenMP's threads wait for work by spinning, then asleep. Spinning long makes two jobs on the same cores many times slower;
/// sleeping at once costs a job by itself up to a quarter, where waking takes long (docs/processors.md). So: some ten microseconds,
/// for the commands that compute, unless the user said how to wait. The library reads its environment when it is loaded. What
/// .preinit_array names runs before that, and before LibTorch's own start, which takes half a second: so here, where only the
/// program's own memory is certain to work, it starts once more with the variable set.
namespace {

constexpr char kVariable[] = "GOMP_SPINCOUNT=1000";

bool is_one_of(const char* word, std::initializer_list<const char*> words) {
  for (const char* one : words)
    if (std::strcmp(word, one) == 0) return true;
  return false;
}

bool computes(char** arguments) {
  if (!arguments[0] || !arguments[1] || is_one_of(arguments[1], {"list", "inspect", "compare", "--version", "help"})) return false;
  for (char** argument = arguments + 1; *argument; ++argument)
    if (is_one_of(*argument, {"--help", "-h"})) return false;
  return true;
}

bool sets(const char* entry, const char* variable) {
  const size_t length = std::strlen(variable);
  return std::strncmp(entry, variable, length) == 0 && entry[length] == '=';
}

void spin_before_sleeping(int, char** arguments, char** environment) {
  constexpr size_t kMost = 4096;
  static char* extended[kMost + 2];
  if (!computes(arguments)) return;
  size_t count = 0;
  for (; environment[count]; ++count) {
    if (count == kMost || sets(environment[count], "GOMP_SPINCOUNT") || sets(environment[count], "OMP_WAIT_POLICY")) return;
    extended[count] = environment[count];
  }
  extended[count] = const_cast<char*>(kVariable);
  if (getauxval(AT_BASE) == 0) return;            // a loader called by hand is what would start again
  execve("/proc/self/exe", arguments, extended);  // returns only where it cannot: then it goes on as it is
}

__attribute__((section(".preinit_array"), used)) void (*const before_libraries)(int, char**, char**) = spin_before_sleeping;

}  // namespace
