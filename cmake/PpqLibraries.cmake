# What libppq.a links: ppq_torch_libs, ppq_torch_headers, ppq_onnx_libs, ppq_onnx_headers, JPEG::JPEG, PNG::PNG, from the folders
# PPQ_TORCH_ROOT and PPQ_ONNX_ROOT. The installed package includes this file too.

# LibTorch by its files: find_package(Torch) of a CUDA wheel insists on a CUDA toolkit even for programs without kernels.
set(torch_lib "${PPQ_TORCH_ROOT}/lib")
get_filename_component(torch_site "${PPQ_TORCH_ROOT}" DIRECTORY)
file(GLOB nvidia_libs LIST_DIRECTORIES true "${torch_site}/nvidia/*/lib")
add_library(ppq_torch_libs INTERFACE)
target_link_directories(ppq_torch_libs INTERFACE "${torch_lib}")
# LibTorch exports an old std::filesystem of its own, whose remove_all crashes: the system's must be found first.
target_link_libraries(ppq_torch_libs INTERFACE stdc++)
target_link_libraries(ppq_torch_libs INTERFACE "${torch_lib}/libtorch.so" "${torch_lib}/libtorch_cpu.so" "${torch_lib}/libc10.so")
if(EXISTS "${torch_lib}/libtorch_cuda.so")
  # --no-as-needed: nothing refers to a symbol of it, yet without it there is no CUDA device.
  target_link_libraries(ppq_torch_libs INTERFACE
    "-Wl,--push-state,--no-as-needed" "${torch_lib}/libtorch_cuda.so" "${torch_lib}/libc10_cuda.so" "-Wl,--pop-state")
endif()
foreach(dir ${torch_lib} ${nvidia_libs})
  target_link_options(ppq_torch_libs INTERFACE "-Wl,-rpath-link,${dir}")
endforeach()
# LibTorch's own OpenMP runtime, so that our parallel loops run on its threads.
file(GLOB torch_openmp "${torch_lib}/libgomp*.so*")
target_link_libraries(ppq_torch_libs INTERFACE ${torch_openmp})
target_compile_definitions(ppq_torch_libs INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
add_library(ppq_torch_headers INTERFACE)
target_include_directories(ppq_torch_headers SYSTEM INTERFACE "${PPQ_TORCH_ROOT}/include")

# The wheel carries an old google/protobuf among its headers, so protobuf users get Torch's folder after the system's.
find_library(PPQ_PROTOBUF_LIBRARY NAMES libprotobuf.a REQUIRED)
find_path(PPQ_PROTOBUF_INCLUDE google/protobuf/message.h REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)
set(onnx_libs "${PPQ_ONNX_ROOT}/lib/libonnx.a")
if(EXISTS "${PPQ_ONNX_ROOT}/lib/libonnx_proto.a")
  list(APPEND onnx_libs "${PPQ_ONNX_ROOT}/lib/libonnx_proto.a")
endif()
add_library(ppq_onnx_libs INTERFACE)
target_link_libraries(ppq_onnx_libs INTERFACE ${onnx_libs} "${PPQ_PROTOBUF_LIBRARY}" ZLIB::ZLIB Threads::Threads)
# libtorch_cpu.so exports protobuf symbols of its own: ours stay private to the program.
target_link_options(ppq_onnx_libs INTERFACE "-Wl,--exclude-libs,ALL")
add_library(ppq_onnx_headers INTERFACE)
target_include_directories(ppq_onnx_headers SYSTEM INTERFACE "${PPQ_ONNX_ROOT}/include" "${PPQ_PROTOBUF_INCLUDE}")
target_compile_definitions(ppq_onnx_headers INTERFACE ONNX_ML=1 ONNX_NAMESPACE=onnx)
target_compile_options(ppq_onnx_headers INTERFACE "SHELL:-idirafter ${PPQ_TORCH_ROOT}/include")

find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
