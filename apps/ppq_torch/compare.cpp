#include "commands.h"
#include "ppq/error.h"

namespace ppq::app {

int compare_command(const Args& args) { throw Error(ErrorKind::Unsupported, "ppq_torch compare", "not part of this build"); }

}  // namespace ppq::app
