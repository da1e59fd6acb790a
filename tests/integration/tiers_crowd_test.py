"""Ten thousand clients ask for one missing key at once: the origin is asked once."""

import multiprocessing
import os
import resource
import select
import socket
import time
import unittest

import black_box  # for the path to the helpers
import resp_wire
import servers
import tiers_world
from tiers_world import Answer, info, origin, route

CLIENTS = int(os.environ.get('CROWD_CLIENTS', 10000))
PROCESSES = 2
REQUEST = resp_wire.encode('GET', 'p:hot')
VALUE = b'hot value'
REPLY = b'$%d\r\n%s\r\n' % (len(VALUE), VALUE)


def ask(port, count, connected, go, results):
    """One process: connects `count` clients, asks with all when told, reports how many got it."""
    servers.die_with_parent()
    sockets = {}
    poll = select.epoll()
    for _ in range(count):
        connection = socket.create_connection(('127.0.0.1', port), timeout=20)
        connection.setblocking(False)
        sockets[connection.fileno()] = [connection, b'']
        poll.register(connection.fileno(), select.EPOLLIN)
    connected.release()
    go.wait(60)
    for connection, _ in sockets.values():
        connection.send(REQUEST)
    left, right = count, 0
    deadline = time.monotonic() + 30
    while left > 0 and time.monotonic() < deadline:
        for number, _ in poll.poll(1.0, 1000):
            state = sockets[number]
            data = state[0].recv(4096)
            state[1] += data
            if len(state[1]) >= len(REPLY) or not data or state[1][:1] == b'-':
                poll.unregister(number)
                left -= 1
                right += state[1] == REPLY
    results.put(right)


assert black_box


class CrowdTest(tiers_world.World):

    def test_one_missing_key_costs_the_origin_one_request(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < CLIENTS + 500:
            self.skipTest(f'needs {CLIENTS + 500} descriptors, the limit is {hard}')
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        web = self.start_origin(lambda path: Answer(VALUE, delay_s=1.5))
        self.start_terrace([origin(web), route('p:', origin='api', timeout='20s',
                                               origin_timeout='20s')],
                           '--threads', '2', '--maxclients', str(CLIENTS + 100))
        client = self.client()
        context = multiprocessing.get_context('fork')
        connected, go, results = context.Semaphore(0), context.Event(), context.Queue()
        crowd = [context.Process(target=ask, args=(self.server.port, CLIENTS // PROCESSES,
                                                   connected, go, results))
                 for _ in range(PROCESSES)]
        for process in crowd:
            process.start()
            self.addCleanup(process.kill)
        for _ in crowd:
            self.assertTrue(connected.acquire(timeout=60), 'clients could not connect')
        began = time.monotonic()
        go.set()
        right = sum(results.get(timeout=60) for _ in crowd)
        print(f'{right} clients answered in {time.monotonic() - began:.2f} s, the origin waits 1.5')
        for process in crowd:
            process.join(30)
        self.assertEqual(right, CLIENTS)
        self.assertEqual(web.total, 1)
        lines = info(client)
        self.assertEqual((lines['route0_origin']['requests'], lines['parked_requests']), (1, 0))
        self.assertGreater(lines['route0']['coalesced'], CLIENTS // 2)


if __name__ == '__main__':
    unittest.main()
