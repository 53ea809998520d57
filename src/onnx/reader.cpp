#include "ppq/onnx.h"
