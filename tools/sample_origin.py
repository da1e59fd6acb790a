#!/usr/bin/env python3
"""sample_origin: a small HTTP origin with sample data, for demos and tests.

  GET /v1/products/1 ... /v1/products/1000   a product as JSON, with ETag and Cache-Control
  GET /v1/products/<other>                   404, cacheable for 5 seconds
  GET /stats                                 how often it was asked, as JSON; not delayed or counted

Every answer but /stats takes --latency-ms, so that one can feel which tier answered. If-None-Match
is honoured. With --port 0 it takes a free port. The first line printed names the address.
"""

import argparse
import collections
import hashlib
import http.server
import json
import random
import signal
import sys
import threading
import time

PRODUCT_COUNT = 1000
MAX_AGE_SECONDS = 60
NEGATIVE_MAX_AGE_SECONDS = 5
NAMES = ("Terrace Chair", "Garden Table", "Stone Planter", "Sun Umbrella", "Rain Barrel", "Bench",
         "Lantern", "Wind Chime", "Bird House", "Trellis")


def product(number):
    """The same product for the same number, always."""
    rng = random.Random(number)
    return {"id": number, "name": f"{rng.choice(NAMES)} {number}",
            "price_cents": rng.randrange(199, 99999), "stock": rng.randrange(0, 500)}


class Origin(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address, latency_ms, verbose):
        super().__init__(address, Handler)
        self.latency_seconds = latency_ms / 1000
        self.verbose = verbose
        self.lock = threading.Lock()
        self.counts = collections.Counter()

    def count(self, path):
        with self.lock:
            self.counts[path] += 1

    def stats(self):
        with self.lock:
            return {"requests": sum(self.counts.values()), "paths": dict(self.counts)}

    def handle_error(self, request, client_address):
        """A client that hangs up is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go out in one packet; two would cost a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/stats":
            self.answer(200, self.server.stats(), {"Cache-Control": "no-store"})
            return
        self.server.count(self.path)
        time.sleep(self.server.latency_seconds)
        number = self.product_number()
        if number is None:
            self.answer(404, {"error": "no such product"},
                        {"Cache-Control": f"max-age={NEGATIVE_MAX_AGE_SECONDS}"})
            return
        value = product(number)
        etag = '"' + hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16] + '"'
        headers = {"ETag": etag, "Cache-Control": f"max-age={MAX_AGE_SECONDS}",
                   "Surrogate-Key": f"products product-{number}"}
        if self.headers.get("If-None-Match") == etag:
            self.answer(304, None, headers)
        else:
            self.answer(200, value, headers)

    do_HEAD = do_GET

    def product_number(self):
        parts = self.path.split("/")
        if len(parts) == 4 and parts[:3] == ["", "v1", "products"] and parts[3].isascii() \
                and parts[3].isdigit() and 1 <= int(parts[3][:9]) <= PRODUCT_COUNT:
            return int(parts[3])
        return None

    def answer(self, status, value, headers):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, content in headers.items():
            self.send_header(name, content)
        if value is not None:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *arguments):
        if self.server.verbose and self.path != "/stats":
            print(f"origin: {format % arguments}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8088, help="0: any free port")
    parser.add_argument("--latency-ms", type=float, default=150)
    parser.add_argument("--verbose", action="store_true", help="print each request")
    options = parser.parse_args()
    try:
        origin = Origin((options.host, options.port), options.latency_ms, options.verbose)
    except OSError as error:
        sys.exit(f"sample_origin: cannot listen on port {options.port}: {error.strerror}; "
                 "choose another with --port")
    print(f"sample_origin: listening on http://{options.host}:{origin.server_port}", flush=True)
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))
    try:
        origin.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
