# Where the dependencies are: LibTorch, onnx with a static protobuf, nlohmann_json, cxxopts, JPEG, PNG, and CUDA's compiler.

if(NOT EXISTS "${PPQ_TORCH_ROOT}/include/ATen/ATen.h")
  message(FATAL_ERROR "LibTorch not found (PPQ_TORCH_ROOT='${PPQ_TORCH_ROOT}'). Run scripts/setup, or set PPQ_TORCH_ROOT to a folder with include/ and lib/.")
endif()
if(NOT EXISTS "${PPQ_ONNX_ROOT}/include/onnx/onnx_pb.h")
  message(FATAL_ERROR "onnx not found (PPQ_ONNX_ROOT='${PPQ_ONNX_ROOT}'). Run scripts/setup, or set PPQ_ONNX_ROOT to onnx's install prefix.")
endif()

include(PpqLibraries)

find_path(PPQ_JSON_INCLUDE nlohmann/json.hpp REQUIRED)
find_path(PPQ_CXXOPTS_INCLUDE cxxopts.hpp REQUIRED)

if(PPQ_CUDA)
  if(PPQ_CUDA_COMPILER AND NOT CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER "${PPQ_CUDA_COMPILER}")
  endif()
  get_filename_component(cuda_bin "${CMAKE_CUDA_COMPILER}" DIRECTORY)
  get_filename_component(cuda_home "${cuda_bin}" DIRECTORY)
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)
  enable_language(CUDA)
  set(PPQ_CUDA_INCLUDE "${cuda_home}/include")
endif()
