target_sources(test_cuda PRIVATE
  "${CMAKE_CURRENT_SOURCE_DIR}/cuda/backend.cpp"
  "${CMAKE_CURRENT_SOURCE_DIR}/cuda/shim/shim.cpp"
  "${CMAKE_CURRENT_SOURCE_DIR}/cuda/shim/shim_backend.cpp")
# The kernels' bodies, which run for minutes: optimized. As the device: no fused multiply-add. Kernels read floats as integers of the same size.
if(PPQ_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # Under the sanitizers GCC takes getcontext for setjmp.
  set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/cuda/shim/shim.cpp" PROPERTIES COMPILE_OPTIONS -Wno-clobbered)
endif()
set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/cuda/shim/shim_backend.cpp" PROPERTIES
  COMPILE_OPTIONS "-ffp-contract=off;-fno-strict-aliasing;-O2" SKIP_PRECOMPILE_HEADERS ON)

# Two objects for check_kernels to be tried on: a host call of a device function, and its mended twin. One architecture will do.
set(host_call_objects "PPQ_HOST_CALL_WRONG=\"\"" "PPQ_HOST_CALL_RIGHT=\"\"")
if(PPQ_CUDA)
  list(GET PPQ_CUDA_ARCHS 0 any_arch)
  foreach(twin wrong right)
    add_library(host_call_${twin} OBJECT "${CMAKE_CURRENT_SOURCE_DIR}/cuda/host_call.cu")
    target_include_directories(host_call_${twin} PRIVATE "${PROJECT_SOURCE_DIR}")
    set_target_properties(host_call_${twin} PROPERTIES CUDA_STANDARD 20 POSITION_INDEPENDENT_CODE ON)
    target_compile_options(host_call_${twin} PRIVATE "SHELL:-gencode arch=compute_${any_arch},code=sm_${any_arch}" -O3 --expt-relaxed-constexpr)
    add_dependencies(test_cuda host_call_${twin})
  endforeach()
  target_compile_definitions(host_call_right PRIVATE PPQ_ON_BOTH)
  set(host_call_objects "PPQ_HOST_CALL_WRONG=\"$<TARGET_OBJECTS:host_call_wrong>\"" "PPQ_HOST_CALL_RIGHT=\"$<TARGET_OBJECTS:host_call_right>\"")
endif()
set_property(SOURCE "${CMAKE_CURRENT_SOURCE_DIR}/cuda/check_kernels_test.cpp" APPEND PROPERTY COMPILE_DEFINITIONS ${host_call_objects})
set_property(SOURCE "${CMAKE_CURRENT_SOURCE_DIR}/cuda/launch_test.cpp" APPEND PROPERTY COMPILE_DEFINITIONS PPQ_WITH_CUDA=$<BOOL:${PPQ_CUDA}>)

# Host calls of device functions, registers, spills, vector accesses and occupancy of the compiled kernels; skipped without CUDA or cuobjdump.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(PPQ_CUDA AND Python3_FOUND)
  add_test(NAME cuda.check_kernels COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/scripts/check_kernels" --build "${PROJECT_BINARY_DIR}")
  set_tests_properties(cuda.check_kernels PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
endif()

# The device's tests once more in one process, and the kernels' under compute-sanitizer where it is installed: ctest -L cuda.
# DevicePath provokes errors of the CUDA API, which the sanitizer reports. Without LibTorch's allocator, which cuts tensors from
# larger pieces, an access beyond a small tensor leaves its memory.
add_test(NAME cuda.device COMMAND test_cuda "--gtest_filter=*/device")
set_tests_properties(cuda.device PROPERTIES LABELS cuda SKIP_REGULAR_EXPRESSION "no CUDA device" TIMEOUT 600)
find_program(PPQ_COMPUTE_SANITIZER compute-sanitizer HINTS "${PPQ_CUDA_INCLUDE}/../bin")
if(PPQ_CUDA AND PPQ_COMPUTE_SANITIZER)
  foreach(tool memcheck racecheck synccheck)
    add_test(NAME cuda.${tool} COMMAND "${PPQ_COMPUTE_SANITIZER}" --tool ${tool} --error-exitcode 1 "$<TARGET_FILE:test_cuda>"
      "--gtest_filter=*/device:-*DevicePath*")
    set_tests_properties(cuda.${tool} PROPERTIES LABELS cuda SKIP_REGULAR_EXPRESSION "no CUDA device" TIMEOUT 3600
      ENVIRONMENT PYTORCH_NO_CUDA_MEMORY_CACHING=1)
  endforeach()
endif()

# Bandwidth of the kernels on a device: ninja bench_cuda, then scripts/bench/cuda.
add_executable(bench_cuda EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/scripts/bench/cuda_bench.cpp")
target_link_libraries(bench_cuda PRIVATE ppq ppq_flags)
target_include_directories(bench_cuda PRIVATE "${PROJECT_SOURCE_DIR}" SYSTEM "${PPQ_JSON_INCLUDE}")
target_compile_definitions(bench_cuda PRIVATE PPQ_WITH_CUDA=$<BOOL:${PPQ_CUDA}>)
if(PPQ_CUDA)
  target_include_directories(bench_cuda SYSTEM PRIVATE "${PPQ_CUDA_INCLUDE}")
endif()

# A calibration beside the float network, on any device: scripts/bench/calibration.
add_executable(bench_calibration "${PROJECT_SOURCE_DIR}/scripts/bench/calibration_bench.cpp")
target_link_libraries(bench_calibration PRIVATE ppq ppq_flags)
target_include_directories(bench_calibration PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/src" SYSTEM "${PPQ_JSON_INCLUDE}")
