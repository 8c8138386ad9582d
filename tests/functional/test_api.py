# SPDX-License-Identifier: Apache-2.0
"""The Swift API of a running cluster, request by request."""
import hashlib
import json
import os
import random
import unittest
import xml.etree.ElementTree

from cluster import SEED, Cluster, ask, raw


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.start()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        reports = cls.cluster.sanitizer_reports()
        cls.cluster.close()
        assert not reports, '\n'.join(reports)

    def ask(self, method, path='', body=None, headers=None, status=None):
        a = self.cluster.request(method, path, body, headers)
        if status is not None:
            self.assertEqual(a.status, status, (method, path, a))
        return a

    def test_healthcheck(self):
        a = ask(self.cluster.port, 'GET', '/healthcheck')
        self.assertEqual((a.status, a.body), (200, b'OK'))

    def test_info(self):
        a = ask(self.cluster.port, 'GET', '/info')
        self.assertEqual(a.status, 200)
        info = json.loads(a.body)
        self.assertEqual(info['swift']['max_file_size'], 5368709122)
        self.assertEqual(info['swift']['policies'], [{'name': 'gold', 'aliases': 'gold', 'default': True}])
        self.assertIn('tempauth', info)
        for absent in ('slo', 'tempurl', 's3api'):
            self.assertNotIn(absent, info)

    def test_auth(self):
        c = self.cluster
        token, account = c.login()
        self.assertTrue(token.startswith('AUTH_tk'))
        self.assertEqual(account, '/v1/AUTH_test')
        for user, key in (('test:tester', 'wrong'), ('test:nobody', 'testing'), ('nocolon', 'x')):
            a = ask(c.port, 'GET', '/auth/v1.0', headers={'X-Auth-User': user, 'X-Auth-Key': key})
            self.assertEqual(a.status, 401)
            self.assertTrue(a.headers['www-authenticate'].startswith('Swift realm='))
        self.assertEqual(ask(c.port, 'GET', account).status, 401)
        self.assertEqual(ask(c.port, 'GET', account, headers={'X-Auth-Token': 'AUTH_tkbad'}).status, 401)
        other, _ = c.login('test2:tester2', 'testing2')
        self.assertEqual(ask(c.port, 'GET', account, headers={'X-Auth-Token': other}).status, 403)

    def test_object_life(self):
        self.ask('PUT', '/life', status=201)
        self.ask('PUT', '/life', status=202)
        body = b'hello world'
        md5 = hashlib.md5(body).hexdigest()
        a = self.ask('PUT', '/life/a/b c', body, {'Content-Type': 'text/x', 'X-Object-Meta-Color': 'red',
                                                   'X-Delete-After': '1000'}, 201)
        self.assertEqual(a.headers['etag'], md5)
        self.assertEqual(a.headers['content-length'], '0')
        self.assertEqual(a.headers['x-trans-id'], a.headers['x-openstack-request-id'])
        for method in ('GET', 'HEAD'):
            a = self.ask(method, '/life/a/b c', status=200)
            self.assertEqual(a.body, body if method == 'GET' else b'')
            self.assertEqual(a.headers['content-length'], '11')
            self.assertEqual(a.headers['etag'], md5)
            self.assertEqual(a.headers['content-type'], 'text/x')
            self.assertEqual(a.headers['x-object-meta-color'], 'red')
            self.assertEqual(a.headers['accept-ranges'], 'bytes')
            self.assertIn('x-delete-at', a.headers)
            self.assertFalse([h for h in a.headers if h.startswith('x-backend')])
        self.ask('POST', '/life/a/b c', headers={'X-Object-Meta-Size': 'big'}, status=202)
        a = self.ask('GET', '/life/a/b c', status=200)
        self.assertEqual(a.body, body)
        self.assertEqual(a.headers['x-object-meta-size'], 'big')
        self.assertNotIn('x-object-meta-color', a.headers)
        self.assertNotIn('x-delete-at', a.headers)
        self.assertEqual(a.headers['content-type'], 'text/x')
        self.ask('DELETE', '/life', status=409)
        self.ask('DELETE', '/life/a/b c', status=204)
        self.ask('GET', '/life/a/b c', status=404)
        self.ask('HEAD', '/life/a/b c', status=404)
        self.ask('DELETE', '/life/a/b c', status=404)
        self.ask('POST', '/life/a/b c', status=404)
        self.ask('DELETE', '/life', status=204)
        self.ask('GET', '/life', status=404)
        self.ask('PUT', '/life/o', b'x', status=404)

    def test_sizes(self):
        """Every size around the edges of buffers comes back as it was sent, chunked or with a length."""
        rng = random.Random(SEED)
        self.ask('PUT', '/sizes')
        for size in (0, 1, 4095, 4096, 65535, 65536, 65537, 131072, 262143, 262145, 1 << 20, (3 << 20) + 7):
            body = rng.randbytes(size)
            for chunked in (False, True):
                sent = iter([body[i:i + 70000] for i in range(0, size, 70000)]) if chunked else body
                a = self.ask('PUT', '/sizes/o%d' % size, sent, status=201)
                self.assertEqual(a.headers['etag'], hashlib.md5(body).hexdigest())
                self.assertEqual(self.ask('GET', '/sizes/o%d' % size, status=200).body, body)

    def test_ranges(self):
        body = bytes(range(100))
        self.ask('PUT', '/ranges')
        self.ask('PUT', '/ranges/o', body, {'Content-Type': 'a/b'})
        for value, want, where in (('bytes=0-4', body[:5], 'bytes 0-4/100'), ('bytes=-5', body[95:], 'bytes 95-99/100'),
                                   ('bytes=95-', body[95:], 'bytes 95-99/100'), ('bytes=-1000', body, 'bytes 0-99/100')):
            a = self.ask('GET', '/ranges/o', headers={'Range': value}, status=206)
            self.assertEqual((a.body, a.headers['content-range']), (want, where))
        a = self.ask('GET', '/ranges/o', headers={'Range': 'bytes=100-'}, status=416)
        self.assertEqual(a.headers['content-range'], 'bytes */100')
        for value in ('bytes=5-3', 'bytes=a-b', '0-4', 'lines=0-4'):
            self.assertEqual(self.ask('GET', '/ranges/o', headers={'Range': value}, status=200).body, body)
        a = self.ask('GET', '/ranges/o', headers={'Range': 'bytes=0-1,50-51'}, status=206)
        kind, _, boundary = a.headers['content-type'].partition(';boundary=')
        self.assertEqual(kind, 'multipart/byteranges')
        part = '--%s\r\nContent-Type: a/b\r\nContent-Range: bytes %s/100\r\n\r\n'
        want = b''.join([(part % (boundary, '0-1')).encode(), body[:2], b'\r\n', (part % (boundary, '50-51')).encode(),
                         body[50:52], b'\r\n', b'--', boundary.encode(), b'--'])
        self.assertEqual(a.body, want)

    def test_conditions(self):
        self.ask('PUT', '/cond')
        etag = self.ask('PUT', '/cond/o', b'data').headers['etag']
        modified = self.ask('HEAD', '/cond/o').headers['last-modified']
        for header, value, status in (('If-Match', etag, 200), ('If-Match', '"%s"' % etag, 200), ('If-Match', 'x', 412),
                                      ('If-None-Match', etag, 304), ('If-None-Match', 'x', 200), ('If-None-Match', '*', 304),
                                      ('If-Modified-Since', modified, 304),
                                      ('If-Unmodified-Since', modified, 200),
                                      ('If-Modified-Since', 'Tue, 14 Nov 2000 22:13:30 GMT', 200),
                                      ('If-Unmodified-Since', 'Tue, 14 Nov 2000 22:13:30 GMT', 412)):
            self.ask('GET', '/cond/o', headers={header: value}, status=status)
        self.ask('GET', '/cond/none', headers={'If-Match': '*'}, status=412)
        self.ask('PUT', '/cond/o', b'x', {'If-None-Match': '*'}, 412)
        self.ask('PUT', '/cond/o', b'x', {'If-None-Match': 'abc'}, 400)
        self.ask('PUT', '/cond/new', b'x', {'If-None-Match': '*'}, 201)

    def test_etag_mismatch(self):
        self.ask('PUT', '/etag')
        self.ask('PUT', '/etag/o', b'data', {'ETag': '0' * 32}, 422)
        self.ask('GET', '/etag/o', status=404)
        self.ask('PUT', '/etag/o', b'data', {'ETag': '"%s"' % hashlib.md5(b'data').hexdigest()}, 201)

    def test_listings(self):
        names = ['a', 'a/1', 'a/2', 'b', 'c/x/y', 'caf\u00e9', 'd d']
        self.ask('PUT', '/list', status=201)
        for n in names:
            self.ask('PUT', '/list/' + n, n.encode(), {'Content-Type': 'text/plain'}, 201)
        lines = lambda *words: ''.join(w + '\n' for w in words).encode()
        for query, want in (('', lines(*sorted(names, key=str.encode))), ('?prefix=a/', lines('a/1', 'a/2')),
                            ('?delimiter=/', lines('a', 'a/', 'b', 'c/', 'caf\u00e9', 'd d')),
                            ('?delimiter=/&prefix=a/', lines('a/1', 'a/2')), ('?limit=2', lines('a', 'a/1')),
                            ('?limit=2&marker=a/1', lines('a/2', 'b')), ('?end_marker=a/2', lines('a', 'a/1')),
                            ('?reverse=true&limit=2', lines('d d', 'caf\u00e9')), ('?path=a', lines('a/1', 'a/2'))):
            self.assertEqual(self.ask('GET', '/list' + query, status=200).body, want, query)
        entries = json.loads(self.ask('GET', '/list?format=json', status=200).body)
        self.assertEqual([e['name'] for e in entries], sorted(names, key=str.encode))
        self.assertEqual(entries[0]['bytes'], 1)
        self.assertEqual(entries[0]['hash'], hashlib.md5(b'a').hexdigest())
        self.assertEqual(entries[0]['content_type'], 'text/plain')
        self.assertRegex(entries[0]['last_modified'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$')
        self.assertIn({'subdir': 'a/'}, json.loads(self.ask('GET', '/list?format=json&delimiter=/').body))
        root = xml.etree.ElementTree.fromstring(self.ask('GET', '/list?format=xml', status=200).body)
        self.assertEqual((root.tag, root.get('name')), ('container', 'list'))
        self.assertEqual([o.findtext('name') for o in root], sorted(names, key=str.encode))
        self.ask('GET', '/list?limit=10001', status=412)
        a = self.ask('HEAD', '/list', status=204)
        self.assertEqual(a.headers['x-container-object-count'], str(len(names)))
        self.assertEqual(a.headers['x-container-bytes-used'], str(sum(len(n.encode()) for n in names)))
        self.ask('PUT', '/empty', status=201)
        self.ask('GET', '/empty', status=204)
        self.assertEqual(self.ask('GET', '/empty?format=json', status=200).body, b'[]')
        containers = self.ask('GET', '?format=json', status=200)
        self.assertIn('list', [e['name'] for e in json.loads(containers.body)])
        self.assertIn(b'list\n', self.ask('GET', '', status=200).body)

    def test_metadata(self):
        self.ask('PUT', '/meta', headers={'X-Container-Meta-A': '1', 'X-Container-Read': '.r:*'}, status=201)
        a = self.ask('HEAD', '/meta', status=204)
        self.assertEqual((a.headers['x-container-meta-a'], a.headers['x-container-read']), ('1', '.r:*'))
        self.ask('POST', '/meta', headers={'X-Container-Meta-B': '2', 'X-Remove-Container-Meta-A': 'x'}, status=204)
        a = self.ask('HEAD', '/meta', status=204)
        self.assertNotIn('x-container-meta-a', a.headers)
        self.assertEqual(a.headers['x-container-meta-b'], '2')
        self.ask('POST', '', headers={'X-Account-Meta-Who': 'me'}, status=204)
        self.assertEqual(self.ask('HEAD', '', status=204).headers['x-account-meta-who'], 'me')
        self.ask('PUT', '/meta/o', b'', {'X-Object-Meta-' + 'n' * 128: 'v' * 256}, 201)
        self.ask('PUT', '/meta/o', b'', {'X-Object-Meta-' + 'n' * 129: 'v'}, 400)
        self.ask('PUT', '/meta/o', b'', {'X-Object-Meta-n': 'v' * 257}, 400)
        # what outsiders must not set does not arrive
        self.ask('PUT', '/meta/sys', b'', {'X-Object-Sysmeta-Evil': '1', 'X-Backend-Evil': '1', 'X-Timestamp': '1'}, 201)
        a = self.ask('HEAD', '/meta/sys', status=200)
        self.assertNotIn('x-object-sysmeta-evil', a.headers)
        self.assertGreater(float(a.headers['x-timestamp']), 1e9)

    def test_public_read(self):
        c = self.cluster
        self.ask('PUT', '/public', headers={'X-Container-Read': '.r:*'}, status=201)
        self.ask('PUT', '/public/o', b'open', status=201)
        self.assertEqual(ask(c.port, 'GET', '/v1/AUTH_test/public/o').body, b'open')
        self.assertEqual(ask(c.port, 'GET', '/v1/AUTH_test/public').status, 401)
        self.assertEqual(ask(c.port, 'PUT', '/v1/AUTH_test/public/p', b'x').status, 401)

    def test_copy(self):
        self.ask('PUT', '/src')
        self.ask('PUT', '/dst')
        self.ask('PUT', '/src/o', b'copied', {'X-Object-Meta-K': 'v', 'Content-Type': 'c/t'}, 201)
        self.ask('PUT', '/dst/one', b'', {'X-Copy-From': '/src/o'}, 201)
        self.ask('COPY', '/src/o', headers={'Destination': '/dst/two', 'X-Object-Meta-L': 'w'}, status=201)
        for name, meta in (('one', {'k': 'v'}), ('two', {'k': 'v', 'l': 'w'})):
            a = self.ask('GET', '/dst/' + name, status=200)
            self.assertEqual((a.body, a.headers['content-type']), (b'copied', 'c/t'))
            for k, v in meta.items():
                self.assertEqual(a.headers['x-object-meta-' + k], v)
        self.ask('PUT', '/dst/three', b'', {'X-Copy-From': '/src/none'}, 404)

    def test_expiry(self):
        self.ask('PUT', '/exp')
        self.ask('PUT', '/exp/o', b'x', {'X-Delete-At': '1000'}, 400)
        self.ask('PUT', '/exp/o', b'x', {'X-Delete-At': 'soon'}, 400)
        self.ask('PUT', '/exp/o', b'x', {'X-Delete-After': '0'}, 400)

    def test_names(self):
        """Names of every kind are reachable under the name they were given."""
        self.ask('PUT', '/na mes')
        for name in ('\u00fcml\u00e4ut', '\u65e5\u672c', 'q?m', 'p%41', "quo'te\"", 'new\nline', 'a//b', '/lead', 'trail/',
                     '.', '..', 'x' * 1024):
            self.ask('PUT', '/na mes/' + name, name.encode(), status=201)
            self.assertEqual(self.ask('GET', '/na mes/' + name, status=200).body, name.encode())
        self.ask('PUT', '/na mes/' + 'x' * 1025, b'', status=400)
        self.ask('PUT', '/' + 'c' * 256, status=201)
        self.ask('PUT', '/' + 'c' * 257, status=400)

    def test_pipelining(self):
        token, account = self.cluster.login()
        self.ask('PUT', '/pipe')
        head = 'X-Auth-Token: %s\r\nHost: h\r\n' % token
        requests = ''.join('PUT %s/pipe/%d HTTP/1.1\r\n%sContent-Length: 5\r\n\r\nbody%d' % (account, i, head, i)
                           for i in range(5))
        requests += ''.join('GET %s/pipe/%d HTTP/1.1\r\n%s%s\r\n' % (account, i, head,
                                                                    'Connection: close\r\n' if i == 4 else '')
                            for i in range(5))
        answer = raw(self.cluster.port, requests.encode())
        self.assertEqual(answer.count(b'HTTP/1.1 201 Created'), 5)
        self.assertEqual(answer.count(b'HTTP/1.1 200 OK'), 5)
        at = 0
        for i in range(5):
            at = answer.find(b'body%d' % i, at)
            self.assertGreater(at, 0)

    def test_expect_continue(self):
        token, account = self.cluster.login()
        self.ask('PUT', '/expect')
        head = 'PUT %s/%s/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %s\r\nContent-Length: 4\r\n' \
               'Expect: 100-continue\r\nConnection: close\r\n\r\n'
        answer = raw(self.cluster.port, (head % (account, 'expect', token)).encode() + b'data')
        self.assertTrue(answer.startswith(b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created'), answer)
        answer = raw(self.cluster.port, (head % (account, 'nowhere', token)).encode())
        self.assertTrue(answer.startswith(b'HTTP/1.1 404 '), answer)

    def test_account_counts(self):
        """Object counts reach the account through the container updater."""
        import time
        c = self.cluster
        token, account = c.login('test2:tester2', 'testing2')
        h = {'X-Auth-Token': token}
        self.assertEqual(ask(c.port, 'PUT', account + '/cnt', headers=h).status, 201)
        for i in range(3):
            self.assertEqual(ask(c.port, 'PUT', '%s/cnt/%d' % (account, i), b'12345', h).status, 201)
        deadline = time.monotonic() + 60
        while True:
            a = ask(c.port, 'HEAD', account, headers=h)
            if a.headers['x-account-object-count'] == '3':
                break
            self.assertLess(time.monotonic(), deadline, a)
            time.sleep(0.5)
        self.assertEqual(a.headers['x-account-bytes-used'], '15')
        self.assertEqual(a.headers['x-account-container-count'], '1')


if __name__ == '__main__':
    unittest.main()
