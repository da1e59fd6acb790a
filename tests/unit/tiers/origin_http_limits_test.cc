// Deadlines, bounds, connections and closing of the HTTP origin.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/http_origin_fixture.h"

namespace terrace::tiers {
namespace {

using test::Always;
using test::Once;
using test::OptionsFor;
using test::Response;
using test::ScriptedServer;
using Connection = ScriptedServer::Connection;

class HttpOriginLimitsTest : public test::HttpOriginFixture {};

TEST_F(HttpOriginLimitsTest, DeadlinesHoldAgainstEveryKindOfSilence) {
  const std::vector<ScriptedServer::Script> kScripts = {
      [](Connection& connection) { connection.WaitForEnd(); },
      [](Connection& connection) {
        connection.ReadUntil();
        connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        connection.Trickle(std::string(1000, 'x'), 5);
      },
      [](Connection& connection) {
        connection.Trickle("HTTP/1.1 200 OK\r\nX: " + std::string(1000, 'x'), 5);
      },
      [](Connection& connection) {
        connection.ReadUntil();
        while (connection.Send("HTTP/1.1 100 Continue\r\n\r\n") && connection.Wait(5)) continue;
      },
      [](Connection& connection) {
        connection.ReadUntil();
        connection.Send("HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\nabc");
        connection.WaitForEnd();
      },
  };
  for (size_t i = 0; i < kScripts.size(); ++i) {
    SCOPED_TRACE(i);
    Serve(kScripts[i]);
    const auto call = Ask("k", 150);
    EXPECT_TRUE(loop_.RunUntil([&] { return call->ends > 0; }));
    EXPECT_EQ(call->result->failure, Failure::kTimeout);
    EXPECT_GE(call->took_ms, 140);
    EXPECT_LT(call->took_ms, 1500);  // the scripts go on for five seconds
    EXPECT_EQ(origin_->health().in_flight, 0u);
  }
}

TEST_F(HttpOriginLimitsTest, ValuesAreBoundedWhileTheyArrive) {
  const std::string ten(10, 'x');
  EXPECT_EQ(Meaning(Response("200 OK", ten), 10), "value:" + ten);
  EXPECT_EQ(Meaning(Response("200 OK", ten), 9), "too_large");
  EXPECT_EQ(Meaning("HTTP/1.0 200 OK\r\n\r\n" + ten, 9), "too_large");
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n" + ten, 9),
            "too_large");
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n" + ten),
            "unreachable");
  // An endless body is cut, not read to its end.
  std::atomic<bool> cut = false;
  Serve([&](Connection& connection) {
    connection.ReadUntil();
    connection.Send("HTTP/1.1 200 OK\r\n\r\n");
    while (connection.Send(std::string(10000, 'x'))) continue;
    cut = true;
  });
  EXPECT_EQ(Get("k", 5000, 100000).failure, Failure::kTooLarge);
  EXPECT_TRUE(loop_.RunUntil([&] { return cut.load(); }));
}

TEST_F(HttpOriginLimitsTest, PagesOfErrorsAreCutButTheirStatusCounts) {
  Serve([](Connection& connection) {
    connection.ReadUntil();
    connection.Send("HTTP/1.1 404 No\r\n\r\n");
    while (connection.Send(std::string(10000, 'x'))) continue;
  });
  EXPECT_EQ(Get("k", 5000, 5).outcome, Outcome::kAbsent);
}

TEST_F(HttpOriginLimitsTest, ConnectionsAreReused) {
  Serve(Always(Response("200 OK", "v")));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Summary(Get("k")), "value:v");
  Serve(Always(Response("404 No", "some page")));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Summary(Get("k")), "absent");
  EXPECT_EQ(server_->connections(), 1);
  EXPECT_EQ(server_->requests(), 20);
}

TEST_F(HttpOriginLimitsTest, ConnectionClosedWhileIdleIsNotAFailure) {
  Serve(Once(Response("200 OK", "v")));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Summary(Get("k")), "value:v");
  EXPECT_EQ(server_->connections(), 5);
}

TEST_F(HttpOriginLimitsTest, BytesBeyondAnAnswerAreNotTakenForTheNextOne) {
  Serve([](Connection& connection) {
    connection.ReadUntil();
    connection.Send(Response("200 OK", "first") + Response("200 OK", "smuggled"));
    connection.ReadUntil();
    connection.Send(Response("200 OK", "second"));
  });
  EXPECT_EQ(Summary(Get("a")), "value:first");
  EXPECT_EQ(Summary(Get("b")), "value:first");
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(HttpOriginLimitsTest, UnaskedAnswersOnAnIdleConnectionAreNotTakenForTheNextOne) {
  Serve([](Connection& connection) {
    connection.ReadUntil();
    connection.Send(Response("200 OK", "first"));
    connection.Wait(20);
    connection.Send(Response("200 OK", "smuggled"));
    connection.WaitForEnd();
  });
  EXPECT_EQ(Summary(Get("a")), "value:first");
  loop_.RunFor(60);
  EXPECT_EQ(Summary(Get("b")), "value:first");
  loop_.RunFor(60);
  EXPECT_EQ(Summary(Get("c")), "value:first");
  EXPECT_EQ(server_->connections(), 3);
}

TEST_F(HttpOriginLimitsTest, AnswersOfAbandonedRequestsNeverReachOthers) {
  Serve([](Connection& connection) {
    for (std::string request; !(request = connection.ReadUntil()).empty();) {
      const bool slow = request.find("/slow") != std::string::npos;
      if (slow && !connection.Wait(150)) return;
      connection.Send(Response("200 OK", slow ? "late" : "prompt"));
    }
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Get("slow", 100).failure, Failure::kTimeout);
    EXPECT_EQ(Summary(Get("fast")), "value:prompt");
    loop_.RunFor(100);
    EXPECT_EQ(Summary(Get("fast")), "value:prompt");
  }
}

// The server holds every answer back until released.
class HeldHttpOriginTest : public HttpOriginLimitsTest {
 protected:
  void ServeHeld(size_t concurrency_max, size_t queue_max) {
    Serve([this](Connection& connection) {
      for (std::string request; !(request = connection.ReadUntil()).empty();) {
        while (!released_) {
          if (!connection.Wait(1)) return;
        }
        connection.Send(Response("200 OK", request.substr(7, request.find(' ', 7) - 7)));
      }
    });
    HttpOriginOptions options = OptionsFor(server_->url() + "/v1/{key}");
    options.concurrency_max = concurrency_max;
    options.queue_max = queue_max;
    Use(std::move(options));
  }

  std::atomic<bool> released_ = false;
};

TEST_F(HeldHttpOriginTest, BoundsTheWireAndTheQueue) {
  ServeHeld(2, 3);
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 7; ++i) calls.push_back(Ask("k" + std::to_string(i)));
  EXPECT_TRUE(loop_.RunUntil([&] { return server_->requests() == 2; }));
  loop_.RunFor(30);
  EXPECT_EQ(server_->connections(), 2);
  EXPECT_EQ(origin_->health().in_flight, 2u);
  EXPECT_EQ(origin_->health().queued, 3u);
  for (size_t i = 5; i < 7; ++i) EXPECT_EQ(Summary(*calls[i]->result), "overloaded");
  released_ = true;
  EXPECT_TRUE(loop_.RunUntil([&] { return origin_->health().in_flight == 0; }));
  for (size_t i = 0; i < 5; ++i) {
    ASSERT_EQ(calls[i]->ends, 1);
    EXPECT_EQ(Summary(*calls[i]->result), "value:/k" + std::to_string(i));
  }
  EXPECT_EQ(server_->connections(), 2);
  EXPECT_EQ(server_->requests(), 5);
}

TEST_F(HeldHttpOriginTest, DeadlinesHoldInTheQueueAndFreeThePlacesOnTheWire) {
  ServeHeld(1, 10);
  const auto on_wire = Ask("a", 500);
  const auto queued = Ask("b", 100);
  const auto later = Ask("c", 5000);
  EXPECT_TRUE(loop_.RunUntil([&] { return queued->ends > 0; }));
  EXPECT_EQ(queued->result->failure, Failure::kOverloaded);
  EXPECT_EQ(on_wire->ends, 0);
  EXPECT_TRUE(loop_.RunUntil([&] { return on_wire->ends > 0; }));
  EXPECT_EQ(on_wire->result->failure, Failure::kTimeout);
  released_ = true;
  EXPECT_TRUE(loop_.RunUntil([&] { return later->ends > 0; }));
  EXPECT_EQ(Summary(*later->result), "value:/c");
}

TEST_F(HeldHttpOriginTest, CloseAnswersEverythingOnce) {
  ServeHeld(3, 10);
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(Ask("k"));
  EXPECT_TRUE(loop_.RunUntil([&] { return server_->requests() == 3; }));
  calls.push_back(Ask("not even started"));
  Close();
  released_ = true;
  loop_.RunFor(50);
  for (const auto& call : calls) {
    ASSERT_EQ(call->ends, 1);
    EXPECT_EQ(call->result->failure, Failure::kClosing);
  }
}

TEST_F(HeldHttpOriginTest, CallbackMayAskAgainOrClose) {
  released_ = true;
  ServeHeld(1, 10);
  std::vector<std::string> ends;
  bool closed = false;
  const int64_t deadline_us = loop_.InMs(5000);
  origin_->Get({0, "a", deadline_us, 0}, [&](GetResult first) {
    ends.push_back(Summary(first));
    origin_->Get({0, "b", deadline_us, 0}, [&](GetResult second) {
      ends.push_back(Summary(second));
      origin_->Get({0, "c", deadline_us, 0},
                   [&](GetResult third) { ends.push_back(Summary(third)); });
      origin_->Close([&] {
        closed = true;
        origin_.reset();
      });
    });
  });
  EXPECT_TRUE(loop_.RunUntil([&] { return closed; }));
  EXPECT_EQ(ends, (std::vector<std::string>{"value:/a", "value:/b", "closing"}));
}

TEST_F(HeldHttpOriginTest, ManyRequestsOverFewConnectionsGetTheirOwnAnswers) {
  released_ = true;
  ServeHeld(8, 10000);
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 2000; ++i) calls.push_back(Ask("k" + std::to_string(i), 20000));
  EXPECT_TRUE(loop_.RunUntil([&] { return origin_->health().in_flight == 0; }, 20000));
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(calls[static_cast<size_t>(i)]->ends, 1);
    ASSERT_EQ(Summary(*calls[static_cast<size_t>(i)]->result), "value:/k" + std::to_string(i));
  }
  EXPECT_LE(server_->connections(), 8);
}

}  // namespace
}  // namespace terrace::tiers
