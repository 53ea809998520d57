#include "support/python.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "support/places.h"
#include "support/share.h"

namespace ppq::test {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

}  // namespace

bool have_python() { return std::filesystem::exists(test_python()); }

std::string run_python(const std::string& script, const std::vector<std::string>& arguments, const std::string& interpreter) {
  const std::string file = temporary_dir("python") + "/script.py";
  std::ofstream(file) << script;
  std::string command = quoted(interpreter.empty() ? test_python() : interpreter) + " " + quoted(file);
  for (const std::string& argument : arguments) command += " " + quoted(argument);
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (!pipe) {
    ADD_FAILURE() << "cannot run " << command;
    return "";
  }
  std::string output;
  char buffer[4096];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  const int status = ::pclose(pipe);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command << "\n" << output;
  return output;
}

}  // namespace ppq::test
