"""Access control from outside, with several threads: who is disconnected and when, what a user of
few rights hears, files and settings."""

import hashlib
import pathlib
import unittest

import black_box
import raw_client
import servers


class AclTest(black_box.TerraceTest):
    flags = ('--threads', '4')

    def setUp(self):
        self.be_alone()
        self.admin = self.client()
        for name in self.admin.call('ACL', 'USERS'):
            if name != b'default':
                self.admin.command('ACL', 'DELUSER', name)
        self.assertEqual(self.admin.command('ACL', 'SETUSER', 'default', 'reset', 'on', 'nopass',
                                            '~*', '&*', '+@all'), ('+', b'OK'))

    def set_user(self, name, *rules):
        self.assertEqual(self.admin.command('ACL', 'SETUSER', name, *rules), ('+', b'OK'))

    def login(self, name, password='x', **options):
        client = self.client(**options)
        self.assertEqual(client.command('AUTH', name, password), ('+', b'OK'))
        return client

    def assert_closed(self, client):
        with self.assertRaises(raw_client.ConnectionClosed):
            client.command('PING')
            client.read()

    def names(self):
        return [dict(field.split('=', 1) for field in line.split())['user']
                for line in self.admin.call('CLIENT', 'LIST').decode().splitlines()]

    # ---- Rights and threads ----------------------------------------------------------------------

    def test_a_change_holds_for_the_next_command_of_every_connection(self):
        self.set_user('ann', 'on', 'nopass', '~a*', '+get')
        clients = [self.login('ann') for _ in range(8)]
        for client in clients:
            self.assertEqual(client.command('GET', 'a'), ('$-1',))
        self.set_user('ann', '-get', '+set')
        for client in clients:
            self.assert_error(client.command('GET', 'a'),
                              b"NOPERM User ann has no permissions to run the 'get' command")
            self.assertEqual(client.command('SET', 'a', 'v'), ('+', b'OK'))
            self.assert_error(client.command('SET', 'b', 'v'),
                              b'NOPERM No permissions to access a key')

    def test_the_default_user_is_asked_for_its_password_once_it_has_one(self):
        early = self.client()
        self.assertEqual(early.command('PING'), ('+', b'PONG'))
        self.set_user('default', 'resetpass', '>pw')
        self.addCleanup(self.set_user, 'default', 'nopass')
        self.assertEqual(early.command('PING'), ('+', b'PONG'))
        late = self.client()
        self.assert_error(late.command('PING'), b'NOAUTH')
        self.set_user('default', 'nopass')
        self.assertEqual(late.command('PING'), ('+', b'PONG'))

    def test_pipelined_requests_see_rights_change_between_them(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~*')
        client = self.login('ann')
        client.send_bytes(b'GET x\r\nACL SETUSER ann -get\r\nGET x\r\n'
                          b'ACL SETUSER ann +get\r\nGET x\r\n')
        kinds = [client.read()[0] for _ in range(5)]
        self.assertEqual(kinds, ['$-1', '+', '-', '+', '$-1'])

    def test_a_transaction_keeps_to_the_rights_of_exec(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~*')
        client = self.login('ann')
        for command in (('MULTI',), ('SET', 'k', 'v'), ('ACL', 'SETUSER', 'ann', '-set'),
                        ('SET', 'k', 'w')):
            client.command(*command)
        replies = client.command('EXEC')[1]
        self.assertEqual([reply[0] for reply in replies], ['+', '+', '-'])
        self.assert_error(replies[2], b'NOPERM ACLs rules changed between the moment the '
                          b'transaction was accumulated and the EXEC call.')
        self.assertEqual(client.command('GET', 'k'), ('$', b'v'))

    # ---- Disconnecting ---------------------------------------------------------------------------

    def test_clients_of_a_deleted_user_are_disconnected(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~*')
        clients = [self.login('ann') for _ in range(6)]
        waiting = self.login('ann')
        waiting.send('BLPOP', 'list', '0')
        self.eventually(lambda: b'blocked_clients:1' in self.admin.call('INFO', 'clients'))
        self.assertEqual(self.admin.command('ACL', 'DELUSER', 'ann', 'nobody'), (':', 1))
        self.assertNotIn('ann', self.names())
        # A user of the same name is another one.
        self.set_user('ann', 'on', 'nopass', '+@all', '~*')
        for client in clients:
            self.assert_closed(client)
        with self.assertRaises(raw_client.ConnectionClosed):
            waiting.read()
        self.assertEqual(self.admin.command('RPUSH', 'list', 'v'), (':', 1))
        self.assertEqual(self.admin.command('DEL', 'list'), (':', 1))

    def test_who_deletes_its_own_user_hears_so_and_is_disconnected(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~*')
        client = self.login('ann')
        client.send_bytes(b'ACL DELUSER ann\r\nPING\r\n')
        self.assertEqual(client.read(), (':', 1))
        with self.assertRaises(raw_client.ConnectionClosed):
            client.read()

    def test_nothing_published_after_a_permission_went_is_delivered(self):
        for round_number in range(20):
            self.set_user('ann', 'reset', 'on', 'nopass', '+@all', '&news', '&b*')
            listeners = [self.login('ann') for _ in range(4)]
            for number, client in enumerate(listeners):
                command = ('PSUBSCRIBE', 'b*') if number % 2 else ('SUBSCRIBE', 'news')
                client.command(*command)
            self.admin.send_bytes(b'PUBLISH news before\r\nPUBLISH b1 before\r\n'
                                  b'ACL SETUSER ann resetchannels &b*\r\n'
                                  b'PUBLISH news after\r\nPUBLISH b1 after\r\n')
            self.assertEqual([self.admin.read()[0] for _ in range(5)], [':', ':', '+', ':', ':'])
            for number, client in enumerate(listeners):
                heard = []
                try:
                    while number % 2 == 0 or len(heard) < 2:
                        heard.append(client.read()[1][-1][1])
                except raw_client.ConnectionClosed:
                    pass
                if number % 2:
                    self.assertEqual(heard, [b'before', b'after'], f'round {round_number}')
                else:
                    self.assertNotIn(b'after', heard, f'round {round_number}')
            for client in listeners:
                client.close()

    def test_client_list_does_not_show_who_was_disconnected(self):
        for _ in range(50):
            self.set_user('ann', 'reset', 'on', 'nopass', '+@all', '&a')
            client = self.login('ann')
            client.command('SUBSCRIBE', 'a')
            self.set_user('ann', 'resetchannels')
            self.assertNotIn('ann', self.names())
            client.close()

    # ---- Waiting ---------------------------------------------------------------------------------

    def test_a_blocked_command_is_refused_when_its_turn_comes(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~*')
        first, second = self.login('ann'), self.client()
        self.admin.command('CONFIG', 'RESETSTAT')
        first.send('BLPOP', 'list', '0')
        self.eventually(lambda: b'blocked_clients:1' in self.admin.call('INFO', 'clients'))
        second.send('BLPOP', 'list', '0')
        self.eventually(lambda: b'blocked_clients:2' in self.admin.call('INFO', 'clients'))
        self.set_user('ann', 'resetkeys')
        self.admin.command('RPUSH', 'list', 'v')
        self.assert_error(first.read(), b'NOPERM No permissions to access a key')
        # It goes to the next in line.
        self.assertEqual(second.read(), ('*', (('$', b'list'), ('$', b'v'))))
        self.assertEqual(first.command('PING'), ('+', b'PONG'))

    def test_a_blocked_command_is_served_after_changes_that_leave_its_rights(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~list')
        clients = [self.login('ann') for _ in range(3)]
        for number, client in enumerate(clients):
            client.send('BLPOP', 'list', '0')
            wanted = b'blocked_clients:%d' % (number + 1)
            self.eventually(lambda: wanted in self.admin.call('INFO', 'clients'))
        self.set_user('bob')
        self.set_user('ann', '-get')
        self.admin.command('RPUSH', 'list', '0', '1', '2')
        for number, client in enumerate(clients):
            self.assertEqual(client.read()[1][1], ('$', b'%d' % number))

    # ---- Tracking --------------------------------------------------------------------------------

    def test_invalidations_name_only_keys_that_the_receiver_may_read(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~a:*', '%W~w:*')
        client = self.login('ann', proto=3)
        client.command('CLIENT', 'TRACKING', 'on', 'bcast')
        self.admin.command('MSET', 'b:1', 'v', 'a:1', 'v', 'w:1', 'v', 'a:2', 'v')
        self.admin.command('SET', 'b:2', 'v')
        self.admin.command('SET', 'a:3', 'v')
        heard = []
        while b'a:3' not in heard:
            push = client.read()
            self.assertEqual(push[0], '>')
            heard += [key[1] for key in push[1][1][1]]
        self.assertEqual(sorted(heard), [b'a:1', b'a:2', b'a:3'])
        self.admin.command('FLUSHALL')
        self.assertEqual(client.read(), ('>', (('$', b'invalidate'), ('_',))))

    def test_redirected_invalidations_are_for_the_eyes_of_the_receiver(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~a:*')
        receiver = self.login('ann', proto=3)
        tracker = self.client()
        tracker.command('CLIENT', 'TRACKING', 'on', 'bcast', 'redirect',
                        receiver.call('CLIENT', 'ID'))
        self.admin.command('SET', 'b:1', 'v')
        self.admin.command('SET', 'a:1', 'v')
        self.assertEqual(receiver.read()[1][1], ('*', (('$', b'a:1'),)))

    # ---- What is shown ---------------------------------------------------------------------------

    def test_clients_are_shown_and_killed_by_user(self):
        self.set_user('ann', 'on', 'nopass', '+@all', '~*')
        clients = [self.login('ann') for _ in range(3)]
        self.assertEqual(self.names().count('ann'), 3)
        self.assertIn(b' user=ann ', clients[0].call('CLIENT', 'INFO'))
        self.assert_error(self.admin.command('CLIENT', 'KILL', 'USER', 'nobody'),
                          b"ERR No such user 'nobody'")
        self.assertEqual(self.admin.command('CLIENT', 'KILL', 'USER', 'ann'), (':', 3))
        for client in clients:
            self.assert_closed(client)

    def test_the_log_tells_who_was_refused_what(self):
        self.set_user('ann', 'on', '>pw', '+@all', '-get', '~a*', '&c')
        client = self.login('ann', 'pw')
        client.command('CLIENT', 'SETNAME', 'spy')
        client.command('GET', 'a')
        client.command('EVAL', 'redis.pcall("set", "b", "v")', '0')
        client.command('AUTH', 'ann', 'wrong')
        client.command('PUBLISH', 'd', 'm')
        entries = [dict(zip(entry[::2], entry[1::2])) for entry in self.admin.call('ACL', 'LOG', 4)]
        self.assertEqual([(entry[b'reason'], entry[b'context'], entry[b'object'])
                          for entry in entries],
                         [(b'channel', b'toplevel', b'd'), (b'auth', b'toplevel', b'AUTH'),
                          (b'key', b'lua', b'b'), (b'command', b'toplevel', b'get')])
        for entry in entries:
            self.assertEqual(entry[b'username'], b'ann')
            self.assertIn(b' name=spy ', entry[b'client-info'])
        self.assertIn(b' cmd=get ', entries[3][b'client-info'])
        stats = self.admin.call('INFO', 'stats')
        for reason in (b'auth', b'cmd', b'key', b'channel'):
            self.assertIn(b'acl_access_denied_' + reason + b':1', stats)

    def test_generated_passwords_have_the_bits_that_were_asked_for(self):
        self.assertEqual(len(self.admin.call('ACL', 'GENPASS')), 64)
        self.assertEqual(len(self.admin.call('ACL', 'GENPASS', 5)), 2)
        self.assertNotEqual(self.admin.call('ACL', 'GENPASS'), self.admin.call('ACL', 'GENPASS'))


class AclFileTest(unittest.TestCase):
    def start(self, *flags):
        server = servers.TerraceServer(*flags)
        self.addCleanup(server.close)
        return server

    def test_users_are_read_from_the_file_and_saved_to_it(self):
        server = self.start()
        path = server.directory / 'users.acl'
        path.write_text('user default on nopass ~* &* +@all\nuser ann on >pw ~a* +get\n')
        server.flags += ['--dir', str(server.directory), '--aclfile', 'users.acl']
        server.start()
        with server.client() as client:
            self.assertEqual(client.call('ACL', 'USERS'), [b'ann', b'default'])
            client.call('ACL', 'SETUSER', 'bob', 'on', 'nopass', '+@read', '(~x +set)')
            self.assertEqual(client.command('ACL', 'SAVE'), ('+', b'OK'))
            hashed = hashlib.sha256(b'pw').hexdigest()
            self.assertEqual(path.read_text(), (
                f'user ann on sanitize-payload #{hashed} ~a* resetchannels -@all +get\n'
                'user bob on nopass sanitize-payload resetchannels -@all +@read '
                '(~x resetchannels -@all +set)\n'
                'user default on nopass sanitize-payload ~* &* +@all\n'))
            listed = client.call('ACL', 'LIST')
            # What is wrong with the file is told, and nothing changes.
            path.write_text('user ann on nopass +nosuch\n')
            reply = client.command('ACL', 'LOAD')
            self.assertEqual(reply[0], '-')
            self.assertIn(b"users.acl:1: Error in applying operation '+nosuch'", reply[1])
            self.assertEqual(client.call('ACL', 'LIST'), listed)
            # Clients of users that are read again have to authenticate again.
            path.write_text('user bob on nopass +@all\n')
            with server.client() as bob:
                bob.call('AUTH', 'bob', '')
                self.assertEqual(client.command('ACL', 'LOAD'), ('+', b'OK'))
                self.assertEqual(client.call('ACL', 'USERS'), [b'bob', b'default'])
                with self.assertRaises(raw_client.ConnectionClosed):
                    bob.call('PING')

    def test_users_stand_in_the_settings_and_config_rewrite_keeps_them(self):
        server = self.start()
        config = server.directory / 'terrace.toml'
        config.write_text('[security]\n'
                          'user = ["ann on >pw ~* +@all", "default on nopass ~* +@all"]\n')
        server.flags += ['--config', str(config)]
        server.start()
        with server.client() as client:
            self.assertEqual(client.command('AUTH', 'ann', 'pw'), ('+', b'OK'))
            client.call('ACL', 'SETUSER', 'bob', 'on', 'nopass', '(+get ~"x")')
            self.assertEqual(client.command('CONFIG', 'REWRITE'), ('+', b'OK'))
            self.assertEqual(client.call('CONFIG', 'GET', 'user'), [])
            listed = client.call('ACL', 'LIST')
        self.assertEqual(pathlib.Path(f'{config}.auto').stat().st_mode & 0o077, 0)
        server.restart()
        with server.client() as client:
            self.assertEqual(client.call('ACL', 'LIST'), listed)

    def test_mistakes_stop_the_start(self):
        for flags, why in ((('--user', 'ann +nosuch'), 'Unknown command or category name in ACL'),
                           (('--user', 'ann', '--user', 'ann'), 'Duplicate user found'),
                           (('--aclfile', 'missing.acl'), 'opening file'),
                           (('--user', 'ann', '--aclfile', 'f'), 'not in both')):
            server = self.start(*flags)
            with self.assertRaises(servers.StartFailed) as failure:
                server.start()
            self.assertIn(why, str(failure.exception))


if __name__ == '__main__':
    unittest.main()
