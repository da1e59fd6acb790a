#pragma once

// RegionalConnection: one connection to one Redis server, from connect to loss. It hides hiredis
// and the socket: above it there are only command bytes going out and replies coming in.
//
// Of hiredis it uses the connector only. Version 0.14 of its asynchronous context aborts the
// process when a server sends a reply nobody asked for, and interprets command names on its own;
// its reply reader gives up on arrays nested more than seven deep, which any client's script can
// return.
//
// Promises:  replies are handed over in the order they arrive, each when complete. After
//            OnConnectionLost, or an OnReply that returned kStop, the connection touches nothing of
//            itself: the handler may have destroyed it.
// Ownership: the handler outlives the connection.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/loop.h"
#include "tiers/regional_wire.h"
#include "tiers/reply_reader.h"
#include "tiers/upstream.h"

namespace terrace::tiers {

class RegionalConnectionHandler {
 public:
  enum class Next : uint8_t { kGoOn, kStop };

  virtual void OnConnected() = 0;
  // The form the reply now being read shall have. The same answer until that reply is complete.
  virtual ReplyForm NextReplyForm() const = 0;
  virtual Next OnReply(RegionalReply reply) = 0;
  virtual void OnConnectionLost(Failure failure, std::string detail) = 0;

 protected:
  ~RegionalConnectionHandler() = default;
};

class RegionalConnection {
 public:
  RegionalConnection(runtime::Loop* loop, RegionalConnectionHandler* handler);
  ~RegionalConnection();
  RegionalConnection(const RegionalConnection&) = delete;
  RegionalConnection& operator=(const RegionalConnection&) = delete;

  // Begin to connect, without blocking; OnConnected or OnConnectionLost follows. When even the
  // beginning fails the return value says why and nothing follows. Call one of them, once.
  [[nodiscard]] std::string ConnectTcp(const std::string& numeric_host, int port);
  [[nodiscard]] std::string ConnectUnix(const std::string& path);

  // Command bytes are appended here. What has gathered during one turn of the loop goes out with
  // one write at its end. REQUIRES: connected; FlushSoon() after appending.
  std::string* output() { return &output_; }
  void FlushSoon();

  // What the socket has not taken yet.
  size_t unsent_bytes() const { return output_.size() - output_sent_; }

  // When bytes last came in (Clock::MonoUs), 0 before the first.
  int64_t received_us() const { return received_us_; }

 private:
  struct Hiredis;

  std::string Watch();
  void OnEvents(int events);
  void FinishConnect();
  void ReadSome();
  enum class Parse : uint8_t { kNeedsMore, kStopped };
  Parse ParseChunk(std::string_view bytes);
  void Flush();
  void Lose(Failure failure, std::string detail);

  runtime::Loop* const loop_;
  RegionalConnectionHandler* const handler_;
  std::unique_ptr<Hiredis> hiredis_;
  ReplyReader reader_;
  std::unique_ptr<runtime::FdWatcher> watcher_;
  bool connected_ = false;
  bool in_read_ = false;  // replies are being handed over; they end with a flush
  std::string output_;
  size_t output_sent_ = 0;  // bytes at the front of output_ that are out already
  runtime::TimerId flush_timer_ = runtime::kNoTimer;
  int64_t received_us_ = 0;
};

}  // namespace terrace::tiers
