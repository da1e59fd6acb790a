#pragma once

// Task: a move-only callable run once. Alias kept here so that Abseil's header has one door.

#include <absl/functional/any_invocable.h>

namespace terrace::base {

template <typename Signature>
using Function = absl::AnyInvocable<Signature>;

using Task = absl::AnyInvocable<void()>;

}  // namespace terrace::base
