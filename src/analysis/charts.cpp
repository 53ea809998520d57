#include "analysis/charts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "analysis/html.h"

namespace ppq::html {
namespace {

/// A coordinate.
std::string at(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string digits = text;
  if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
  return digits;
}

struct Box {
  double left, top, right, bottom;
  double width() const { return right - left; }
  double height() const { return bottom - top; }
};

std::string svg(double width, double height, const std::string& label, const std::string& body, double top = 0) {
  return "<svg viewBox=\"0 " + at(top) + " " + at(width) + " " + at(height) + "\" role=\"img\" aria-label=\"" + label + "\">" + body +
         "</svg>";
}
std::string rect(double x, double y, double width, double height, const std::string& style) {
  return "<rect x=\"" + at(x) + "\" y=\"" + at(y) + "\" width=\"" + at(std::max(width, 0.0)) + "\" height=\"" + at(std::max(height, 0.0)) +
         "\" class=\"" + style + "\"/>";
}
std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<path d=\"M" + at(x1) + " " + at(y1) + "L" + at(x2) + " " + at(y2) + "\" class=\"" + style + "\"/>";
}
/// `anchor`: start, middle or end.
std::string text(double x, double y, const std::string& words, const std::string& anchor = "start") {
  return "<text x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" + anchor + "\">" + words + "</text>";
}

std::string power_of_ten(int exponent) { return share(std::pow(10.0, exponent)); }

/// Neighbouring tensors that share a bar.
struct Column {
  size_t begin, end;
  const TensorError* worst;
  double alone = -1;
};

std::vector<Column> columns(const std::vector<TensorError>& tensors, size_t most) {
  std::vector<Column> all;
  const size_t count = std::min(tensors.size(), most);
  for (size_t i = 0; i < count; ++i) {
    Column column{i * tensors.size() / count, (i + 1) * tensors.size() / count, nullptr};
    for (size_t t = column.begin; t < column.end; ++t) {
      if (!column.worst || tensors[t].graphwise.nsr() > column.worst->graphwise.nsr()) column.worst = &tensors[t];
      column.alone = std::max(column.alone, tensors[t].layerwise_snr);
    }
    all.push_back(column);
  }
  return all;
}

std::string column_title(const Column& column) {
  const TensorError& tensor = *column.worst;
  std::string words =
      std::to_string(column.begin + 1) + (column.end - column.begin > 1 ? "–" + std::to_string(column.end) + ", worst: " : ": ");
  words += escaped(shortened(tensor.name, 80)) + " (" + escaped(shortened(tensor.type, 40)) + ")\n" + share(tensor.graphwise.nsr()) +
           " accumulated";
  if (column.alone >= 0) words += ", " + share(column.alone) + " alone";
  return words;
}

/// A number above the bar that it belongs to, in a row where it does not cover others.
struct Mark {
  double x, to;  ///< of the bar, of the number
  size_t row, number;
};
constexpr double kMarkWidth = 22, kMarkHeight = 19;

/// `places`: of bars, ascending, and their numbers.
std::vector<Mark> in_rows(const std::vector<std::pair<double, size_t>>& places) {
  std::array<double, 4> ends{};
  ends.fill(-kMarkWidth);
  std::vector<Mark> marks;
  for (const auto& [x, number] : places) {
    size_t row = 0;
    while (row < ends.size() && ends[row] + kMarkWidth > x) ++row;
    if (row == ends.size()) row = static_cast<size_t>(std::min_element(ends.begin(), ends.end()) - ends.begin());
    ends[row] = std::max(x, ends[row] + kMarkWidth);
    marks.push_back({x, ends[row], row, number});
  }
  return marks;
}

std::string draw(const Mark& mark, const Box& box) {
  const double y = box.top - 12 - kMarkHeight * static_cast<double>(mark.row);
  const std::string digits = std::to_string(mark.number);
  return line(mark.to, y + 8, mark.x, box.top, "lead") + "<a href=\"#tensor-" + digits + "\"><circle cx=\"" + at(mark.to) + "\" cy=\"" +
         at(y) + "\" r=\"9\" class=\"mark\"/><text x=\"" + at(mark.to) + "\" y=\"" + at(y + 4) +
         "\" text-anchor=\"middle\" class=\"number\">" + digits + "</text></a>";
}

/// Whole decades with their labels.
std::string decade_lines(const LogAxis& axis, const Box& box) {
  std::string out;
  for (int power = axis.low(); power <= axis.high(); ++power) {
    const double y = box.bottom - box.height() * axis.at(std::pow(10.0, power));
    out += line(box.left, y, box.right, y, "grid") + text(box.left - 7, y + 4, power_of_ten(power), "end");
  }
  return out;
}

/// "12", "3 k", "40 M".
std::string short_count(int power) {
  static constexpr std::array<const char*, 5> kUnits = {"", " k", " M", " G", " T"};
  const auto unit = std::min<size_t>(static_cast<size_t>(power) / 3, kUnits.size() - 1);
  return figure(std::pow(10.0, power - 3 * static_cast<int>(unit))) + kUnits[unit];
}

/// Stairs over equal bins; empty ones lie on the ground.
std::string stairs(const std::vector<int64_t>& counts, double most, double from, double to, const Box& box, bool closed) {
  const double width = (to - from) / static_cast<double>(counts.size());
  std::string path = closed ? "M" + at(from) + " " + at(box.bottom) : "";
  int64_t before = closed ? 0 : -1;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == before) continue;
    const double x = from + width * static_cast<double>(i);
    const double y = box.bottom - box.height() * std::log10(1 + static_cast<double>(counts[i])) / most;
    path += before < 0 ? "M" + at(x) + " " + at(y) : "H" + at(x) + "V" + at(y);
    before = counts[i];
  }
  path += "H" + at(to);
  return closed ? path + "V" + at(box.bottom) + "Z" : path;
}

}  // namespace

LogAxis::LogAxis(const std::vector<double>& values, int most_decades) {
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const double value : values)
    if (std::isfinite(value) && value > 0) least = std::min(least, value), most = std::max(most, value);
  if (most == 0) return;
  // Powers of ten are their own decades' ends, also where log10 is an ulp off.
  high_ = static_cast<int>(std::ceil(std::log10(most) - 1e-9));
  low_ = std::clamp(static_cast<int>(std::floor(std::log10(least) + 1e-9)), high_ - most_decades, high_ - 1);
}

double LogAxis::at(double value) const {
  if (!(value > 0)) return 0;
  return std::clamp((std::log10(value) - low_) / (high_ - low_), 0.0, 1.0);
}

std::vector<double> round_numbers(double low, double high, int count) {
  if (!(high > low) || !std::isfinite(high - low)) return {low};
  const double rough = (high - low) / count, power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double digit : {1.0, 2.0, 5.0})
    if (digit * power >= rough * 0.75) {
      step = digit * power;
      break;
    }
  std::vector<double> numbers;
  for (double i = std::ceil(low / step); i * step <= high * (1 + 1e-12) && numbers.size() < 50; ++i)
    numbers.push_back(i == 0 ? 0 : i * step);
  return numbers;
}

std::string error_chart(const std::vector<TensorError>& tensors, const std::vector<const TensorError*>& numbered) {
  constexpr size_t kMostColumns = 460;
  constexpr Box kBox{84, 84, 975, 330};
  std::vector<double> values;
  for (const TensorError& tensor : tensors) values.push_back(tensor.graphwise.nsr()), values.push_back(tensor.layerwise_snr);
  const LogAxis axis(values, 6);
  const auto height = [&](double value) { return kBox.height() * axis.at(value); };
  const std::vector<Column> all = columns(tensors, kMostColumns);
  const double step = kBox.width() / static_cast<double>(std::max<size_t>(all.size(), 1)), bar = step > 4 ? std::min(step - 2, 40.0) : step;
  std::string body = decade_lines(axis, kBox), dashes;
  std::vector<std::pair<double, size_t>> places;
  for (size_t i = 0; i < all.size(); ++i) {
    const double x = kBox.left + step * static_cast<double>(i), snr = all[i].worst->graphwise.nsr();
    body += "<g class=\"column\"><title>" + column_title(all[i]) + "</title>" + rect(x, kBox.top, step, kBox.height(), "whole") +
            rect(x + (step - bar) / 2, kBox.bottom - height(snr), bar, height(snr), std::string("bar ") + grade(snr).style) + "</g>";
    if (all[i].alone > 0)
      dashes += "M" + at(x + (step - std::max(bar, 2.0)) / 2) + " " + at(kBox.bottom - height(all[i].alone)) + "h" + at(std::max(bar, 2.0));
    for (size_t n = 0; n < numbered.size(); ++n)
      if (const auto index = static_cast<size_t>(numbered[n] - tensors.data()); index >= all[i].begin && index < all[i].end)
        places.emplace_back(x + step / 2, n + 1);
  }
  if (!dashes.empty()) body += "<path d=\"" + dashes + "\" class=\"alone\"/>";
  body += line(kBox.left, kBox.bottom, kBox.right, kBox.bottom, "axis");
  double top = kBox.top - 10;
  for (const Mark& mark : in_rows(places)) {
    body += draw(mark, kBox);
    top = std::min(top, kBox.top - 24 - kMarkHeight * static_cast<double>(mark.row));
  }
  for (const double index : round_numbers(1, static_cast<double>(tensors.size()), 8))
    if (index >= 1 && index == std::floor(index))
      body +=
          text(kBox.left + kBox.width() * (index - 0.5) / static_cast<double>(tensors.size()), kBox.bottom + 18, figure(index), "middle");
  return svg(1000, 356 - top, "noise over signal of every quantized tensor", body, top);
}

std::string histogram_chart(const TensorHistogram& histogram, const TensorError& error) {
  constexpr Box kBox{46, 24, 590, 190};
  const bool ranged = error.minimum.size() == 1 && error.maximum.size() == 1;
  double low = histogram.low, high = histogram.high;
  if (ranged) low = std::min(low, error.minimum[0]), high = std::max(high, error.maximum[0]);
  const double margin = 0.02 * (high - low);
  low -= margin, high += margin;
  const auto place = [&](double value) { return high > low ? kBox.left + kBox.width() * (value - low) / (high - low) : kBox.left; };
  int64_t largest = 1;
  for (const auto* counts : {&histogram.float_counts, &histogram.quantized_counts})
    for (const int64_t count : *counts) largest = std::max(largest, count);
  const double most = std::log10(1 + static_cast<double>(largest));
  std::string body;
  if (ranged) body += rect(place(error.minimum[0]), kBox.top, place(error.maximum[0]) - place(error.minimum[0]), kBox.height(), "band");
  for (int power = 0, step = most > 4 ? 2 : 1; power <= most; power += step) {
    const double y = kBox.bottom - kBox.height() * std::log10(1 + std::pow(10.0, power)) / most;
    body += line(kBox.left, y, kBox.right, y, "grid") + text(kBox.left - 6, y + 4, short_count(power), "end");
  }
  const double from = place(histogram.low), to = place(histogram.high);
  body += "<path d=\"" + stairs(histogram.float_counts, most, from, to, kBox, true) + "\" class=\"floats\"/>";
  body += "<path d=\"" + stairs(histogram.quantized_counts, most, from, to, kBox, false) + "\" class=\"steps\"/>";
  if (ranged) {
    const double first = place(error.minimum[0]), last = place(error.maximum[0]);
    body += line(first, kBox.top, first, kBox.bottom, "edge") + line(last, kBox.top, last, kBox.bottom, "edge");
    const bool together = last - first < 130;  // two labels would cover each other
    const double middle = std::clamp((first + last) / 2, kBox.left + 60, kBox.right - 60);
    if (together)
      body += text(middle, kBox.top - 8, figure(error.minimum[0]) + " … " + figure(error.maximum[0]), "middle");
    else
      body += text(first, kBox.top - 8, figure(error.minimum[0]), "start") + text(last, kBox.top - 8, figure(error.maximum[0]), "end");
  }
  body += line(kBox.left, kBox.bottom, kBox.right, kBox.bottom, "axis");
  for (const double value : round_numbers(low, high, 6)) body += text(place(value), kBox.bottom + 17, figure(value), "middle");
  return svg(600, 214, "histogram of a tensor's values", body);
}

namespace {

constexpr Box kChange{10, 4, 290, 18};

}  // namespace

std::string change_scale(const LogAxis& axis) {
  std::string body;
  const int decades = axis.high() - axis.low(), every = (decades + 1) / 2;
  for (int power = axis.low(); power <= axis.high(); power += every) {
    const double x = kChange.left + kChange.width() * axis.at(std::pow(10.0, power));
    body += text(x, 13, power_of_ten(power), power == axis.low() ? "start" : power == axis.high() ? "end" : "middle");
  }
  return svg(300, 18, "noise over signal", body);
}

std::string change_chart(double before, double after, const LogAxis& axis) {
  const auto place = [&](double value) { return kChange.left + kChange.width() * axis.at(value); };
  const double middle = (kChange.top + kChange.bottom) / 2;
  std::string body;
  for (int power = axis.low(); power <= axis.high(); ++power) {
    const double x = place(std::pow(10.0, power));
    body += line(x, 0, x, 22, "grid");
  }
  const bool same = before == after || std::abs(std::log(after / before)) < kSameChange;
  const char* style = std::isnan(before) || same ? "same" : after < before ? "better" : "worse";
  if (!std::isnan(before))
    body += line(place(before), middle, place(after), middle, std::string("way ") + style) + "<circle cx=\"" + at(place(before)) +
            "\" cy=\"" + at(middle) + "\" r=\"4\" class=\"before\"/>";
  body += "<circle cx=\"" + at(place(after)) + "\" cy=\"" + at(middle) + "\" r=\"5\" class=\"after " + style + "\"/>";
  return svg(300, 22, "before and after", body);
}

std::string share_chart(const std::vector<std::pair<std::string, double>>& parts) {
  constexpr double kCharacter = 8, kNarrowest = 740;  // pixels: of a letter, and of the chart in a window of 800
  double whole = 0;
  for (const auto& [name, part] : parts) whole += part;
  std::string out;
  if (whole <= 0) return out;
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto& [name, part] = parts[i];
    if (part <= 0) continue;
    const std::string words = escaped(name) + " " + seconds(part);
    out += "<span class=\"part p" + std::to_string(i % 6) + "\" style=\"flex-grow:" + at(1000 * part / whole) + "\" title=\"" + words +
           "\">" + (static_cast<double>(words.size()) * kCharacter < kNarrowest * part / whole ? words : "") + "</span>";
  }
  return "<div class=\"parts\">" + out + "</div>";
}

}  // namespace ppq::html
