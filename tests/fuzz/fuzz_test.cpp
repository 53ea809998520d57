// The fuzzer's own parts: a fault that it would not see is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>
#include <thread>
#include <vector>

#include "core/file.h"
#include "fuzz/mutant.h"
#include "fuzz/target.h"
#include "fuzz/watch.h"
#include "support/share.h"

namespace ppq::fuzz {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string watched(const std::function<void()>& work, Limits limits = {}) {
  static const std::string log = test::temporary_dir("fuzz") + "/log";
  return watch(work, limits, log);
}

TEST(Watch, SeesWhatBecomesOfAChild) {
  EXPECT_THAT(watched([] {}), IsEmpty());
  EXPECT_THAT(watched([] { end_with("an internal error"); }), "an internal error");
  EXPECT_THAT(watched([] {
                std::signal(SIGSEGV, SIG_DFL);
                std::raise(SIGSEGV);
              }),
              HasSubstr("Segmentation fault"));
  EXPECT_THAT(watched([] { _exit(7); }), HasSubstr("exit status 7"));
}

TEST(Watch, EndsAChildThatTakesTooLong) {
  EXPECT_THAT(watched([] { std::this_thread::sleep_for(std::chrono::seconds(60)); }, {.seconds = 0.1}), HasSubstr("takes more than"));
}

TEST(Watch, EndsAChildThatTakesTooMuchMemory) {
  const auto grow = [] {
    std::vector<std::vector<char>> all;
    for (int i = 0; i < 4000; ++i) all.emplace_back(1 << 20, 'x');
    std::this_thread::sleep_for(std::chrono::seconds(60));
  };
  EXPECT_THAT(watched(grow, {.seconds = 30, .bytes = size_t{1500} << 20}), "takes more than 1500 MB");
}

TEST(Mutants, AreDecidedByTheirNumbersAlone) {
  const auto seeds = make_seeds("");
  std::set<std::string> different;
  constexpr int kCount = 300;
  int changed = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const Recipe recipe = recipe_of(1, i, seeds.size());
    const Mutant mutant = make_mutant(seeds, recipe), again = make_mutant(seeds, recipe_of(1, i, seeds.size()));
    EXPECT_EQ(mutant.model, again.model);
    EXPECT_FALSE(mutant.changes.empty());
    changed += mutant.model != seeds[recipe.seed].model;
    different.insert(mutant.model);
  }
  EXPECT_GT(changed, kCount * 9 / 10) << "the others got the number that they had";
  EXPECT_GT(different.size(), size_t{kCount * 9 / 10});
}

/// Without changes every seed goes all the way: what a change breaks is the change's.
TEST(Mutants, ComeFromSeedsThatAreWhole) {
  const auto seeds = make_seeds("");
  const std::string folder = test::temporary_dir("seeds");
  std::set<std::string> names;
  for (size_t i = 0; i < seeds.size(); ++i) {
    if (!names.insert(seeds[i].name).second) continue;
    write_file(folder + "/model.onnx", make_mutant(seeds, {i, {}}).model);
    const Outcome outcome = examine(folder, 1, [](const char*) {});
    EXPECT_EQ(outcome.code, 0) << seeds[i].name << ": " << outcome.text;
  }
}

}  // namespace
}  // namespace ppq::fuzz
