#pragma once

// Reading [[regional]], [[origin]] and [[route]], and checking that they fit together.

#include "server/settings.h"
#include "server/settings_document.h"

namespace terrace::server {

class ErrorList;

// Replaces regionals, origins and routes by those of the document.
void ReadTiers(const Document& document, Settings& settings, ErrorList& errors);

}  // namespace terrace::server
