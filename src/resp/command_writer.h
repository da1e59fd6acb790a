#pragma once

// Commands as servers read them: arrays of bulk strings, appended to bytes that are to be sent.
// Pure functions over bytes.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::resp {

// Appends prefix, number and line end: the head of an array, of a bulk, or a whole integer.
void AppendHead(std::string* out, char prefix, int64_t number);

void AppendCommand(std::string* out, std::initializer_list<std::string_view> args);
void AppendCommand(std::string* out, const std::vector<std::string_view>& args);
void AppendCommand(std::string* out, const std::vector<std::string>& args);

}  // namespace terrace::resp
