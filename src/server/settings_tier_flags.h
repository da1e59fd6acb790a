#pragma once

// --regional, --origin and --route: tables of tiers on the command line, each as an inline table of
// TOML, with or without its braces:
//
//   terrace --regional 'name = "near", host = "10.0.0.5"' --route 'prefix = "", regional = "near"'
//
// One that names a table of the file (by its name, a route by its prefix) changes the settings it
// has there; another one is a further table.
//
// Threads: pure functions.
// Errors:  reported with the place of the flag (Position::flag).

#include <span>
#include <string>
#include <string_view>

#include "server/settings_document.h"
#include "server/settings_file.h"

namespace terrace::server {

// "regional", "origin" and "route": the sections of the file and the flags.
std::span<const std::string_view> TierSections();

// Merges the tables of the flags, in their order, into the document.
void AddTierFlags(std::span<const TierFlag> flags, Document& document, ErrorList& errors);

}  // namespace terrace::server
