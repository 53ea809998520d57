#include "support/browser.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "core/file.h"
#include "support/share.h"

namespace ppq::test {
namespace {

std::string in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const std::string file = folder + "/" + program; ::access(file.c_str(), X_OK) == 0) return file;
  return "";
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

}  // namespace

std::string browser() {
  if (const char* given = std::getenv("PPQ_TEST_BROWSER")) return given;
  for (const char* name : {"chromium-headless-shell", "chromium", "google-chrome"})
    if (std::string file = in_path(name); !file.empty()) return file;
  return "";
}

std::string show_page(const std::string& html, int width, const std::string& script) {
  const std::string folder = temporary_dir("browser");
  const size_t end = html.rfind("</body>");
  write_file(folder + "/page.html", html.substr(0, end) + "<script>" + script + "</script>" + html.substr(end));
  const std::string command =
      "timeout 120 '" + browser() + "' --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir='" + folder +
      "/profile' --window-size=" + std::to_string(width) + ",1000 --dump-dom 'file://" + folder + "/page.html' 2>'" + folder + "/messages'";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string dom;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) dom.append(buffer, n);
  const int status = ::pclose(pipe);
  const size_t begin = dom.find("<body>"), close = dom.find("</body>");
  if (status != 0 || begin == std::string::npos || close == std::string::npos) {
    ADD_FAILURE() << command << "\n" << read_file(folder + "/messages");
    return "";
  }
  std::string text = dom.substr(begin + 6, close - begin - 6);
  for (const auto& [entity, character] : {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&nbsp;", " "}, {"&amp;", "&"}})
    replace_all(text, entity, character);
  return text;
}

}  // namespace ppq::test
