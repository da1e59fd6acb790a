#pragma once

// Names of settings as people type them: equal spellings, near misses, and Redis's directives that
// Terrace refuses with a reason.
//
// Threads: pure functions.

#include <span>
#include <string>
#include <string_view>

namespace terrace::server {

// Lower case, '_' as '-': names that are equal in this form are the same name.
std::string NormalName(std::string_view name);

// The candidate most like a misspelt name, or empty when none is near.
std::string_view Suggest(std::string_view name, std::span<const std::string_view> candidates);

// " (did you mean 'x'?)", or empty when none is near.
std::string DidYouMean(std::string_view name, std::span<const std::string_view> candidates);

// Why a directive of Redis that Terrace does not have is refused; empty when it is just unknown.
std::string_view WhyNotSupported(std::string_view name);

}  // namespace terrace::server
