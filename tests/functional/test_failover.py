# SPDX-License-Identifier: Apache-2.0
"""Dead nodes, full devices and restarts: what was acknowledged is there, and requests go on."""
import hashlib
import http.client
import os
import random
import signal
import subprocess
import threading
import time
import unittest

from cluster import SEED, VARIANT, Cluster, ask

# The sanitizers make a gigabyte slow without making it a better test.
BIG = (1 << 30) if VARIANT == 'plain' else (64 << 20)
UPLOADS = 50


class Pattern:
    """A body of a given size made as it is read; its MD5 is known afterwards."""

    def __init__(self, size, seed):
        self.left, self.block = size, random.Random(seed).randbytes(1 << 20)
        self.md5 = hashlib.md5()

    def read(self, n=1 << 20):
        piece = self.block[:min(n, self.left, len(self.block))]
        self.left -= len(piece)
        self.md5.update(piece)
        return piece


class Failover(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.cluster.start()
        self.cluster.request('PUT', '/c')

    def tearDown(self):
        self.cluster.stop()
        reports = self.cluster.sanitizer_reports()
        self.cluster.close()
        self.assertFalse(reports, '\n'.join(reports))

    def put_big(self, name):
        token, account = self.cluster.login()
        body = Pattern(BIG, SEED)
        connection = http.client.HTTPConnection('127.0.0.1', self.cluster.port, timeout=300)
        connection.request('PUT', account + '/c/' + name, body, {'X-Auth-Token': token, 'Content-Length': str(BIG)})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 201, answer.read())
        self.assertEqual(answer.getheader('etag'), body.md5.hexdigest())
        connection.close()
        return body.md5.hexdigest()

    def test_node_killed_under_load(self):
        """One of four nodes dies by SIGKILL while a big download and 50 uploads run: all succeed, all reads back."""
        c = self.cluster
        want = self.put_big('big')
        token, account = c.login()
        results, problems = {}, []
        half_way, kill_now = threading.Event(), threading.Event()

        def download():
            try:
                md5, n = hashlib.md5(), 0
                connection = http.client.HTTPConnection('127.0.0.1', c.port, timeout=120)
                connection.request('GET', account + '/c/big', headers={'X-Auth-Token': token})
                answer = connection.getresponse()
                while True:
                    piece = answer.read(1 << 20)
                    if not piece:
                        break
                    md5.update(piece)
                    n += len(piece)
                    if n > BIG // 3:
                        half_way.set()
                        kill_now.wait(30)
                if (answer.status, n, md5.hexdigest()) != (200, BIG, want):
                    problems.append('download: %d, %d bytes, %s' % (answer.status, n, md5.hexdigest()))
            except Exception as e:  # every failure of a request is a failure of the test
                problems.append('download: %r' % e)
            finally:
                half_way.set()

        def upload(i):
            try:
                body = random.Random(SEED * 1000 + i).randbytes(1 + (i * 7919) % 300000)
                a = ask(c.port, 'PUT', '%s/c/up%d' % (account, i), body, {'X-Auth-Token': token}, timeout=120)
                if a.status != 201:
                    problems.append('upload %d: %r' % (i, a))
                results[i] = hashlib.md5(body).hexdigest()
            except Exception as e:
                problems.append('upload %d: %r' % (i, e))

        reader = threading.Thread(target=download)
        reader.start()
        self.assertTrue(half_way.wait(120))
        writers = [threading.Thread(target=upload, args=(i,)) for i in range(UPLOADS)]
        for i, w in enumerate(writers):
            w.start()
            if i == UPLOADS // 4:
                c.kill('node2')
                kill_now.set()
        for w in writers:
            w.join()
        reader.join()
        self.assertEqual(problems, [])
        self.assertEqual(len(results), UPLOADS)
        for back in (False, True):  # with the node dead, and with it back
            if back:
                c.start()
            for i, md5 in results.items():
                a = c.request('GET', '/c/up%d' % i, timeout=120)
                self.assertEqual((a.status, hashlib.md5(a.body).hexdigest()), (200, md5), i)

    def test_each_node_down_in_turn(self):
        c = self.cluster
        for i in range(20):
            self.assertEqual(c.request('PUT', '/c/o%d' % i, b'%d' % i).status, 201)
        for node in ('node1', 'node2', 'node3', 'node4'):
            c.kill(node)
            for i in range(20):
                a = c.request('GET', '/c/o%d' % i)
                self.assertEqual((a.status, a.body), (200, b'%d' % i), node)
            self.assertEqual(c.request('PUT', '/c/on-' + node, b'x').status, 201)
            self.assertEqual(c.request('DELETE', '/c/on-' + node).status, 204)
            self.assertEqual(c.request('GET', '/c/on-' + node).status, 404)
            c.start()

    def test_hanging_node(self):
        """A node that accepts and says nothing (SIGSTOP) costs time, not requests."""
        c = self.cluster
        pid = c.pid('node3')
        os.kill(pid, signal.SIGSTOP)
        try:
            for i in range(5):
                self.assertEqual(c.request('PUT', '/c/h%d' % i, b'hang', timeout=120).status, 201)
                self.assertEqual(c.request('GET', '/c/h%d' % i, timeout=120).body, b'hang')
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_graceful_stop(self):
        """SIGTERM lets a download in flight end; SIGHUP puts a new process on the same port and drops nothing."""
        c = self.cluster
        body = random.Random(SEED).randbytes(8 << 20)
        self.assertEqual(c.request('PUT', '/c/o', body).status, 201)
        token, account = c.login()
        connection = http.client.HTTPConnection('127.0.0.1', c.port, timeout=60)
        connection.request('GET', account + '/c/o', headers={'X-Auth-Token': token})
        answer = connection.getresponse()
        first = answer.read(1000)
        old = c.pid('proxy')
        stop, failures, served = threading.Event(), [], [0]

        def load():
            while not stop.is_set():
                try:
                    a = ask(c.port, 'GET', '/healthcheck')
                    if a.status != 200:
                        failures.append(a)
                    served[0] += 1
                except OSError as e:
                    failures.append(e)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        os.kill(old, signal.SIGHUP)
        deadline = time.monotonic() + 60
        while c.pid('proxy') == old:
            self.assertLess(time.monotonic(), deadline, 'no new process after SIGHUP:\n' + c.log('proxy')[-2000:])
            time.sleep(0.05)
        time.sleep(1)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        self.assertGreater(served[0], 10)
        self.assertEqual(first + answer.read(), body)  # the old process ended this one
        connection.close()
        c._login = None  # tokens live in the process, as there is no memcached here
        self.assertEqual(c.request('GET', '/c/o').status, 200)
        connection = http.client.HTTPConnection('127.0.0.1', c.port, timeout=60)
        connection.request('GET', account + '/c/o', headers={'X-Auth-Token': c.login()[0]})
        answer = connection.getresponse()
        first = answer.read(1000)
        os.kill(c.pid('proxy'), signal.SIGTERM)
        self.assertEqual(first + answer.read(), body)


class FullDevice(unittest.TestCase):
    """A device without space answers 507; the data goes to others."""

    def test_full(self):
        c = Cluster()
        mounts = []
        try:
            c.start()
            c.stop()
            for d in ('node1/d11', 'node1/d12'):
                path = os.path.join(c.dir, 'srv', d)
                subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'martlet-test', path], check=True)
                mounts.append(path)
                with open(os.path.join(path, 'filler'), 'wb') as f:
                    f.write(b'x' * 900000)
            c.start()
            self.assertEqual(c.request('PUT', '/c').status, 201)
            body = random.Random(SEED).randbytes(300000)
            for i in range(40):
                a = c.request('PUT', '/c/o%d' % i, body)
                self.assertEqual(a.status, 201, (i, a))
            for i in range(40):
                self.assertEqual(c.request('GET', '/c/o%d' % i).body, body)
            files = c.object_files()
            self.assertEqual(len(files), 40)
            for paths in files.values():
                self.assertEqual(len(paths), 3, paths)
                self.assertFalse([p for p in paths if '/srv/node1/' in p])
                for p in paths:
                    self.assertEqual(os.path.getsize(p), len(body), p)
            self.assertIn(' 507 ', c.log('node1'))
        finally:
            c.stop()
            reports = c.sanitizer_reports()
            for path in mounts:
                subprocess.run(['umount', path], check=True)
            c.close()
        self.assertFalse(reports, '\n'.join(reports))


if __name__ == '__main__':
    unittest.main()
