"""tiers_world: Terrace before a real Redis and a scripted HTTP origin, and what INFO tiers says.

World: starts what a test asks for, writes Terrace's TOML file, ends everything with the test.
Origin: an HTTP server whose answers a test changes while it runs; it counts requests by path.
"""

import collections
import http.server
import threading
import time
import unittest

import black_box  # for the path to the helpers
import patience
import servers

assert black_box


class Answer:
    """What the origin says to one request."""

    def __init__(self, body=b'', status=200, delay_s=0.0, raw=None, **headers):
        self.body = body if isinstance(body, bytes) else str(body).encode()
        self.status = status
        self.delay_s = delay_s
        self.raw = raw  # these bytes instead of an HTTP answer
        self.headers = {name.replace('_', '-'): value for name, value in headers.items()}


class Origin(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, script):
        super().__init__(('127.0.0.1', 0), OriginHandler)
        self.script = script  # path -> Answer
        self.counts = collections.Counter()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, template):
        return f'http://127.0.0.1:{self.server_port}/{template}'

    @property
    def total(self):
        with self.lock:
            return sum(self.counts.values())

    def handle_error(self, request, client_address):
        """A client that hangs up is no error of the test."""

    def close(self):
        self.shutdown()
        self.server_close()


class OriginHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        with self.server.lock:
            self.server.counts[self.path] += 1
        answer = self.server.script(self.path)
        time.sleep(answer.delay_s)
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


def toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else f"'{value}'"


class ConfiguredTerrace(servers.TerraceServer):
    """Terrace with a configuration file; tables are (name, {setting: value}) pairs."""

    def __init__(self, tables, *flags, **options):
        super().__init__(*flags, **options)
        self.config_path = self.directory / 'terrace.toml'
        lines = []
        for name, settings in tables:
            lines.append(f'[[{name}]]')
            lines += [f'{setting} = {toml(value)}' for setting, value in settings.items()]
        self.config_path.write_text('\n'.join(lines) + '\n')

    def command_line(self):
        binary, *flags = super().command_line()
        return [binary, str(self.config_path), *flags]


class World(unittest.TestCase):
    """One test's servers. Subclasses call the start_* methods."""

    def start_redis(self, *flags):
        redis = servers.RedisServer(*flags).start()
        self.addCleanup(redis.close)
        return redis

    def start_durable_redis(self):
        return self.start_redis('--appendonly', 'yes', '--appendfsync', 'always')

    def start_origin(self, script):
        origin = Origin(script)
        self.addCleanup(origin.close)
        return origin

    def start_terrace(self, tables, *flags, **options):
        self.server = ConfiguredTerrace(tables, *flags, **options).start()
        self.addCleanup(self.server.close)
        return self.server

    def client(self, server=None, **options):
        client = (server or self.server).client(**options)
        self.addCleanup(client.close)
        return client

    def assert_error(self, reply, *words):
        self.assertEqual(reply[0], '-', str(reply)[:200])
        for word in words:
            self.assertIn(word, reply[1])

    def assert_tier_error(self, reply, tier, route):
        """The error says which tier and which route."""
        self.assert_error(reply, tier, b'route ' + route)
        self.assertTrue(reply[1].startswith(b'TIER '), reply)

    def eventually(self, condition, timeout_s=10.0, message='the condition never held'):
        deadline = time.monotonic() + timeout_s * patience.FACTOR
        while not condition():
            if time.monotonic() > deadline:
                self.fail(message)
            time.sleep(0.02)


def regional(server, name='near', **settings):
    return ('regional', {'name': name, 'port': server if isinstance(server, int) else server.port,
                         **settings})


def origin(server, template='{key}', name='api', **settings):
    return ('origin', {'name': name, 'kind': 'http', 'url': server.url(template), **settings})


def route(prefix, **settings):
    return ('route', {'prefix': prefix, **settings})


def info(client):
    """INFO tiers as {line: {field: number or text}}; plain lines are numbers."""
    lines = {}
    for line in client.call('INFO', 'tiers').decode().splitlines():
        if not line or line.startswith('#'):
            continue
        name, _, rest = line.partition(':')
        if '=' not in rest:
            lines[name] = number_or_text(rest)
            continue
        fields = (field.partition('=') for field in rest.split(','))
        lines[name] = {key: number_or_text(value) for key, _, value in fields}
    return lines


def number_or_text(text):
    return int(text) if text.lstrip('-').isdigit() else text


def upstream_state(client, name):
    for line, fields in info(client).items():
        if line.startswith('upstream') and '_' not in line and fields['name'] == name:
            return fields['state']
    raise KeyError(name)


def upstream_text(client, name, text):
    """What INFO tiers says in a line of its own: text is last_error, last_refusal or warning."""
    lines = client.call('INFO', 'tiers').decode().splitlines()
    for line in lines:
        number, _, rest = line.partition(':')
        if number.startswith('upstream') and rest.startswith(f'name={name},'):
            found = [other for other in lines if other.startswith(f'{number}_{text}:')]
            return found[0].partition(':')[2] if found else ''
    raise KeyError(name)


def explain(client, key):
    pairs = client.call('TIER', 'EXPLAIN', key)
    return {pairs[i].decode(): pairs[i + 1].decode() for i in range(0, len(pairs), 2)}
