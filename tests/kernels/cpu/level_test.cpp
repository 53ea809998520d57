#include "kernels/cpu/level.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kernels/kernels.h"

namespace ppq::kernels::cpu {
namespace {

TEST(Level, BestIsChosenAndCanBeReplacedForAWhile) {
  const char* wanted = std::getenv("PPQ_CPU_KERNELS");
  EXPECT_EQ(std::string(cpu_instruction_set()), wanted ? wanted : available_levels().back()->name);
  {
    UseLevel use(scalar_level());
    EXPECT_STREQ(cpu_instruction_set(), "scalar");
  }
  EXPECT_EQ(std::string(cpu_instruction_set()), wanted ? wanted : available_levels().back()->name);
}

TEST(Level, EveryFunctionIsThere) {
  for (const Level* level : available_levels()) {
    EXPECT_TRUE(level->fake_quantize_uniform && level->fake_quantize_varying && level->quantize_int_uniform &&
                level->quantize_int_varying && level->backward_uniform && level->backward_varying && level->count_bins && level->range &&
                level->range_varying && level->transpose && level->error_sums)
        << level->name;
  }
}

}  // namespace
}  // namespace ppq::kernels::cpu
