#pragma once

// SimStream: a client's connection without a network. Bytes arrive and leave in random pieces.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/rng.h"
#include "runtime/stream.h"
#include "sim/sim_loop.h"

namespace terrace::sim {

// The wire between a client and the server's stream; outlives both.
class Wire : public std::enable_shared_from_this<Wire> {
 public:
  Wire(SimLane* loop, base::Rng* rng) : loop_(loop), rng_(rng) {}

  // The client's side.
  void Send(std::string_view bytes) {
    to_server_ += bytes;
    Wake();
  }
  void Hangup() {
    client_closed_ = true;
    Wake();
  }
  bool server_closed() const { return server_closed_; }
  // Called with what the server has written, as it writes it.
  base::Function<void(std::string_view)> on_bytes;

  // The server's side.
  void Attach(base::Function<void(int)> on_events) { on_events_ = std::move(on_events); }
  void Detach() { server_closed_ = true; }
  void SetEvents(int events) {
    events_ = events;
    Wake();
  }
  ssize_t Read(char* buffer, size_t size) {
    if (to_server_.empty()) return client_closed_ ? 0 : runtime::kWouldBlock;
    const size_t piece = std::min(size, Piece(to_server_.size()));
    std::memcpy(buffer, to_server_.data(), piece);
    to_server_.erase(0, piece);
    return static_cast<ssize_t>(piece);
  }
  ssize_t Write(const char* bytes, size_t size) {
    if (client_closed_) return runtime::kBroken;
    if (rng_->Below(8) == 0) return runtime::kWouldBlock;
    const size_t piece = Piece(size);
    if (on_bytes) on_bytes({bytes, piece});
    return static_cast<ssize_t>(piece);
  }

 private:
  size_t Piece(size_t size) { return rng_->Below(3) == 0 ? 1 + rng_->Below(size) : size; }
  int Ready() const {
    int ready = 0;
    if (!to_server_.empty() || client_closed_) ready |= runtime::kReadable;
    if (rng_->Below(2) == 0) ready |= runtime::kWritable;
    return ready;
  }
  void Wake() {
    if (woken_ || server_closed_ || events_ == 0) return;
    woken_ = true;
    loop_->AfterUs(static_cast<int64_t>(rng_->Below(400)), [self = shared_from_this()] {
      self->woken_ = false;
      if (self->server_closed_) return;
      const int ready = self->Ready() & self->events_;
      if (ready != 0) self->on_events_(ready);
      // Level triggered: what is still wanted and there is told again.
      const bool more = (self->events_ & runtime::kWritable) != 0 || !self->to_server_.empty() ||
                        self->client_closed_;
      if (more) self->Wake();
    });
  }

  SimLane* const loop_;
  base::Rng* const rng_;
  std::string to_server_;
  base::Function<void(int)> on_events_;
  int events_ = 0;
  bool woken_ = false;
  bool client_closed_ = false;
  bool server_closed_ = false;
};

class SimStream : public runtime::Stream {
 public:
  explicit SimStream(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~SimStream() override { wire_->Detach(); }
  ssize_t Read(char* buffer, size_t size) override { return wire_->Read(buffer, size); }
  ssize_t Write(const char* bytes, size_t size) override { return wire_->Write(bytes, size); }
  void SetEvents(int events) override { wire_->SetEvents(events); }
  std::string peer_address() const override { return "127.0.0.1:1"; }
  std::string local_address() const override { return "127.0.0.1:2"; }

 private:
  const std::shared_ptr<Wire> wire_;
};

}  // namespace terrace::sim
