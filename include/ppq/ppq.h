#pragma once

// The whole public API.
#include "ppq/dataset.h"
#include "ppq/error.h"
#include "ppq/executor.h"
#include "ppq/graph.h"
#include "ppq/job.h"
#include "ppq/onnx.h"
#include "ppq/pass.h"
#include "ppq/platform.h"
#include "ppq/progress.h"
#include "ppq/quant.h"
#include "ppq/quantizer.h"
#include "ppq/record.h"
#include "ppq/rounding.h"
#include "ppq/run_context.h"
#include "ppq/setting.h"
#include "ppq/tensors.h"
