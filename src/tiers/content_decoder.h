#pragma once

// ContentDecoder: undoes the Content-Encoding of a body while it arrives, and knows whether the
// body was whole. The only part that knows zlib and brotli.
//
// Promises:  a body that ends before its encoding does, goes on behind it, or fails its checksum is
//            never taken for good. Never more than bytes_max bytes are decoded, whatever the
//            encoding expands to.
// Threads:   loop-confined.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace terrace::tiers {

class ContentDecoder {
 public:
  // For "gzip", "x-gzip", "deflate" and "br", in any case; none for every other encoding.
  static std::unique_ptr<ContentDecoder> For(std::string_view encoding);

  virtual ~ContentDecoder() = default;

  enum class Result {
    kFine,
    kBroken,    // not what the encoding allows
    kTooLarge,  // it would be more than bytes_max
  };
  // Appends what the next piece of the body decodes to. bytes_max bounds the whole of *decoded; 0
  // means no limit. After anything but kFine there is nothing more to decode.
  [[nodiscard]] virtual Result Decode(std::string_view piece, size_t bytes_max,
                                      std::string* decoded) = 0;

  // True when the pieces so far are a whole body.
  virtual bool is_complete() const = 0;
};

}  // namespace terrace::tiers
