#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same requests to Python's account and container servers and to Martlet's: same statuses, headers and bodies.

Also on its own: test_db_servers.py [unittest arguments]. Not asked, because the answers differ on purpose:
- a row without its fields, or with a count that is no number: 500 there, 400 here;
- path= together with reverse=, and names that follow a folder directly: see server/db/README.md;
- X-Backend-No-Timestamp-Update, which 2.30.1 does not know.
"""
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VARIANT = os.environ.get('MARTLET_VARIANT', 'plain')
MARTLETD = os.path.join(os.environ.get('MARTLET_BIN', os.path.join(TOP, 'build', VARIANT, 'bin')), 'martletd')
RUN_SWIFT = os.path.join(TOP, 'tests', 'lib', 'run-swift')
SWIFT_CONF = '''[swift-hash]
swift_hash_path_suffix = changeme
[storage-policy:0]
name = gold
default = yes
[storage-policy:1]
name = silver
'''
CONF = '''[DEFAULT]
devices = %(devices)s
mount_check = false
bind_ip = 127.0.0.1
bind_port = %(port)d
user = %(user)s
workers = %(workers)s
swift_dir = %(etc)s
log_level = ERROR
[pipeline:main]
pipeline = %(type)s-server
[app:%(type)s-server]
use = egg:swift#%(type)s
fallocate_reserve = 0
'''
# Made of the server's clock or of the answer's form.
IGNORED = {'date', 'server', 'connection', 'content-length', 'transfer-encoding', 'x-timestamp', 'x-backend-timestamp', 'x-trans-id',
           'x-openstack-request-id', 'keep-alive', 'allow', 'etag'}


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def ts(seconds):
    return '%016.5f' % seconds


class Node:
    """One account and one container server, of either kind."""

    def __init__(self, folder, python):
        self.folder, self.python = folder, python
        self.ports, self.processes = {}, []
        etc = os.path.join(folder, 'etc')
        os.makedirs(os.path.join(folder, 'node', 'sda1'))
        os.makedirs(etc)
        with open(os.path.join(etc, 'swift.conf'), 'w') as f:
            f.write(SWIFT_CONF)
        confs = []
        for kind in ('account', 'container'):
            self.ports[kind] = free_port()
            confs.append(os.path.join(etc, kind + '-server.conf'))
            with open(confs[-1], 'w') as f:
                f.write(CONF % {'devices': os.path.join(folder, 'node'), 'port': self.ports[kind], 'etc': etc, 'type': kind,
                                'user': subprocess.check_output(['id', '-un'], text=True).strip(),
                                'workers': '0' if python else '1'})
        env = dict(os.environ, SWIFT_DIR=etc)
        self.log = open(os.path.join(folder, 'log'), 'w')
        if python:
            for conf, kind in zip(confs, ('account', 'container')):
                self.start([RUN_SWIFT, 'swift-%s-server' % kind, conf], env)
        else:
            self.start([MARTLETD] + confs, env)
        for port in self.ports.values():
            self.wait(port)

    def start(self, command, env):
        self.processes.append(subprocess.Popen(command, env=env, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL))

    def wait(self, port):
        for _ in range(300):
            try:
                socket.create_connection(('127.0.0.1', port), timeout=1).close()
                return
            except OSError:
                if any(p.poll() is not None for p in self.processes):
                    break
                time.sleep(0.1)
        self.close()
        with open(self.log.name) as f:
            raise RuntimeError('a server did not start: ' + f.read())

    def close(self):
        for p in self.processes:
            p.terminate()
        statuses = [p.wait(30) for p in self.processes]
        self.log.close()
        if not self.python:
            with open(self.log.name) as f:
                log = f.read()
            assert statuses == [0] and 'Sanitizer' not in log and 'runtime error' not in log, '%s: %s' % (statuses, log)

    def ask(self, kind, method, path, headers, body=None):
        c = http.client.HTTPConnection('127.0.0.1', self.ports[kind], timeout=60)
        try:
            c.request(method, '/sda1/7' + path, body, headers)
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
        finally:
            c.close()


def setUpModule():
    global nodes, folder
    if not shutil.which('swift-account-server') or not shutil.which('swift-container-server'):
        raise unittest.SkipTest('Python Swift is not installed')
    folder = tempfile.mkdtemp(prefix='martlet dbs ')
    nodes = [Node(os.path.join(folder, 'python'), True)]
    try:
        nodes.append(Node(os.path.join(folder, 'martlet'), False))
    except Exception:
        nodes[0].close()
        raise


def tearDownModule():
    for n in nodes:
        n.close()
    shutil.rmtree(folder)


class Servers(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.random = random.Random(int(os.environ.get('TEST_SEED', '1')))

    def answer(self, status, headers, body, kind, method):
        """What must be equal of an answer."""
        headers = {k: v for k, v in headers.items() if k not in IGNORED}
        if status not in (200, 204) or method not in ('GET', 'HEAD'):
            headers.pop('content-type', None)
        if status == 200 and method == 'REPLICATE':
            headers.pop('content-type', None)
            body = json.loads(body)
            for key in ('id', 'created_at'):  # of the server's own
                body = {k: v for k, v in body.items() if k != key} if isinstance(body, dict) else body
        elif status == 200 and method == 'GET' and headers.get('content-type', '').startswith('application/json'):
            body = json.loads(body)
            for item in body:  # a range that stands for the container itself has the time of the answer
                for key in ('timestamp', 'meta_timestamp', 'state_timestamp', 'last_modified'):
                    if 'upper' in item and not item.get(key, '').startswith(('17000000', '2023-11-14')):
                        item.pop(key)
        elif status == 200 and method == 'GET':
            pass
        elif status == 400 and kind == 'text':
            body = body.decode()
        else:
            body = None
        return status, headers, body

    def both(self, kind, method, path, headers=None, body=None, text=False):
        got = [self.answer(*n.ask(kind, method, path, headers or {}, body), 'text' if text else kind, method) for n in nodes]
        self.assertEqual(got[1], got[0], '%s %s %s %s %s' % (kind, method, path, headers, body))
        return got[0]

    def test_account_life(self):
        a, t = '/AUTH_life', 1700000000
        for method in ('HEAD', 'GET', 'POST', 'DELETE', 'PUT', 'PUT', 'HEAD', 'GET', 'POST', 'DELETE', 'HEAD', 'GET', 'POST', 'DELETE',
                       'PUT'):
            t += 1
            self.both('account', method, a, {'X-Timestamp': ts(t), 'X-Account-Meta-%s-2x_y' % method: 'v%d' % t,
                                             'X-Account-Sysmeta-S': 's%d' % t})
        row = {'X-Put-Timestamp': ts(t), 'X-Delete-Timestamp': '0', 'X-Object-Count': '1', 'X-Bytes-Used': '2'}
        self.both('account', 'PUT', a + '/c', row)
        self.both('account', 'PUT', a + '/c', dict(row, **{'X-Account-Override-Deleted': 'yes'}))
        self.both('account', 'PUT', '/.auto/c', dict(row, **{'X-Timestamp': ts(t)}))
        self.both('account', 'HEAD', '/.auto')

    def test_container_life(self):
        c, t = '/AUTH_life/c%20%C3%A9', 1700000000
        for method in ('HEAD', 'GET', 'POST', 'DELETE', 'PUT', 'PUT', 'HEAD', 'GET', 'POST', 'HEAD', 'DELETE', 'HEAD', 'GET', 'DELETE',
                       'POST', 'PUT', 'HEAD'):
            t += 1
            self.both('container', method, c, {'X-Timestamp': ts(t), 'X-Container-Meta-%s' % method: 'v%d' % t, 'X-Container-Read': '.r:*',
                                               'X-Container-Write': method, 'X-Backend-Storage-Policy-Default': '1'})
        for policy in ('0', '1', '7', '', 'x'):
            self.both('container', 'PUT', c, {'X-Timestamp': ts(t), 'X-Backend-Storage-Policy-Index': policy}, text=True)
        self.both('container', 'PUT', c, {'X-Timestamp': '1600000000'})
        self.both('container', 'DELETE', c, {'X-Timestamp': '1600000000'})
        self.both('container', 'PUT', c, {'X-Timestamp': ts(t), 'X-Container-Sync-To': 'http://example.com/a/b'}, text=True)
        self.both('container', 'PUT', c, {'X-Timestamp': ts(t), 'X-Container-Sync-To': '//a/b/c/d'}, text=True)
        self.both('container', 'PUT', c, {'X-Timestamp': ts(t), 'X-Container-Sync-To': 'x'}, text=True)

    def test_bad_requests(self):
        many = {'X-Timestamp': '1700000000'}
        many.update({'X-Account-Meta-%d' % i: 'v' for i in range(91)})
        self.both('account', 'PUT', '/AUTH_bad', many, text=True)
        big = {'X-Timestamp': '1700000001', 'X-Account-Meta-Big': 'v' * 4094}
        self.both('account', 'PUT', '/AUTH_bad', big, text=True)
        for kind, path in (('account', '/AUTH_bad'), ('container', '/AUTH_bad/c')):
            for headers in ({}, {'X-Timestamp': 'x'}, {'X-Timestamp': '-1'}):
                for method in ('PUT', 'POST', 'DELETE'):
                    self.both(kind, method, path, headers, text=True)
            self.both(kind, 'PUT', path, {'X-Timestamp': '1700000002'})
            for query in ('limit=10001', 'limit=x', 'limit=0&format=json', 'limit=', 'marker=%ff', 'format=xml', 'format=JSON', 'format=foo',
                          'path=%ff'):
                self.both(kind, 'GET', path + '?' + query)
            for accept in ('application/json', 'text/xml', 'application/xml;q=0.5,application/json;q=0.4', '*/*', 'text/*',
                           'image/png', 'junk', 'text/plain;q=x', 'application/*;q=0.1, text/plain;q=0', ', text/plain'):
                for method in ('GET', 'HEAD'):
                    self.both(kind, method, path, {'Accept': accept})
            self.both(kind, 'BREW', path)
            self.both(kind, 'PUT', path + '%00x', {'X-Timestamp': '1'}, text=True)
            self.both(kind, 'PUT', '/%ff', {'X-Timestamp': '1'})

    def names(self):
        return ['a', 'a/', 'a/b', 'a/b/c', 'b', 'caf\u00e9/\u2603', 'z b&<"', '\0r\0x', 'z' * 300] + ['d/%d/%d' % (i % 4, i) for i in range(20)]

    def query(self):
        pieces = ['', 'a', 'a/', 'd/', 'd/1', 'caf\u00e9', 'z', '\0']
        r, q = self.random, {}
        for key, choices in (('marker', pieces), ('end_marker', pieces), ('prefix', pieces), ('delimiter', ['/', '/', 'b', '/1', ''])):
            if r.random() < 0.4:
                q[key] = r.choice(choices)
        if r.random() < 0.3:
            q['reverse'] = r.choice(('true', 'on', 'false'))
        if r.random() < 0.4:
            q['limit'] = str(r.randint(0, 9))
        if r.random() < 0.1 and 'reverse' not in q:
            q['path'] = r.choice(pieces[:-1])
        if r.random() < 0.7:
            q['format'] = r.choice(('json', 'json', 'xml', 'plain'))
        return '?' + urllib.parse.urlencode(q)

    def test_random_objects(self):
        c = '/AUTH_rnd/c'
        self.both('container', 'PUT', c, {'X-Timestamp': ts(1700000000)})
        for step in range(400):
            r, t = self.random, 1700000000 + self.random.randint(1, 60)
            name = '/' + urllib.parse.quote(r.choice(self.names()))
            what = r.random()
            headers = {'X-Timestamp': ts(t)}
            if r.random() < 0.1:
                headers['X-Backend-Storage-Policy-Index'] = r.choice('01')
            if '%00' in name:
                continue
            if what < 0.45:
                headers.update({'X-Size': str(r.choice((0, 1, 2 ** 33))), 'X-Etag': 'e%d' % t,
                                'X-Content-Type': r.choice(('text/plain', 'x/y;swift_bytes=77', 'a/b; c=d; swift_bytes=5'))})
                if r.random() < 0.3:
                    headers.update({'X-Content-Type-Timestamp': ts(t + 3), 'X-Meta-Timestamp': ts(t + r.randint(3, 9))})
                self.both('container', 'PUT', c + name, headers)
            elif what < 0.6:
                self.both('container', 'DELETE', c + name, headers)
            elif what < 0.7:
                self.both('container', 'HEAD', c)
            else:
                headers.pop('X-Timestamp')
                if r.random() < 0.2:
                    headers['X-Backend-Record-Type'] = r.choice(('auto', 'object'))
                self.both('container', 'GET', c + self.query(), headers)

    def test_random_containers(self):
        a = '/AUTH_rnd'
        self.both('account', 'PUT', a, {'X-Timestamp': ts(1700000000)})
        names = [n for n in self.names() if '/' not in n and '\0' not in n[1:]] + ['c-%d-%d' % (i % 4, i) for i in range(20)]
        for step in range(300):
            r, t = self.random, 1700000000 + self.random.randint(1, 60)
            if r.random() < 0.5:
                headers = {'X-Put-Timestamp': ts(t), 'X-Delete-Timestamp': r.choice(('0', ts(t - 1), ts(t + 1))),
                           'X-Object-Count': str(r.choice((0, 0, 5))), 'X-Bytes-Used': str(r.choice((0, 2 ** 40)))}
                if r.random() < 0.3:
                    headers['X-Backend-Storage-Policy-Index'] = r.choice('01')
                if r.random() < 0.5:
                    headers['X-Trans-Id'] = 'tx'
                self.both('account', 'PUT', a + '/' + urllib.parse.quote(r.choice(names)), headers)
            elif r.random() < 0.2:
                self.both('account', 'HEAD', a)
            else:
                self.both('account', 'GET', a + self.query().replace('path=', 'x='), {'X-Backend-Allow-Reserved-Names': r.choice(('0', 'true'))})

    def test_replicate(self):
        """The calls of a replicator, and what a replicator of Python's reads from the answers."""
        from swift.common import utils
        utils.HASH_PATH_SUFFIX, utils.HASH_PATH_PREFIX = b'changeme', b''
        for kind, path, names in (('account', '/AUTH_repl', ('AUTH_repl',)), ('container', '/AUTH_repl/c', ('AUTH_repl', 'c'))):
            h = '/' + utils.hash_path(*names)
            say = lambda *call: self.both(kind, 'REPLICATE', h, {'Content-Type': 'application/json'}, json.dumps(call))  # noqa: E731
            say('sync', 1, 'x', 'peer', ts(1), ts(1), '0', '')
            self.both(kind, 'PUT', path, {'X-Timestamp': ts(1700000000), 'X-%s-Meta-A' % kind.title(): 'caf\u00e9'.encode()})
            created = ts(1600000000)
            say('sync', 1, 'x', 'peer', created, ts(1700000001), '0', '')
            meta = json.dumps({'X-%s-Meta-B' % kind.title(): ['\u2603', ts(1700000002)], 'X-%s-Meta-A' % kind.title(): ['', ts(1)]})
            say('sync', 1, 'x', 'peer', created, ts(1700000001), '0', meta)
            rows = []
            for i in range(20):
                rows.append({'ROWID': 10 + i, 'name': 'n%d' % (i % 15), 'deleted': 0, 'storage_policy_index': i % 2})
                if kind == 'account':
                    rows[-1].update(put_timestamp=ts(1700000001 + i), delete_timestamp='0', object_count=i, bytes_used=i)
                else:
                    rows[-1].update(created_at=ts(1700000001 + i), size=i, content_type='t/p', etag='e')
            say('merge_items', rows, 'peer')
            info = say('sync', 40, 'x', 'peer', created, ts(1700000001), '0', '')[2]
            self.assertEqual(info['point'], 29)
            self.assertEqual(say('sync', 40, info['hash'], 'peer', created, ts(1700000001), '0', '')[2]['point'], 40)
            say('merge_syncs', [{'remote_id': 'third', 'sync_point': 7}, {'remote_id': 'peer', 'sync_point': 3}])
            self.assertEqual(say('sync', 1, 'x', 'third', created, ts(1700000001), '0', '')[2]['point'], 7)
            say('sync', 41, 'x', 'peer', created, ts(1700000001), ts(1700000100), '')
            say('sync', 41, 'x', 'peer', created, ts(1700000001), ts(1700000100), '')
            self.both(kind, 'HEAD', path)
            say('nonsense', 1)
            say('sync')
            self.both(kind, 'REPLICATE', h, {}, 'no json')
            if kind == 'container':
                sr = {'name': '.shards_AUTH_repl/c-1', 'timestamp': ts(1700000001), 'lower': '', 'upper': 'm', 'object_count': 1,
                      'bytes_used': 2, 'meta_timestamp': ts(1700000001), 'deleted': 0, 'state': 40, 'state_timestamp': ts(1700000001),
                      'epoch': None, 'reported': 0, 'tombstones': -1}
                say('merge_shard_ranges', [sr], 'peer')
                say('get_shard_ranges')
                say('merge_shard_ranges', [dict(sr, state=60, state_timestamp=ts(1700000002), epoch=ts(1700000002))], 'peer')
                say('get_shard_ranges')
                headers = {'X-Timestamp': ts(1700000009), 'X-Backend-Accept-Redirect': 'true'}
                self.both('container', 'DELETE', path + '/abc', headers)
                self.both('container', 'DELETE', path + '/x', headers)
                self.both('container', 'DELETE', path + '/a%20b', headers)

    def test_shard_ranges(self):
        c, r = '/AUTH_shards/c', self.random
        headers = {'X-Timestamp': ts(1700000000), 'X-Backend-Record-Type': 'shard'}
        self.both('container', 'PUT', c, headers, '[]')
        self.both('container', 'PUT', '/.shards_AUTH_shards/c', dict(headers, **{'X-Backend-Auto-Create': 'true'}), '[]')
        self.both('container', 'PUT', '/.shards_AUTH_shards/c', dict(headers, **{
            'X-Backend-Auto-Create': 'true', 'X-Backend-Storage-Policy-Index': '1',
            'X-Container-Sysmeta-Shard-Quoted-Root': 'AUTH_shards/c'}), '[]')
        self.both('container', 'PUT', c, {'X-Timestamp': ts(1700000000)})
        for body in ('', '[{}]', '[1]', 'x', '1'):
            self.both('container', 'PUT', c, headers, body)
        bounds = ['', 'b', 'd', 'caf\u00e9', 'm', 'p', '']
        for step in range(60):
            i = r.randint(0, 5)
            sr = {'name': r.choice(('.shards_a/c-%d' % i, '.shards_a/c-%d' % i, 'AUTH_shards/c')), 'lower': bounds[i], 'upper': bounds[i + 1],
                  'timestamp': ts(1700000000 + r.randint(0, 2)), 'object_count': r.randint(0, 2), 'bytes_used': 5,
                  'meta_timestamp': ts(1700000000 + r.randint(0, 3)), 'deleted': int(r.random() < 0.1),
                  'state': r.choice((10, 20, 30, 40, 50, 60, 70, 80)), 'state_timestamp': ts(1700000000 + r.randint(0, 3)),
                  'epoch': r.choice((None, ts(1700000001))), 'reported': r.randint(0, 1), 'tombstones': r.randint(-1, 1)}
            if sr['name'].startswith('AUTH'):
                sr.update(lower='', upper='', epoch=ts(1700000001))
            if sr['upper'] and sr['lower'] > sr['upper']:
                continue
            self.both('container', 'PUT', c, headers, json.dumps([sr]))
            for _ in range(4):
                q = {'format': 'json'}
                for key in ('marker', 'end_marker', 'includes'):
                    if r.random() < 0.3:
                        q[key] = r.choice(('a', 'b', 'c', 'd', 'caf\u00e9', 'n', 'z', ''))
                if r.random() < 0.6:
                    q['states'] = r.choice(('auditing', 'active', '40,sharding', 'found, created', '41', 'ACTIVE', 'created,cleaved'))
                if r.random() < 0.3:
                    q['reverse'] = 'true'
                more = {'X-Backend-Record-Type': 'shard'}
                if r.random() < 0.3:
                    more['X-Backend-Include-Deleted'] = 'true'
                self.both('container', 'GET', c + '?' + urllib.parse.urlencode(q), more)
            for q in ({'states': 'listing'}, {'states': 'updating'}, {'states': 'updating', 'marker': 'c', 'end_marker': 'o'},
                      {'states': 'listing', 'reverse': 'true'}):
                self.both('container', 'GET', c + '?' + urllib.parse.urlencode(q), {'X-Backend-Record-Type': 'shard'})
        self.both('container', 'DELETE', c, {'X-Timestamp': ts(1700000009)})
        self.both('container', 'GET', c, {'X-Backend-Record-Type': 'shard'})
        self.both('container', 'GET', c, {'X-Backend-Record-Type': 'shard', 'X-Backend-Override-Deleted': 'true'})

    def test_many_at_once(self):
        """One container and one account under readers and writers: nothing fails, nothing is lost."""
        martlet = nodes[1]
        martlet.ask('account', 'PUT', '/AUTH_many', {'X-Timestamp': ts(1700000000)})
        martlet.ask('container', 'PUT', '/AUTH_many/c', {'X-Timestamp': ts(1700000000)})
        row = {'X-Timestamp': ts(1700000001), 'X-Size': '1', 'X-Content-Type': 'a/b', 'X-Etag': 'e'}
        wrong = []

        def work(k):
            for i in range(60):
                calls = [('container', 'PUT', '/AUTH_many/c/%d-%d' % (k, i), row, 201),
                         ('account', 'PUT', '/AUTH_many/c%d-%d' % (k, i), {'X-Put-Timestamp': ts(1), 'X-Delete-Timestamp': '0',
                                                                           'X-Object-Count': '1', 'X-Bytes-Used': '1'}, 201)]
                if i % 5 == 0:
                    calls += [('container', 'GET', '/AUTH_many/c?format=json', {}, 200), ('account', 'HEAD', '/AUTH_many', {}, 204),
                              ('container', 'POST', '/AUTH_many/c', {'X-Timestamp': ts(1700000002 + i), 'X-Container-Meta-K': str(k)}, 204)]
                if i % 5 == 4:
                    calls.append(('container', 'DELETE', '/AUTH_many/c/%d-%d' % (k, i), {'X-Timestamp': ts(1700000002)}, 204))
                for kind, method, path, headers, expected in calls:
                    status = martlet.ask(kind, method, path, headers)[0]
                    if status != expected:
                        wrong.append((method, path, status))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        headers = martlet.ask('container', 'HEAD', '/AUTH_many/c', {})[1]
        self.assertEqual(headers['x-container-object-count'], str(8 * 48))
        headers = martlet.ask('account', 'HEAD', '/AUTH_many', {})[1]
        self.assertEqual(headers['x-account-container-count'], str(8 * 60))

    def test_update(self):
        rows = [{'name': 'u%d' % i, 'created_at': ts(1700000001), 'size': i, 'content_type': 't/p', 'etag': 'e', 'deleted': 0}
                for i in range(30)]
        for path in ('/AUTH_upd/c', '/.upd/c'):
            for headers in ({'X-Timestamp': ts(1700000000)}, {'X-Timestamp': ts(1700000000), 'X-Backend-Storage-Policy-Index': '0'}):
                self.both('container', 'UPDATE', path, headers, json.dumps(rows))
                self.both('container', 'GET', path + '?format=json')
        self.both('container', 'UPDATE', '/.upd/c', {'X-Timestamp': ts(1700000000)}, 'junk')


if __name__ == '__main__':
    unittest.main()
