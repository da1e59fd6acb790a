#include "tiers/upstream.h"

namespace terrace::tiers {

std::string_view FailureName(Failure failure) {
  switch (failure) {
    case Failure::kNone:
      return "none";
    case Failure::kTimeout:
      return "timeout";
    case Failure::kUnreachable:
      return "unreachable";
    case Failure::kProtocol:
      return "protocol";
    case Failure::kRefused:
      return "refused";
    case Failure::kOverloaded:
      return "overloaded";
    case Failure::kBreakerOpen:
      return "breaker_open";
    case Failure::kTooLarge:
      return "too_large";
    case Failure::kClosing:
      return "closing";
  }
  return "unknown";
}

}  // namespace terrace::tiers
