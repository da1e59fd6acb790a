#include "tiers/content_decoder.h"

#include <brotli/decode.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/letters.h"

namespace terrace::tiers {
namespace {

// Decoded at a time: what a bomb may expand to beyond the limit before it is noticed.
constexpr size_t kDecodedStepBytes = 16 * 1024;
using Step = std::array<char, kDecodedStepBytes>;

ContentDecoder::Result AppendStep(std::string_view step, size_t bytes_max, std::string* decoded) {
  if (bytes_max != 0 && step.size() > bytes_max - decoded->size()) {
    return ContentDecoder::Result::kTooLarge;
  }
  decoded->append(step);
  return ContentDecoder::Result::kFine;
}

// gzip and deflate.
class ZlibDecoder final : public ContentDecoder {
 public:
  enum class Format { kGzip, kDeflate };

  explicit ZlibDecoder(Format format) : format_(format) {}
  ~ZlibDecoder() override {
    if (is_begun_) inflateEnd(&stream_);
  }

  Result Decode(std::string_view piece, size_t bytes_max, std::string* decoded) override {
    if (!is_begun_) {
      start_.append(piece);
      if (start_.size() < kStartBytes) return Result::kFine;
      Begin();
      const std::string start = std::exchange(start_, {});
      return Inflate(start, bytes_max, decoded);
    }
    return Inflate(piece, bytes_max, decoded);
  }

  bool is_complete() const override { return is_complete_; }

 private:
  // Enough to tell the formats apart; no whole body is shorter.
  static constexpr size_t kStartBytes = 2;
  static constexpr int kZlibWindow = MAX_WBITS;
  static constexpr int kGzipWindow = MAX_WBITS + 16;
  static constexpr int kRawWindow = -MAX_WBITS;

  // "deflate" means the zlib format, but some servers send the bare stream.
  static bool HasZlibHeader(std::string_view start) {
    const auto method = static_cast<uint8_t>(start[0]);
    const auto flags = static_cast<uint8_t>(start[1]);
    return (method & 0x0f) == Z_DEFLATED && (method * 256 + flags) % 31 == 0;
  }

  void Begin() {
    int window = kGzipWindow;
    if (format_ == Format::kDeflate) window = HasZlibHeader(start_) ? kZlibWindow : kRawWindow;
    TERRACE_CHECK(inflateInit2(&stream_, window) == Z_OK);
    is_begun_ = true;
  }

  Result Inflate(std::string_view piece, size_t bytes_max, std::string* decoded) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream_.avail_in = static_cast<uInt>(piece.size());
    Step step;
    do {
      if (is_complete_) {
        if (stream_.avail_in == 0) return Result::kFine;
        // A gzip body may have several members; nothing may follow the other formats.
        if (format_ != Format::kGzip || inflateReset(&stream_) != Z_OK) return Result::kBroken;
        is_complete_ = false;
      }
      stream_.next_out = reinterpret_cast<Bytef*>(step.data());
      stream_.avail_out = static_cast<uInt>(step.size());
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return Result::kBroken;
      is_complete_ = code == Z_STREAM_END;
      const Result result =
          AppendStep({step.data(), step.size() - stream_.avail_out}, bytes_max, decoded);
      if (result != Result::kFine) return result;
    } while (stream_.avail_in > 0 || (stream_.avail_out == 0 && !is_complete_));
    return Result::kFine;
  }

  const Format format_;
  std::string start_;  // until the format is known
  bool is_begun_ = false;
  bool is_complete_ = false;
  z_stream stream_ = {};
};

class BrotliDecoder final : public ContentDecoder {
 public:
  BrotliDecoder() : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {
    TERRACE_CHECK(state_ != nullptr);
  }
  ~BrotliDecoder() override { BrotliDecoderDestroyInstance(state_); }

  Result Decode(std::string_view piece, size_t bytes_max, std::string* decoded) override {
    if (is_complete() && !piece.empty()) return Result::kBroken;
    const auto* in = reinterpret_cast<const uint8_t*>(piece.data());
    size_t in_bytes = piece.size();
    Step step;
    while (true) {
      auto* out = reinterpret_cast<uint8_t*>(step.data());
      size_t out_bytes = step.size();
      const BrotliDecoderResult code =
          BrotliDecoderDecompressStream(state_, &in_bytes, &in, &out_bytes, &out, nullptr);
      if (code == BROTLI_DECODER_RESULT_ERROR) return Result::kBroken;
      const Result result = AppendStep({step.data(), step.size() - out_bytes}, bytes_max, decoded);
      if (result != Result::kFine) return result;
      if (code == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT) return Result::kFine;
      if (code == BROTLI_DECODER_RESULT_SUCCESS) {
        return in_bytes == 0 ? Result::kFine : Result::kBroken;
      }
    }
  }

  bool is_complete() const override { return BrotliDecoderIsFinished(state_) != 0; }

 private:
  BrotliDecoderState* const state_;
};

}  // namespace

std::unique_ptr<ContentDecoder> ContentDecoder::For(std::string_view encoding) {
  using Format = ZlibDecoder::Format;
  if (base::SameWord(encoding, "gzip") || base::SameWord(encoding, "x-gzip")) {
    return std::make_unique<ZlibDecoder>(Format::kGzip);
  }
  if (base::SameWord(encoding, "deflate")) {
    return std::make_unique<ZlibDecoder>(Format::kDeflate);
  }
  if (base::SameWord(encoding, "br")) return std::make_unique<BrotliDecoder>();
  return nullptr;
}

}  // namespace terrace::tiers
