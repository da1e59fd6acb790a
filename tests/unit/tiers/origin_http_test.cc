#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/http_origin_fixture.h"
#include "support/temp_dir.h"
#include "support/tls_server.h"

namespace terrace::tiers {
namespace {

using test::Always;
using test::Once;
using test::OptionsFor;
using test::Response;
using test::ScriptedServer;
using test::TempDir;
using test::TlsServer;
using Connection = ScriptedServer::Connection;

class HttpOriginTest : public test::HttpOriginFixture {
 protected:
  // Rounded up: some of it has passed on the way.
  int64_t SecondsLeft(const Value& value) {
    return (value.copies_until_ms - loop_.get()->clock().NowMs() + 999) / 1000;
  }
};

TEST_F(HttpOriginTest, SendsOnePlainRequestForTheUrlOfTheKey) {
  std::string request;
  Serve([&](Connection& connection) {
    request = connection.ReadUntil();
    connection.Send(Response("200 OK", "Ada"));
  });
  HttpOriginOptions options = OptionsFor(server_->url() + "/v1/{key:0}/{key:1}");
  options.authorization = "Bearer secret";
  Use(std::move(options));
  const GetResult result = Get("user:a/../b\r\nX: y");
  // The part would climb the path once decoded: not asked at all.
  EXPECT_EQ(result.outcome, Outcome::kAbsent);
  EXPECT_EQ(server_->connections(), 0);
  EXPECT_EQ(Summary(Get("user:7\r\nX: y")), "value:Ada");
  EXPECT_EQ(request,
            "GET /v1/user/7%0D%0AX HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server_->port()) +
                "\r\nUser-Agent: terrace\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
                "Authorization: Bearer secret\r\n\r\n");
}

TEST_F(HttpOriginTest, StatusesMeanWhatTheHeaderSays) {
  const std::string rest = "\r\nContent-Length: 1\r\n\r\nx";
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK" + rest), "value:x");
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "value:");
  EXPECT_EQ(Meaning("HTTP/1.1 204 No Content\r\n\r\n"), "absent");
  EXPECT_EQ(Meaning("HTTP/1.1 404 Not Found" + rest), "absent");
  EXPECT_EQ(Meaning("HTTP/1.1 410 Gone" + rest), "absent");
  for (const char* status : {"400 Bad Request", "401 Unauthorized", "403 Forbidden", "429 Slow",
                             "500 Oh", "503 Busy", "304 Not Modified"}) {
    EXPECT_EQ(Meaning("HTTP/1.1 " + std::string(status) + rest), "refused") << status;
  }
  for (const char* status :
       {"201 Created", "202 Accepted", "206 Partial Content", "299 Odd", "600 Odd", "999 Odd"}) {
    EXPECT_EQ(Meaning("HTTP/1.1 " + std::string(status) + rest), "protocol") << status;
  }
  Serve(Once("HTTP/1.1 503 Busy" + rest));
  EXPECT_EQ(Get("k").detail, "HTTP 503");
}

TEST_F(HttpOriginTest, InterimResponsesAndTrailersAreNotTheAnswer) {
  EXPECT_EQ(Meaning("HTTP/1.1 103 Early Hints\r\nCache-Control: no-store\r\n\r\n" +
                    Response("200 OK", "v")),
            "value:v");
  Serve(
      Once("HTTP/1.1 103 Early\r\nCache-Control: no-store\r\n\r\n"
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=9\r\n\r\n"
           "1\r\nv\r\n0\r\nCache-Control: no-store\r\n\r\n"));
  const GetResult result = Get("k");
  EXPECT_EQ(result.value.bytes, "v");
  EXPECT_EQ(SecondsLeft(result.value), 9);
  EXPECT_TRUE(result.value.storable);
}

TEST_F(HttpOriginTest, RedirectsAreRefusedAndNotFollowed) {
  ScriptedServer other(Always(Response("200 OK", "stolen")));
  Serve(Always(Response("302 Found", "", "Location: " + other.url() + "/\r\n")));
  const GetResult result = Get("k");
  EXPECT_EQ(result.failure, Failure::kRefused);
  EXPECT_NE(result.detail.find("302"), std::string::npos) << result.detail;
  Serve(Always(Response("301 Moved", "", "Location: /v1/other\r\n")));
  EXPECT_EQ(Get("k").failure, Failure::kRefused);
  EXPECT_EQ(server_->requests(), 1);
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(HttpOriginTest, ReadsHowLongTheAnswerMayBeKept) {
  Serve(Always(Response("200 OK", "v",
                        "Cache-Control: max-age=60\r\ncache-control: "
                        "s-maxage=40\r\nAge: 10\r\n")));
  EXPECT_EQ(SecondsLeft(Get("k").value), 30);
  Serve(Always(Response("200 OK", "v", "Cache-Control: private\r\n")));
  EXPECT_FALSE(Get("k").value.storable);
  Serve(Always(Response("404 No", "", "Cache-Control: max-age=7\r\n")));
  EXPECT_EQ(Get("k").absent_ttl_ms, 7000);
  Serve(Always(Response("404 No", "", "Cache-Control: no-store\r\n")));
  EXPECT_EQ(Get("k").absent_ttl_ms, 0);
  Serve(Always(Response("404 No", "")));
  EXPECT_EQ(Get("k").absent_ttl_ms, kNoTtl);
}

TEST_F(HttpOriginTest, UnderstandsEveryFramingOfABody) {
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
            "value:abcde");
  EXPECT_EQ(Meaning("HTTP/1.0 200 OK\r\n\r\nuntil the end"), "value:until the end");
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nthe end"), "value:the end");
  Serve([](Connection& connection) {
    connection.ReadUntil();
    connection.Trickle(Response("200 OK", "slow"), 1);
    connection.WaitForEnd();
  });
  EXPECT_EQ(Summary(Get("k")), "value:slow");
}

TEST_F(HttpOriginTest, UndoesACompressionItDidNotAskFor) {
  // printf hello | gzip -n
  const std::string gzip(
      "\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36"
      "\x05\0\0\0",
      25);
  EXPECT_EQ(Meaning(Response("200 OK", gzip, "Content-Encoding: gzip\r\n")), "value:hello");
  EXPECT_EQ(Meaning(Response("200 OK", "hello", "Content-Encoding: gzip\r\n")), "protocol");
  EXPECT_EQ(Meaning(Response("200 OK", "hello", "Content-Encoding: secret\r\n")), "protocol");
  EXPECT_EQ(Meaning(Response("200 OK", "hello", "Content-Encoding: identity\r\n")), "value:hello");
  EXPECT_EQ(Meaning(Response("200 OK", gzip, "Content-Encoding: gzip\r\n"), 4), "too_large");
  EXPECT_EQ(Meaning(Response("404 No", "hello", "Content-Encoding: secret\r\n")), "absent");
}

TEST_F(HttpOriginTest, CompressedBodiesThatAreNotWholeAreFailures) {
  const std::string gzip(
      "\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36"
      "\x05\0\0\0",
      25);
  const std::string header = "Content-Encoding: gzip\r\n";
  for (const size_t length : {0, 1, 5, 12, 20, 24}) {
    EXPECT_EQ(Meaning(Response("200 OK", gzip.substr(0, length), header)), "protocol") << length;
  }
  EXPECT_EQ(Meaning(Response("200 OK", gzip + "more", header)), "protocol");
  EXPECT_EQ(Meaning(Response("200 OK", gzip, "Content-Encoding: gzip, gzip\r\n")), "protocol");
  EXPECT_EQ(Meaning(Response("200 OK", "xx", "Content-Encoding: br\r\n")), "protocol");
  EXPECT_EQ(Meaning(Response("200 OK", "x", "Content-Encoding: deflate\r\n")), "protocol");
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
                    "3\r\n\x1f\x8b\x08\r\n0\r\n\r\n"),
            "protocol");
}

TEST_F(HttpOriginTest, LengthsThatDifferAreAFailureOfEveryStatus) {
  const std::string two = "Content-Length: 2\r\n", three = "Content-Length: 3\r\n";
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\n" + two + three + "\r\nxxx"), "protocol");
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\n" + three + two + "\r\nxxx"), "protocol");
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\nContent-Length: 3, 2\r\n\r\nxxx"), "protocol");
  EXPECT_EQ(Meaning("HTTP/1.1 404 No\r\n" + two + three + "\r\nxxx"), "protocol");
  EXPECT_EQ(Meaning("HTTP/1.1 200 OK\r\n" + three + three + "\r\nxxx"), "value:xxx");
}

TEST_F(HttpOriginTest, BrokenAnswersAreFailures) {
  const struct {
    const char* what;
    std::string response;
    const char* meaning;
  } kCases[] = {
      {"nothing", "", "unreachable"},
      {"not HTTP", "+OK\r\n", "protocol"},
      {"binary", std::string("\x16\x03\x01\0\xa5\0\0", 7), "protocol"},
      {"HTTP/0.9", "<html>hello</html>\n", "protocol"},
      {"no status", "HTTP/1.1\r\n\r\n", "protocol"},
      {"a status of letters", "HTTP/1.1 abc OK\r\n\r\n", "protocol"},
      {"half a status line", "HTTP/1.1 20", "unreachable"},
      {"half the headers", "HTTP/1.1 200 OK\r\nContent-Le", "unreachable"},
      {"less than its length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "unreachable"},
      {"no body at all", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "unreachable"},
      {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", "protocol"},
      {"a length of letters", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc", "protocol"},
      {"a chunk of no size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       "unreachable"},
      {"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
       "unreachable"},
      {"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
       "unreachable"},
      {"an unknown transfer coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\nabc",
       "protocol"},
      {"an upgrade", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "unreachable"},
      {"half an absence", "HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\nabc", "unreachable"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Meaning(test.response), test.meaning) << test.what;
    EXPECT_EQ(origin_->health().state, "down") << test.what;
  }
}

TEST_F(HttpOriginTest, HeadersWithoutEndAreAFailure) {
  Serve([](Connection& connection) {
    connection.ReadUntil();
    connection.Send("HTTP/1.1 200 OK\r\n");
    while (connection.Send("X-Padding: " + std::string(1000, 'x') + "\r\n")) continue;
  });
  EXPECT_EQ(Get("k", 3000).outcome, Outcome::kFailed);
}

TEST_F(HttpOriginTest, ResetConnectionIsUnreachable) {
  Serve([](Connection& connection) {
    connection.ReadUntil();
    connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    connection.ResetOnClose();
  });
  EXPECT_EQ(Get("k").failure, Failure::kUnreachable);
}

TEST_F(HttpOriginTest, RefusedConnectionIsUnreachableAtOnce) {
  int port = 0;
  {
    ScriptedServer gone([](Connection&) {});
    port = gone.port();
  }
  Use(OptionsFor("http://127.0.0.1:" + std::to_string(port) + "/{key}"));
  const GetResult result = Get("k");
  EXPECT_EQ(result.failure, Failure::kUnreachable);
  EXPECT_FALSE(origin_->health().reachable);
  EXPECT_NE(origin_->health().last_error, "");
}

TEST_F(HttpOriginTest, NamesThatDoNotResolveAreUnreachable) {
  Use(OptionsFor("http://no-such-host.invalid/{key}"));
  const Failure failure = Get("k", 4000).failure;
  EXPECT_TRUE(failure == Failure::kUnreachable || failure == Failure::kTimeout)
      << FailureName(failure);
}

TEST_F(HttpOriginTest, NothingInTheEnvironmentRedirectsRequests) {
  ScriptedServer proxy(Always(Response("200 OK", "stolen")));
  setenv("http_proxy", proxy.url().c_str(), 1);
  setenv("ALL_PROXY", proxy.url().c_str(), 1);
  Serve(Always(Response("200 OK", "v", "Set-Cookie: a=b\r\n")));
  EXPECT_EQ(Summary(Get("k")), "value:v");
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  EXPECT_EQ(proxy.connections(), 0);
}

TEST_F(HttpOriginTest, PlainServerUnderAnHttpsUrlIsUnreachable) {
  Serve(Always(Response("200 OK", "v")));
  HttpOriginOptions options =
      OptionsFor("https://127.0.0.1:" + std::to_string(server_->port()) + "/{key}");
  options.connect_timeout_ms = 100;
  Use(std::move(options));
  EXPECT_EQ(Get("k").failure, Failure::kUnreachable);
}

class HttpsOriginTest : public HttpOriginTest {
 protected:
  // As the server does: OpenSSL writes to connections the other side may have closed.
  HttpsOriginTest() { signal(SIGPIPE, SIG_IGN); }

  void ServeTls(const std::string& subject) {
    if (origin_ != nullptr) Close();
    tls_server_ = std::make_unique<TlsServer>(subject, Response("200 OK", "v"));
    files_.Write("ca.pem", tls_server_->certificate_pem());
  }

  HttpOriginOptions Trusting(const std::string& ca_file) {
    HttpOriginOptions options = OptionsFor(tls_server_->url() + "/{key}");
    options.ca_file = ca_file;
    return options;
  }

  TempDir files_;
  const std::string ca_file_ = (files_.path() / "ca.pem").string();
  std::unique_ptr<TlsServer> tls_server_;
};

TEST_F(HttpsOriginTest, ReusesConnectionsToATrustedServer) {
  ServeTls("IP:127.0.0.1");
  Use(Trusting(ca_file_));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Summary(Get("k")), "value:v");
    loop_.RunFor(2);
  }
  EXPECT_EQ(tls_server_->requests(), 10);
  EXPECT_EQ(tls_server_->connections(), 1);
}

TEST_F(HttpsOriginTest, SendsNothingToAServerItCannotTrust) {
  ServeTls("IP:127.0.0.1");
  Use(Trusting(""));  // the system's certificates do not know ours
  GetResult result = Get("k");
  EXPECT_EQ(result.failure, Failure::kUnreachable);
  EXPECT_NE(result.detail.find("certificate"), std::string::npos) << result.detail;
  Use(Trusting(ca_file_ + ".missing"));
  EXPECT_EQ(Get("k").failure, Failure::kUnreachable);
  EXPECT_EQ(tls_server_->requests(), 0);
  ServeTls("DNS:another.example");
  Use(Trusting(ca_file_));
  result = Get("k");
  EXPECT_EQ(result.failure, Failure::kUnreachable);
  EXPECT_EQ(tls_server_->requests(), 0);
}

TEST_F(HttpOriginTest, KeysTooLongForAUrlAreRefusedNotAbsent) {
  Serve(Always(Response("200 OK", "v")));
  EXPECT_EQ(Get(std::string(100000, 'x')).failure, Failure::kRefused);
  EXPECT_EQ(server_->connections(), 0);
}

TEST_F(HttpOriginTest, IsReadOnly) {
  Serve(Always(Response("200 OK", "v")));
  std::vector<Failure> ends;
  origin_->Put({}, [&](PutResult result) { ends.push_back(result.failure); });
  origin_->Invalidate(0, "k", 0, [&](PutResult result) { ends.push_back(result.failure); });
  EXPECT_TRUE(ends.empty());
  EXPECT_TRUE(loop_.RunUntil([&] { return ends.size() == 2; }));
  EXPECT_EQ(ends, std::vector<Failure>(2, Failure::kRefused));
}

}  // namespace
}  // namespace terrace::tiers
