#pragma once

// HttpOriginFixture: an HTTP origin on a real loop in front of a server whose answers the test
// writes. It fails a test whose requests are answered inside the call, late or twice.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "support/scripted_server.h"
#include "support/test_loop.h"
#include "tiers/origin.h"

namespace terrace::test {

inline std::string Response(const std::string& status, const std::string& body,
                            const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

// Answers every request of every connection with the same bytes.
inline ScriptedServer::Script Always(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedServer::Connection& connection) {
    while (connection.ReadUntil().ends_with("\r\n\r\n")) connection.Send(bytes);
  };
}

// Answers one request with these bytes, then closes.
inline ScriptedServer::Script Once(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedServer::Connection& connection) {
    connection.ReadUntil();
    connection.Send(bytes);
  };
}

inline tiers::HttpOriginOptions OptionsFor(std::string url) {
  tiers::HttpOriginOptions options;
  options.name = "api";
  options.url = std::move(url);
  return options;
}

class HttpOriginFixture : public ::testing::Test {
 protected:
  ~HttpOriginFixture() override {
    if (origin_ != nullptr) Close();
    server_.reset();
  }

  void Serve(ScriptedServer::Script script) {
    server_ = std::make_unique<ScriptedServer>(std::move(script));
    Use(OptionsFor(server_->url() + "/v1/{key}"));
  }

  void Use(tiers::HttpOriginOptions options) {
    if (origin_ != nullptr) Close();
    origin_ = tiers::NewHttpOrigin(std::move(options), loop_.get());
  }

  void Close() {
    bool closed = false;
    origin_->Close([&] {
      closed = true;
      origin_.reset();
    });
    EXPECT_FALSE(closed);
    EXPECT_TRUE(loop_.RunUntil([&] { return closed; }));
  }

  // A request whose end may be looked at later.
  struct Call {
    std::optional<tiers::GetResult> result;
    int ends = 0;
    int64_t took_ms = 0;
  };

  std::shared_ptr<Call> Ask(std::string key, int64_t timeout_ms = 5000,
                            size_t value_bytes_max = 0) {
    auto call = std::make_shared<Call>();
    const int64_t begin_us = loop_.InMs(0);
    origin_->Get({0, std::move(key), loop_.InMs(timeout_ms), value_bytes_max},
                 [this, call, begin_us](tiers::GetResult result) {
                   ++call->ends;
                   call->took_ms = (loop_.InMs(0) - begin_us) / 1000;
                   call->result = std::move(result);
                 });
    EXPECT_EQ(call->ends, 0) << "answered inside the call";
    return call;
  }

  tiers::GetResult Get(std::string key, int64_t timeout_ms = 5000, size_t value_bytes_max = 0) {
    const auto call = Ask(std::move(key), timeout_ms, value_bytes_max);
    EXPECT_TRUE(loop_.RunUntil([&] { return call->ends > 0; }));
    EXPECT_EQ(call->ends, 1);
    EXPECT_LT(call->took_ms, timeout_ms + 1000);
    return call->result.value_or(tiers::GetResult{});
  }

  // What a server that answers so is taken to mean, in short.
  std::string Meaning(const std::string& response, size_t value_bytes_max = 0) {
    Serve(Once(response));
    return Summary(Get("k", 5000, value_bytes_max));
  }

  static std::string Summary(const tiers::GetResult& result) {
    switch (result.outcome) {
      case tiers::Outcome::kValue:
        return "value:" + result.value.bytes;
      case tiers::Outcome::kAbsent:
        return "absent";
      case tiers::Outcome::kFailed:
        break;
    }
    EXPECT_NE(result.detail, "");
    return std::string(tiers::FailureName(result.failure));
  }

  TestLoop loop_;
  std::unique_ptr<ScriptedServer> server_;
  std::unique_ptr<tiers::Upstream> origin_;
};

}  // namespace terrace::test
