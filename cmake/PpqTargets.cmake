add_library(ppq_flags INTERFACE)
target_compile_options(ppq_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${PPQ_WERROR}>>:-Werror>)
if(PPQ_SANITIZE)
  # GCC 12 sees uninitialized members in its own std::function under the sanitizers.
  target_compile_options(ppq_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${PPQ_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined -Wno-maybe-uninitialized>)
  target_link_options(ppq_flags INTERFACE -fsanitize=${PPQ_SANITIZE})
endif()

# The only files that see protobuf.
file(GLOB onnx_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/onnx/*.cpp")
add_library(ppq_onnx OBJECT ${onnx_sources})
target_include_directories(ppq_onnx PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(ppq_onnx PRIVATE ppq_flags ppq_onnx_headers)
set_target_properties(ppq_onnx PROPERTIES POSITION_INDEPENDENT_CODE ON)

file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.cpp")
list(FILTER sources EXCLUDE REGEX "/src/onnx/")
file(GLOB kernel_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*.cpp" "${PROJECT_SOURCE_DIR}/kernels/cpu/*.cpp")
add_library(ppq STATIC ${sources} ${kernel_sources} $<TARGET_OBJECTS:ppq_onnx>)
target_include_directories(ppq
  PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:include>"
  PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}" "${PPQ_JSON_INCLUDE}")
target_compile_definitions(ppq PRIVATE PPQ_VERSION="${PROJECT_VERSION}")
target_precompile_headers(ppq PRIVATE <ATen/ATen.h>)
target_link_libraries(ppq PUBLIC ppq_torch_headers ppq_torch_libs ppq_onnx_libs JPEG::JPEG PNG::PNG PRIVATE ppq_flags)
set_target_properties(ppq PROPERTIES POSITION_INDEPENDENT_CODE ON)

# The inputs of a RecordFunction can be read only as LibTorch was built: without assertions.
set_source_files_properties("${PROJECT_SOURCE_DIR}/src/executor/host_waits.cpp" PROPERTIES COMPILE_DEFINITIONS NDEBUG SKIP_PRECOMPILE_HEADERS ON)

# CPU kernels: exact IEEE arithmetic everywhere; one file a level of instructions, chosen at run time.
if(PPQ_SANITIZE)
  set(kernel_flags "-ffp-contract=off")  # GCC 12 crashes on -O3 with the sanitizers
else()
  set(kernel_flags "-O3;-ffp-contract=off")
endif()
set_source_files_properties(${kernel_sources} PROPERTIES COMPILE_OPTIONS "${kernel_flags}")
foreach(source ${kernel_sources})
  if(source MATCHES "_avx512\\.cpp$")
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
      "${kernel_flags};-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx2;-mfma;-mf16c" SKIP_PRECOMPILE_HEADERS ON)
  elseif(source MATCHES "_avx2\\.cpp$")
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
      "${kernel_flags};-mavx2;-mfma;-mf16c" SKIP_PRECOMPILE_HEADERS ON)
  elseif(source MATCHES "/parallel\\.cpp$")
    # at::parallel_for, a header template, is serial in files compiled without OpenMP.
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-O2;-fopenmp" SKIP_PRECOMPILE_HEADERS ON)
  elseif(source MATCHES "/level_scalar\\.cpp$")
    set_source_files_properties(${source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  endif()
endforeach()

if(PPQ_CUDA)
  # Device code includes no ATen; the host side of each kernel is a .cpp beside it.
  file(GLOB cuda_kernels CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu")
  file(GLOB cuda_hosts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/cuda/*.cpp")
  list(FILTER cuda_hosts EXCLUDE REGEX "no_cuda\\.cpp$")
  if(cuda_kernels)
    add_library(ppq_cuda OBJECT ${cuda_kernels})
    target_include_directories(ppq_cuda PRIVATE "${PROJECT_SOURCE_DIR}")
    set_target_properties(ppq_cuda PROPERTIES CUDA_STANDARD 20 POSITION_INDEPENDENT_CODE ON)
    set(gencode)
    foreach(arch ${PPQ_CUDA_ARCHS})
      list(APPEND gencode "SHELL:-gencode arch=compute_${arch},code=sm_${arch}")
    endforeach()
    list(GET PPQ_CUDA_ARCHS -1 newest)
    list(APPEND gencode "SHELL:-gencode arch=compute_${newest},code=compute_${newest}")
    target_compile_options(ppq_cuda PRIVATE ${gencode} --fmad=false -O3 -lineinfo --expt-relaxed-constexpr)
    target_sources(ppq PRIVATE $<TARGET_OBJECTS:ppq_cuda>)
  endif()
  target_sources(ppq PRIVATE ${cuda_hosts})
  target_include_directories(ppq SYSTEM PRIVATE "${PPQ_CUDA_INCLUDE}")
  file(GLOB cudart "${torch_site}/nvidia/*/lib/libcudart.so.*")
  target_link_libraries(ppq PUBLIC ${cudart})
else()
  target_sources(ppq PRIVATE "${PROJECT_SOURCE_DIR}/kernels/cuda/no_cuda.cpp")
endif()

file(GLOB app_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/ppq_torch/*.cpp")
add_executable(ppq_torch ${app_sources})
target_include_directories(ppq_torch PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}" SYSTEM "${PPQ_JSON_INCLUDE}" "${PPQ_CXXOPTS_INCLUDE}")
target_compile_definitions(ppq_torch PRIVATE PPQ_VERSION="${PROJECT_VERSION}")
target_link_libraries(ppq_torch PRIVATE ppq ppq_flags)

file(GLOB example_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.cpp")
foreach(source ${example_sources})
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  target_link_libraries(${name} PRIVATE ppq ppq_flags)
endforeach()
