# SPDX-License-Identifier: Apache-2.0
"""Bad input gets a clear answer and harms nothing."""
import os
import socket
import subprocess
import tempfile
import time
import unittest

from cluster import BIN, Cluster, ask, raw


class BadRequests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.start()
        cls.cluster.request('PUT', '/c')
        cls.token, cls.account = cls.cluster.login()
        with open(os.path.join(cls.cluster.dir, 'etc', 'node1', 'object-server.conf')) as f:
            cls.object_port = int([l for l in f if l.startswith('bind_port')][0].split('=')[1])

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        reports = cls.cluster.sanitizer_reports()
        cls.cluster.close()
        assert not reports, '\n'.join(reports)

    def tearDown(self):
        """Whatever came in, the cluster goes on serving."""
        self.assertEqual(ask(self.cluster.port, 'GET', '/healthcheck').status, 200)

    def status(self, data, port=None):
        """Status of the one answer; the connection must have been closed behind it."""
        answer = raw(port or self.cluster.port, data)
        self.assertTrue(answer.startswith(b'HTTP/1.'), answer[:200])
        self.assertEqual(answer.count(b'HTTP/1.1 ') + answer.count(b'HTTP/1.0 '), 1, answer[:400])
        return int(answer.split()[1])

    def test_request_lines(self):
        for line, want in ((b'GET', 400), (b'GET /', 400), (b'GET / HTTP/1.1 x', 400), (b' GET / HTTP/1.1', 400),
                           (b'GET  / HTTP/1.1', 400), (b'G\x00T / HTTP/1.1', 400), (b'GET /\x01 HTTP/1.1', 400),
                           (b'GET / HTTP/2.0', 505), (b'GET / HTTX/1.1', 400), (b'GET nopath HTTP/1.1', 400),
                           (b'GET /' + b'a' * 9000 + b' HTTP/1.1', 414), (b'\xff\xfe\xfd', 400)):
            for port in (self.cluster.port, self.object_port):
                self.assertEqual(self.status(line + b'\r\nHost: h\r\n\r\n', port), want, line[:60])

    def test_headers(self):
        for fields, want in ((b'Na me: x', 400), (b'Name : x', 400), (b': x', 400), (b'Name', 400), (b'A: b\r\n folded', 400),
                             (b'A: b\x00c', 400), (b'A: b\rc', 400), (b'A: ' + b'x' * 9000, 400),
                             (b'\r\n'.join(b'H%d: x' % i for i in range(300)), 431),
                             (b'Content-Length: 5\r\nContent-Length: 6', 400), (b'Content-Length: -1', 400),
                             (b'Content-Length: 1x', 400), (b'Content-Length: +1', 400), (b'Content-Length: 99999999999999999999', 400),
                             (b'Content-Length: 3\r\nTransfer-Encoding: chunked', 400),
                             (b'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 400)):
            for port in (self.cluster.port, self.object_port):
                got = self.status(b'PUT /v1/AUTH_test/c/bad HTTP/1.1\r\nHost: h\r\n' + fields + b'\r\n\r\n', port)
                self.assertEqual(got, want, fields[:60])

    def put(self, fields, body, name='bad'):
        return (b'PUT %s/c/%s HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %s\r\nConnection: close\r\n%s\r\n\r\n' % (
            self.account.encode(), name.encode(), self.token.encode(), fields)) + body

    def absent(self, name='bad'):
        self.assertEqual(self.cluster.request('GET', '/c/' + name).status, 404)
        self.assertNotIn(name.encode(), self.cluster.request('GET', '/c').body.split(b'\n'))

    def test_chunks(self):
        for body in (b'zz\r\nabc\r\n0\r\n\r\n', b'-1\r\nabc\r\n0\r\n\r\n', b'3 \nabc\r\n0\r\n\r\n', b'3\r\nabcd\r\n0\r\n\r\n',
                     b'ffffffffffffffffff\r\nabc', b'\r\n\r\n', b'3\nabc\n0\n\n'):
            answer = raw(self.cluster.port, self.put(b'Transfer-Encoding: chunked', body))
            self.assertTrue(answer.startswith(b'HTTP/1.1 400') or answer.startswith(b'HTTP/1.1 499'), (body, answer[:200]))
            self.absent()
        answer = raw(self.cluster.port, self.put(b'Transfer-Encoding: gzip, chunked', b'0\r\n\r\n'))
        self.assertTrue(answer.startswith(b'HTTP/1.1 501'), answer[:200])

    def test_short_bodies(self):
        """A body that ends early leaves no object, whatever its framing and size."""
        for fields, body in ((b'Content-Length: 100', b'x' * 50), (b'Content-Length: 1000000', b'x' * 500000),
                             (b'Transfer-Encoding: chunked', b'5\r\nhello\r\n'), (b'Transfer-Encoding: chunked', b'5\r\nhel')):
            with socket.create_connection(('127.0.0.1', self.cluster.port)) as s:
                s.sendall(self.put(fields, body, 'short'))
                s.shutdown(socket.SHUT_WR)
                s.settimeout(60)
                answer = s.recv(4096)
            self.assertFalse(answer.startswith(b'HTTP/1.1 2'), answer[:100])
            self.absent('short')
        self.assertEqual(self.cluster.object_files(), {})

    def test_paths(self):
        c = self.cluster
        h = {'X-Auth-Token': self.token}
        for path, want in (('/v1/AUTH_test/c/%00', 412), ('/v1/AUTH_test/c/%ff', 412), ('/v1/AUTH_test/c/%ed%a0%80', 412),
                           ('/v1/AUTH_test//o', 412), ('/v1', 412), ('/v1/', 412), ('/v2/AUTH_test', 400), ('/', 404)):
            self.assertEqual(ask(c.port, 'GET', path, headers=h).status, want, path)

    def test_traversal(self):
        """Nothing outside a device folder can be named through the storage servers."""
        h = {'X-Timestamp': '1700000000.00000', 'Content-Type': 'x/y', 'Content-Length': '1'}
        for path in ('/../0/a/c/o', '/d11/../a/c/o', '/%2e%2e/0/a/c/o', '/d11/%2e%2e/a/c/o', '/..%2f..%2fetc/0/a/c/o',
                     '/./0/a/c/o', '/d11/x/a/c/o', '//0/a/c/o'):
            a = ask(self.object_port, 'PUT', path, b'x', h)
            self.assertIn(a.status, (400, 404, 412, 507), (path, a))
        a = ask(self.object_port, 'PUT', '/nodevice/0/a/c/o', b'x', h)
        self.assertEqual(a.status, 507)
        node = os.path.join(self.cluster.dir, 'srv', 'node1')
        self.assertEqual(sorted(os.listdir(node)), ['d11', 'd12'])

    def test_slow_and_silent_clients(self):
        """Connections that say nothing, or half a request, hold up nobody."""
        idle = [socket.create_connection(('127.0.0.1', self.cluster.port)) for _ in range(200)]
        for s in idle[:100]:
            s.sendall(b'GET / HT')
        began = time.monotonic()
        self.assertEqual(self.cluster.request('PUT', '/c/quick', b'x').status, 201)
        self.assertEqual(self.cluster.request('GET', '/c/quick').body, b'x')
        self.assertLess(time.monotonic() - began, 30)
        for s in idle:
            s.close()
        self.cluster.request('DELETE', '/c/quick')


class BadConfiguration(unittest.TestCase):
    """The daemon says which file and why, and its exit status is not 0."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='martlet-conf-')
        self.write('swift.conf', '[swift-hash]\nswift_hash_path_suffix = x\n')
        self.good = '[DEFAULT]\nswift_dir = %s\nbind_ip = 127.0.0.1\nbind_port = 0\nuser = root\ndevices = %s\n' \
                    'mount_check = false\n[pipeline:main]\npipeline = object-server\n[app:object-server]\n' \
                    'use = egg:swift#object\n' % (self.dir, self.dir)

    def tearDown(self):
        subprocess.run(['rm', '-rf', self.dir])

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, 'w' if isinstance(text, str) else 'wb') as f:
            f.write(text)
        return path

    def run_check(self, *args):
        return subprocess.run([os.path.join(BIN, 'martletd'), '-v', '--check', *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60)

    def refused(self, *words, text=None, conf='object-server.conf'):
        path = self.write(conf, text) if text is not None else os.path.join(self.dir, conf)
        p = self.run_check(path)
        self.assertNotEqual(p.returncode, 0, p.stdout)
        for w in words:
            self.assertIn(w, p.stdout)

    def test_good(self):
        p = self.run_check(self.write('object-server.conf', self.good))
        self.assertEqual(p.returncode, 0, p.stdout)

    def test_unknown_option_is_a_warning(self):
        p = self.run_check(self.write('object-server.conf', self.good + 'frobnicate = 7\n'))
        self.assertEqual(p.returncode, 0, p.stdout)
        self.assertIn('frobnicate', p.stdout)

    def test_wrong_values(self):
        for option, value in (('bind_port', 'many'), ('bind_port', '70000'), ('mount_check', 'perhaps'), ('log_level', 'LOUD'),
                              ('fallocate_reserve', 'all'), ('client_timeout', 'soon')):
            lines = [l for l in self.good.split('\n') if not l.startswith(option + ' ')]
            text = '\n'.join(lines).replace('[pipeline', '%s = %s\n[pipeline' % (option, value))
            self.refused('object-server.conf', option, value, text=text)

    def test_files(self):
        self.refused('object-server.conf')  # missing
        self.refused('object-server.conf', text='[DEFAULT\nx = 1\n')
        self.refused('object-server.conf', text='[DEFAULT]\nswift_dir = %s\n' % self.dir)  # no service in it
        os.unlink(os.path.join(self.dir, 'swift.conf'))
        self.refused('swift.conf', text=self.good)
        self.write('swift.conf', '[swift-hash]\n')
        self.refused('swift.conf', 'swift_hash_path_suffix', text=self.good)

    def test_policies(self):
        self.write('swift.conf', '[swift-hash]\nswift_hash_path_suffix = x\n[storage-policy:1]\nname = one\n')
        self.refused('swift.conf', 'storage-policy:0', text=self.good)

    def proxy(self, pipeline='proxy-server'):
        return '[DEFAULT]\nswift_dir = %s\nbind_ip = 127.0.0.1\nbind_port = 0\nuser = root\n[pipeline:main]\n' \
               'pipeline = %s\n[app:proxy-server]\nuse = egg:swift#proxy\n' % (self.dir, pipeline)

    def test_rings(self):
        self.refused('account.ring.gz', text=self.proxy(), conf='proxy-server.conf')
        for content in (b'', b'not a ring', b'\x1f\x8b' + b'\0' * 40):
            for kind in ('account', 'container', 'object'):
                self.write(kind + '.ring.gz', content)
            self.refused('account.ring.gz', text=self.proxy(), conf='proxy-server.conf')

    def test_unknown_middleware(self):
        for kind in ('account', 'container', 'object'):
            builder = os.path.join(self.dir, kind + '.builder')
            ring = [os.path.join(BIN, 'martlet-ring'), builder]
            subprocess.run(ring + ['create', '4', '1', '1'], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(ring + ['add', 'r1z1-127.0.0.1:6200/d1', '1'], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(ring + ['rebalance'], check=True, stdout=subprocess.DEVNULL)
        self.refused('proxy-server.conf', 'sprocket', text=self.proxy('catch_errors sprocket proxy-server'),
                     conf='proxy-server.conf')

    def test_port_in_use(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            s.listen()
            port = s.getsockname()[1]
            path = self.write('object-server.conf', self.good.replace('bind_port = 0', 'bind_port = %d' % port))
            p = subprocess.run([os.path.join(BIN, 'martletd'), '-v', path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, timeout=60)
            self.assertNotEqual(p.returncode, 0)
            self.assertIn(str(port), p.stdout)


if __name__ == '__main__':
    unittest.main()
