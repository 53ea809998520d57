#include "ppq/platform.h"

namespace ppq {

const std::vector<std::pair<const char*, TargetPlatform>>& target_platforms() {
  using enum TargetPlatform;
  static const std::vector<std::pair<const char*, TargetPlatform>> table = {{"MNN_INT8", MNN_INT8},
                                                                            {"TRT_INT8", TRT_INT8},
                                                                            {"NCNN_INT8", NCNN_INT8},
                                                                            {"OPENVINO_INT8", OPENVINO_INT8},
                                                                            {"TENGINE_INT8", TENGINE_INT8},
                                                                            {"TRT_FP8", TRT_FP8},
                                                                            {"ASC_INT8", ASC_INT8},
                                                                            {"PPL_CUDA_INT8", PPL_CUDA_INT8},
                                                                            {"PPL_CUDA_INT4", PPL_CUDA_INT4},
                                                                            {"PPL_CUDA_FP16", PPL_CUDA_FP16},
                                                                            {"PPL_CUDA_MIX", PPL_CUDA_MIX},
                                                                            {"PPL_DSP_INT8", PPL_DSP_INT8},
                                                                            {"SNPE_INT8", SNPE_INT8},
                                                                            {"PPL_DSP_TI_INT8", PPL_DSP_TI_INT8},
                                                                            {"QNN_DSP_INT8", QNN_DSP_INT8},
                                                                            {"QNN_HTP_INT8", QNN_HTP_INT8},
                                                                            {"QNN_HTP_A16W8", QNN_HTP_A16W8},
                                                                            {"HOST_INT8", HOST_INT8},
                                                                            {"NXP_INT8", NXP_INT8},
                                                                            {"FPGA_INT8", FPGA_INT8},
                                                                            {"RKNN_INT8", RKNN_INT8},
                                                                            {"METAX_INT8_C", METAX_INT8_C},
                                                                            {"METAX_INT8_T", METAX_INT8_T},
                                                                            {"HEXAGON_INT8", HEXAGON_INT8},
                                                                            {"GRAPHCORE_FP8", GRAPHCORE_FP8},
                                                                            {"FP32", FP32},
                                                                            {"FP16", FP16},
                                                                            {"BF16", BF16},
                                                                            {"FP8", FP8},
                                                                            {"INT8", INT8},
                                                                            {"SOI", SOI},
                                                                            {"UNSPECIFIED", UNSPECIFIED},
                                                                            {"BOUNDARY", BOUNDARY},
                                                                            {"ONNX", ONNX},
                                                                            {"CAFFE", CAFFE},
                                                                            {"NATIVE", NATIVE},
                                                                            {"ONNXRUNTIME", ONNXRUNTIME},
                                                                            {"EXTENSION", EXTENSION}};
  return table;
}

}  // namespace ppq
