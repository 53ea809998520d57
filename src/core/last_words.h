#pragma once

namespace ppq {

/// From now on an exception that nothing can catch (it left a thread or a destructor: a lost CUDA device throws there too) ends the
/// process as any other error does: one `error:` line, and the exit code of its kind.
void leave_with_last_words();

}  // namespace ppq
