"""Small requests of many clients that arrive in one turn of the loop are gathered, then served."""

import time
import unittest

import black_box
import resp_wire

CLIENT_COUNT = 150


class GatheredTest(black_box.TerraceTest):
    flags = ('--threads', '1')

    def send_in_one_turn(self, requests):
        """One client for each request; all have arrived when the server wakes. Returns them."""
        clients = [self.client() for _ in requests]
        for client in clients:
            client.command('PING')
        sleeper = self.client()
        sleeper.send_bytes(resp_wire.encode('DEBUG', 'SLEEP', '0.3'))
        time.sleep(0.1)
        for client, request in zip(clients, requests):
            client.send_bytes(request)
        self.assertEqual(sleeper.read(), ('+', b'OK'))
        return clients

    def test_each_client_gets_its_own_replies_in_its_own_order(self):
        clients = self.send_in_one_turn([
            resp_wire.encode('SET', f'key:{i}', f'value:{i}') + resp_wire.encode('GET', f'key:{i}')
            for i in range(CLIENT_COUNT)])
        for i, client in enumerate(clients):
            self.assertEqual(client.read(), ('+', b'OK'))
            self.assertEqual(client.read(), ('$', f'value:{i}'.encode()))

    def test_a_request_in_pieces_waits_for_its_end(self):
        whole = resp_wire.encode('ECHO', 'in two pieces')
        clients = self.send_in_one_turn([whole[:i % len(whole)] for i in range(CLIENT_COUNT)])
        for i, client in enumerate(clients):
            client.send_bytes(whole[i % len(whole):])
            self.assertEqual(client.read(), ('$', b'in two pieces'))


if __name__ == '__main__':
    unittest.main()
