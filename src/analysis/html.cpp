#include "analysis/html.h"

#include <cmath>
#include <cstdio>

namespace ppq::html {
namespace {

std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }  // inside a character of UTF-8

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')
      out += "&#xFFFD;";
    else
      out += c;
  }
  return out;
}

std::string shortened(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t head = most / 2, tail = text.size() - most / 2;
  while (head > 0 && continues(text[head])) --head;
  while (tail < text.size() && continues(text[tail])) ++tail;
  return text.substr(0, head) + "…" + text.substr(tail);
}

std::string name(const std::string& text) {
  constexpr size_t kMost = 120;
  const std::string title = text.size() > kMost ? " title=\"" + escaped(text) + "\"" : "";
  return "<bdi class=\"name\"" + title + ">" + escaped(shortened(text, kMost)) + "</bdi>";
}

std::string shell_word(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string share(double ratio) { return figure(100 * ratio) + " %"; }

std::string figure(double value) {
  if (std::isnan(value)) return "–";
  if (std::isinf(value)) return value > 0 ? "∞" : "-∞";
  if (value == 0) return "0";  // without a sign
  const double magnitude = std::abs(value);
  return printed(magnitude >= 999.5 && magnitude < 1e6 ? "%.0f" : "%.3g", value);
}

std::string cosine(double value) { return std::isfinite(value) ? printed("%.5f", value) : "–"; }

std::string count(size_t value) {
  const std::string digits = std::to_string(value);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string count(size_t value, const std::string& what) { return count(value) + " " + what + (value == 1 ? "" : "s"); }

std::string bytes(size_t value) {
  const double mega = static_cast<double>(value) / (1 << 20);
  return mega < 1000 ? figure(mega) + " MB" : figure(mega / 1024) + " GB";
}

std::string seconds(double value) {
  if (value < 0.001) return "0 s";
  if (value < 1) return figure(1000 * value) + " ms";
  if (value < 120) return figure(value) + " s";
  return count(static_cast<size_t>(value) / 60) + " min " + std::to_string(static_cast<size_t>(value) % 60) + " s";
}

std::string folded(const std::string& summary, const std::string& body) {
  return "<details><summary>" + summary + "</summary>" + body + "</details>";
}

Grade grade(double snr) {
  if (snr < 0.001) return {"good", "very close to float"};
  if (snr < 0.01) return {"fine", "close to float"};
  if (snr < 0.1) return {"noisy", "noisy"};
  return {"lost", "far from float"};
}

}  // namespace ppq::html
