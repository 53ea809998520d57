#pragma once

#include <cstddef>
#include <string>

/// Text, names and figures as report.html shows them.
namespace ppq::html {

/// For text and for attributes in double quotes. Control characters are replaced.
std::string escaped(const std::string& text);
/// At most about `most` bytes, cut between characters: the middle is left out.
std::string shortened(const std::string& text, size_t most);
/// Of a tensor, node or file: may break anywhere, keeps its writing direction to itself; of a long one the middle is in the title only.
std::string name(const std::string& text);
/// A word for a shell, as it must be typed.
std::string shell_word(const std::string& text);

/// "1.23 %": three digits, however small.
std::string share(double ratio);
/// Three digits.
std::string figure(double value);
/// Five places: 1 is what differs by less.
std::string cosine(double value);
/// "12,345".
std::string count(size_t value);
/// "1 sample", "2,000 samples".
std::string count(size_t value, const std::string& what);
std::string bytes(size_t value);
std::string seconds(double value);

/// A part that is shown when its summary is clicked. Both are HTML.
std::string folded(const std::string& summary, const std::string& body);

/// How much noise over signal is, for a colour (a class of the style) and in words.
struct Grade {
  const char* style;
  const char* words;
};
Grade grade(double snr);

}  // namespace ppq::html
