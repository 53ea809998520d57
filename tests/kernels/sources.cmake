# Times of the CPU kernels against LibTorch's own operators: ninja ppq_bench, then scripts/bench/cpu.
add_executable(ppq_bench EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/apps/bench/main.cpp")
target_link_libraries(ppq_bench PRIVATE ppq ppq_flags)
target_include_directories(ppq_bench PRIVATE "${PROJECT_SOURCE_DIR}")
