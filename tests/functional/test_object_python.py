#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The object server beside Python Swift on one disk: each reads, hashes and cleans up what the other wrote.

Also on its own: test_object_python.py [unittest arguments], with MARTLET_BIN naming the folder of the program.
"""
import getpass
import glob
import hashlib
import http.client
import json
import logging
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('MARTLET_BIN', os.path.join(TOP, 'build', 'bin'))
SEED = int(os.environ.get('TEST_SEED', '1'))
DIR = tempfile.mkdtemp(prefix='martlet object ')
SWIFT_CONF = '''[swift-hash]
swift_hash_path_prefix = prefix
swift_hash_path_suffix = suffix
[storage-policy:0]
name = gold
default = yes
[storage-policy:1]
name = silver
'''
with open(os.path.join(DIR, 'swift.conf'), 'w') as conf:
    conf.write(SWIFT_CONF)
try:
    from swift.common import utils
    utils.SWIFT_CONF_FILE = os.path.join(DIR, 'swift.conf')
    utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'prefix', b'suffix'
    from swift.common import storage_policy
    storage_policy.reload_storage_policies()
    from swift.common.storage_policy import POLICIES
    from swift.common.exceptions import DiskFileDeleted, DiskFileNotExist
    from swift.common.utils import Timestamp, hash_path, encode_timestamps
    from swift.obj import diskfile
except ImportError:
    raise unittest.SkipTest('Python Swift is not installed')

LOG = logging.getLogger('test')
LOG.increment = LOG.update_stats = LOG.timing = LOG.transfer_rate = lambda *a, **k: None
LOG.addHandler(logging.NullHandler())
LOG.propagate = False
logging.disable(logging.CRITICAL)


def tearDownModule():
    shutil.rmtree(DIR)


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class ObjectCase(unittest.TestCase):
    """One martletd with devices sda and sdb; a diskfile manager of upstream's on the same folder."""

    @classmethod
    def setUpClass(cls):
        cls.srv = os.path.join(DIR, 'srv ' + cls.__name__)
        for device in ('sda', 'sdb'):
            os.makedirs(os.path.join(cls.srv, device))
        cls.port = free_port()
        path = os.path.join(DIR, 'object-%s.conf' % cls.__name__)
        with open(path, 'w') as f:
            f.write('[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = %d\nswift_dir = %s\ndevices = %s\nmount_check = false\n'
                    'fallocate_reserve = 0\nuser = %s\n[pipeline:main]\npipeline = object-server\n'
                    '[app:object-server]\nuse = egg:swift#object\n' % (cls.port, DIR, cls.srv, getpass.getuser()))
        cls.log = open(os.path.join(DIR, cls.__name__ + '.log'), 'w+b')
        cls.server = subprocess.Popen([os.path.join(BIN, 'martletd'), '-v', path], stdout=cls.log, stderr=cls.log)
        for _ in range(200):
            try:
                if cls.ask('OPTIONS', '/').status:
                    break
            except OSError:
                time.sleep(0.05)
        cls.conf = {'devices': cls.srv, 'mount_check': 'false'}
        cls.managers = diskfile.DiskFileRouter(cls.conf, LOG)
        utils.FALLOCATE_RESERVE = 0

    @classmethod
    def tearDownClass(cls):
        cls.server.send_signal(signal.SIGTERM)
        status = cls.server.wait(30)
        cls.log.seek(0)
        text = cls.log.read().decode(errors='replace')
        if status or 'Sanitizer' in text:
            raise AssertionError('martletd: status %d\n%s' % (status, text[-5000:]))

    @classmethod
    def ask(cls, method, path, body=None, headers=None):
        c = http.client.HTTPConnection('127.0.0.1', cls.port, timeout=30)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            r.body = r.read()
            return r
        finally:
            c.close()

    def put(self, name, body, time_, headers=(), device='sda', policy=0):
        fields = {'X-Timestamp': time_, 'Content-Type': 'text/plain', 'X-Backend-Storage-Policy-Index': str(policy)}
        fields.update(headers)
        r = self.ask('PUT', utils.quote('/%s/7/a/c/%s' % (device, name)), body, fields)
        self.assertEqual(r.status, 201, r.body)
        self.assertEqual(r.headers['Etag'], '"%s"' % hashlib.md5(body).hexdigest())

    def get(self, name, device='sda', headers=None, method='GET'):
        return self.ask(method, utils.quote('/%s/7/a/c/%s' % (device, name)), None, headers or {})

    def disk_file(self, name, device='sda', policy=0, **kwargs):
        return self.managers[policy].get_diskfile(device, '7', 'a', 'c', name, POLICIES[policy], **kwargs)

    def hash_dir(self, name, device='sda', policy=0):
        h = hash_path('a', 'c', name)
        return os.path.join(self.srv, device, diskfile.get_data_dir(policy), '7', h[-3:], h)


# A header as the wire has it, as Python's servers hold it.
def wire(text):
    return text.encode().decode('latin1')


class TestPythonReadsOurs(ObjectCase):
    def test_metadata_and_content(self):
        rnd = random.Random(SEED)
        for i, (name, size) in enumerate([('o', 5), ('empty', 0), ('sm\u00f6rg\u00e5s/\u20ac', 70000), ('large', 3000001),
                                          ("it's", 65536), ('chunk', 262144)]):
            body = rnd.randbytes(size)
            headers = {'X-Object-Meta-foo2bar': wire('gr\u00fc\u00df \u20ac'), 'X-Object-Meta-UP_low': 'x', "X-Object-Meta-It's": '',
                       'X-Object-Sysmeta-Key': 'sys', 'X-Object-Transient-Sysmeta-T': 't', 'Content-Disposition': 'a',
                       'X-Delete-At': '4000000000', 'X-Unknown': 'no'}
            stamp = '17000000%02d.12345' % i
            self.put(name, body, stamp, headers, policy=i % 2)
            f = self.disk_file(name, policy=i % 2)
            with f.open():
                meta = f.get_metadata()
                got = b''.join(f.reader())  # checks size and MD5, quarantines what differs
            self.assertIsNone(f._quarantined_dir)
            self.assertEqual(got, body)
            self.assertEqual(meta, {
                'name': '/a/c/' + name, 'X-Timestamp': stamp, 'Content-Type': 'text/plain', 'Content-Length': str(size),
                'ETag': hashlib.md5(body).hexdigest(), 'X-Object-Meta-Foo2Bar': wire('gr\u00fc\u00df \u20ac'),
                'X-Object-Meta-Up-Low': 'x', "X-Object-Meta-It'S": '', 'X-Object-Sysmeta-Key': 'sys',
                'X-Object-Transient-Sysmeta-T': 't', 'Content-Disposition': 'a', 'X-Delete-At': '4000000000'})
            self.assertEqual(os.listdir(self.hash_dir(name, policy=i % 2)), [stamp + '.data'])

    def test_post(self):
        self.put('post', b'x', '1700000000', {'X-Object-Meta-A': '1', 'X-Object-Sysmeta-S': 's'})
        r = self.ask('POST', '/sda/7/a/c/post', None, {'X-Timestamp': '1700000010', 'X-Object-Meta-B': wire('\u00e9'),
                                                       'Content-Type': 'image/png', 'Content-Type-Timestamp': '1700000009'})
        self.assertEqual(r.status, 202)
        f = self.disk_file('post')
        meta = f.read_metadata()
        self.assertEqual(meta['Content-Type'], 'image/png')
        self.assertEqual(meta['X-Object-Meta-B'], wire('\u00e9'))
        self.assertEqual(meta['X-Object-Sysmeta-S'], 's')
        self.assertNotIn('X-Object-Meta-A', meta)
        self.assertEqual(f.content_type_timestamp, Timestamp('1700000009'))
        self.assertEqual(sorted(os.listdir(self.hash_dir('post'))), ['1700000000.00000.data', '1700000010.00000-186a0.meta'])

    def test_tombstone(self):
        now = Timestamp.now()
        self.put('gone', b'x', Timestamp(float(now) - 1).internal)
        r = self.ask('DELETE', '/sda/7/a/c/gone', None, {'X-Timestamp': now.internal})
        self.assertEqual(r.status, 204)
        with self.assertRaises(DiskFileDeleted) as caught:
            self.disk_file('gone').open()
        self.assertEqual(caught.exception.timestamp, now)
        self.assertEqual(caught.exception.metadata, {'X-Timestamp': now.internal, 'name': '/a/c/gone'})

    def test_object_info(self):
        self.put('info', b'hello', '1700000000', {'X-Object-Meta-Colour': 'blue'})
        path = glob.glob(os.path.join(glob.escape(self.hash_dir('info')), '*.data'))[0]
        out = subprocess.run([sys.executable, os.path.join(TOP, 'tests', 'lib', 'run-swift'), 'swift-object-info', path],
                             env=dict(os.environ, SWIFT_DIR=DIR), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = out.stdout.decode()
        self.assertIn('ETag: 5d41402abc4b2a76b9719d911017c592 (valid)', text)
        self.assertIn('Content-Length: 5 (valid)', text)
        self.assertIn('Colour: blue', text)

    def test_async_pending(self):
        self.put('sp\u00e4t', b'x', '1700000000', {
            'X-Container-Host': '127.0.0.1:1', 'X-Container-Device': 'sdq', 'X-Container-Partition': '3', 'X-Trans-Id': 'tx7',
            'Content-Type': wire('text/\u00fc'), 'X-Backend-Quoted-Container-Path': '.shards_a/c-%C3%A4'})
        h = hash_path('a', 'c', 'sp\u00e4t')
        path = os.path.join(self.srv, 'sda', 'async_pending', h[-3:], h + '-1700000000.00000')
        with open(path, 'rb') as f:
            update = pickle.load(f)
        headers = update.pop('headers')
        self.assertEqual(update, {'op': 'PUT', 'account': 'a', 'container': 'c', 'obj': 'sp\u00e4t',
                                  'container_path': '.shards_a/c-\u00e4'})
        self.assertRegex(headers.pop('User-Agent'), r'^object-server \d+$')
        self.assertRegex(headers.pop('Referer'), r'^PUT http://127.0.0.1:\d+/sda/7/a/c/sp%C3%A4t$')
        self.assertEqual(headers, {
            'X-Size': '1', 'X-Etag': hashlib.md5(b'x').hexdigest(), 'X-Content-Type': wire('text/\u00fc'),
            'X-Timestamp': '1700000000.00000', 'X-Trans-Id': 'tx7', 'X-Backend-Storage-Policy-Index': '0'})


class TestWeReadPythons(ObjectCase):
    def write(self, name, body, stamp, headers=(), policy=0):
        f = self.disk_file(name, policy=policy)
        meta = {'X-Timestamp': Timestamp(stamp).internal, 'Content-Type': 'text/plain', 'Content-Length': str(len(body)),
                'ETag': hashlib.md5(body).hexdigest()}
        meta.update(headers)
        with f.create() as w:
            w.write(body)
            w.put(meta)
            w.commit(Timestamp(stamp))
        return f

    def test_objects(self):
        rnd = random.Random(SEED)
        many = {'X-Object-Meta-%d' % i: 'v%d' % i for i in range(45)}
        for i, (name, size) in enumerate([('o', 5), ('empty', 0), ('sm\u00f6rg\u00e5s/\u20ac', 100), ('large', 2000000)]):
            body = rnd.randbytes(size)
            headers = {'X-Object-Meta-E': wire('gr\u00fc\u00df \u20ac'), 'X-Object-Sysmeta-S': 's', 'X-Object-Meta-Empty': ''}
            headers.update(many if i == 0 else {})
            self.write(name, body, 1700000000.12345, headers)
            for method in ('GET', 'HEAD'):
                r = self.get(name, method=method)
                self.assertEqual(r.status, 200)
                self.assertEqual(r.headers['Content-Length'], str(size))
                self.assertEqual(r.headers['Etag'], '"%s"' % hashlib.md5(body).hexdigest())
                self.assertEqual(r.headers['X-Backend-Timestamp'], '1700000000.12345')
                for k, v in headers.items():
                    self.assertEqual(r.headers[k], v)
            self.assertEqual(self.get(name).body, body)

    def test_post_metadata(self):
        f = self.write('post', b'x', 1700000000, {'X-Object-Sysmeta-S': 's', 'X-Object-Meta-A': 'old'})
        f.write_metadata({'X-Timestamp': '1700000010.00000', 'X-Object-Meta-B': wire('\u00e9'), 'Content-Type': 'image/png',
                          'Content-Type-Timestamp': '1700000005.00000'})
        f.write_metadata({'X-Timestamp': '1700000012.00000', 'X-Object-Meta-B': 'newest', 'Content-Type': 'image/gif',
                          'Content-Type-Timestamp': '1700000004.00000'})
        r = self.get('post')
        self.assertEqual(r.headers['Content-Type'], 'image/png')
        self.assertEqual(r.headers['X-Object-Meta-B'], 'newest')
        self.assertEqual(r.headers['X-Object-Sysmeta-S'], 's')
        self.assertIsNone(r.headers['X-Object-Meta-A'])
        self.assertEqual(r.headers['X-Timestamp'], '1700000012.00000')

    def test_tombstone(self):
        now = Timestamp.now()
        f = self.write('gone', b'x', float(now) - 10)
        f.delete(now)
        r = self.get('gone')
        self.assertEqual(r.status, 404)
        self.assertEqual(r.headers['X-Backend-Timestamp'], now.internal)

    def test_old_formats(self):
        f = self.write('py2', b'x', 1700000000)
        path = glob.glob(os.path.join(glob.escape(f._datadir), '*.data'))[0]
        # What Python 2 wrote: byte strings, and no checksum in its early days.
        name = 'X-Object-Meta-E', 'gr\u00fc\u00df'
        items = [(k.encode(), v.encode()) for k, v in diskfile.read_metadata(path).items()] + [(name[0].encode(), name[1].encode())]
        old = b'\x80\x02}(' + b''.join(b'U' + bytes([len(s)]) + s for pair in items for s in pair) + b'u.'
        os.setxattr(path, 'user.swift.metadata', old)
        os.removexattr(path, 'user.swift.metadata_checksum')
        r = self.get('py2')
        self.assertEqual(r.status, 200)
        self.assertEqual(r.headers[name[0]], wire(name[1]))


class TestSameDecisions(ObjectCase):
    """Random folders in two copies: REPLICATE here, upstream's get_hashes there; digests and files left must agree."""

    def random_names(self, rnd):
        stamps = [Timestamp(1700000000 + rnd.randrange(6), offset=rnd.choice((0, 0, 0, 1, 31))) for _ in range(4)]
        stamps += [Timestamp.now(), Timestamp(float(Timestamp.now()) - 5)]
        names = set()
        for _ in range(rnd.randrange(1, 7)):
            t, kind = rnd.choice(stamps), rnd.randrange(12)
            if kind < 4:
                names.add(t.internal + '.data')
            elif kind < 6:
                names.add(t.internal + '.ts')
            elif kind < 8:
                names.add(t.internal + '.meta')
            elif kind < 11:
                names.add(encode_timestamps(t, rnd.choice(stamps), explicit=True) + '.meta')
            else:
                names.add(rnd.choice(['junk', t.internal + '.foo', '.%s.data.abc123' % t.internal, '%s#1.data' % t.internal, t.short]))
        return sorted(names)

    def tree(self, device):
        top = os.path.join(self.srv, device, 'objects')
        return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, files in os.walk(top) for f in files
                      if not f.startswith(('.lock', 'hashes.')))

    def test_random_folders(self):
        rnd = random.Random(SEED)
        for _ in range(400):
            h = '%029x%s' % (rnd.getrandbits(116), rnd.choice(['abc', 'abd', '001', 'fff', '%03x' % rnd.randrange(4096)]))
            for device in ('sda', 'sdb'):
                os.makedirs(os.path.join(self.srv, device, 'objects', '7', h[-3:], h), exist_ok=True)
            for name in self.random_names(rnd):
                for device in ('sda', 'sdb'):
                    open(os.path.join(self.srv, device, 'objects', '7', h[-3:], h, name), 'w').close()
        before = self.tree('sda')
        ours = pickle.loads(self.ask('REPLICATE', '/sda/7').body)
        theirs = self.managers[0].get_hashes('sdb', '7', [], POLICIES[0])
        self.assertEqual(ours, theirs)
        self.assertGreater(len(ours), 50)
        self.assertEqual(self.tree('sda'), self.tree('sdb'))
        self.assertLess(len(self.tree('sda')), len(before))
        # hashes.pkl of one is read by the other
        self.assertEqual(self.managers[0].get_hashes('sda', '7', [], POLICIES[0]), ours)
        self.assertEqual(diskfile.read_hashes(os.path.join(self.srv, 'sda', 'objects', '7'))['valid'], True)
        self.assertEqual(pickle.loads(self.ask('REPLICATE', '/sdb/7').body), theirs)
        # and so are invalidations
        suffix = sorted(ours)[0]
        victim = glob.glob(os.path.join(glob.escape(self.srv), 'sda', 'objects', '7', suffix, '*'))[0]
        shutil.rmtree(victim)
        diskfile.invalidate_hash(os.path.dirname(victim))
        changed = pickle.loads(self.ask('REPLICATE', '/sda/7').body)
        self.assertNotEqual(changed.get(suffix), ours[suffix])
        self.assertEqual({k: v for k, v in changed.items() if k != suffix}, {k: v for k, v in ours.items() if k != suffix})
        self.assertIsNone(pickle.loads(self.ask('REPLICATE', '/sdb/7/%s-abc' % suffix).body))
        hashes = diskfile.consolidate_hashes(os.path.join(self.srv, 'sdb', 'objects', '7'))
        self.assertIsNone(hashes[suffix])
        self.assertIsNone(hashes['abc'])

    def test_put_invalidates(self):
        self.put('here', b'x', '1700000000', device='sda', policy=1)
        with open(os.path.join(self.srv, 'sda', 'objects-1', '7', 'hashes.invalid')) as f:
            self.assertEqual(f.read(), hash_path('a', 'c', 'here')[-3:] + '\n')


RECORDER = '''
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        skip = ('host', 'user-agent', 'referer', 'accept-encoding', 'content-length', 'connection')
        fields = sorted((k.lower(), v) for k, v in self.headers.items() if k.lower() not in skip)
        with open(sys.argv[1], 'a') as f:
            f.write(json.dumps([self.command, self.path, fields]) + '\\n')
        self.send_response(201)
        self.send_header('Content-Length', '0')
        self.end_headers()

    do_PUT = do_DELETE = answer

    def log_message(self, *args):
        pass

http.server.HTTPServer.request_queue_size = 64
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
'''


class Recorder:
    """A container server that says 201 to everything and remembers it: a process of its own, beside eventlet."""

    def __init__(self, name):
        self.path = os.path.join(DIR, name)
        open(self.path, 'w').close()
        self.process = subprocess.Popen([sys.executable, '-c', RECORDER, self.path], stdout=subprocess.PIPE)
        self.server_port = int(self.process.stdout.readline())
        self.offset = 0

    def take(self):
        with open(self.path) as f:
            f.seek(self.offset)
            seen = [json.loads(line) for line in f]
            self.offset = f.seek(0, os.SEEK_END)
        return sorted(seen)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def headers(self):
        host = '127.0.0.1:%d' % self.server_port
        return {'X-Container-Host': host + ',' + host, 'X-Container-Device': 'sda,sdb', 'X-Container-Partition': '9',
                'X-Trans-Id': 'tx1'}

    def expirer_headers(self):
        host = '127.0.0.1:%d' % self.server_port
        return {'X-Delete-At-Host': host, 'X-Delete-At-Device': 'sdx', 'X-Delete-At-Partition': '4',
                'X-Delete-At-Container': '1700006385'}


class TestSameAnswers(ObjectCase):
    """The same requests, random and in order, to both servers; then the same files on disk."""

    SHOWN = ('etag', 'content-type', 'last-modified', 'content-range', 'x-timestamp', 'x-delete-at', 'content-encoding')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.recorders = Recorder('seen by ours'), Recorder('seen by theirs')
        cls.other_srv = os.path.join(DIR, 'srv python')
        os.makedirs(os.path.join(cls.other_srv, 'sda'))
        cls.other_port = free_port()
        path = os.path.join(DIR, 'python.conf')
        with open(path, 'w') as f:
            f.write('[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = %d\nswift_dir = %s\ndevices = %s\nmount_check = false\n'
                    'fallocate_reserve = 0\nuser = %s\nworkers = 0\nlog_address = /nowhere\n[pipeline:main]\n'
                    'pipeline = object-server\n[app:object-server]\nuse = egg:swift#object\n'
                    % (cls.other_port, DIR, cls.other_srv, getpass.getuser()))
        cls.other_log = open(os.path.join(DIR, 'python.log'), 'wb')
        cls.other = subprocess.Popen(
            [sys.executable, os.path.join(TOP, 'tests', 'lib', 'run-swift'), 'swift-object-server', path],
            env=dict(os.environ, SWIFT_DIR=DIR), stdout=cls.other_log, stderr=cls.other_log)
        for _ in range(400):
            try:
                if cls.ask_at(cls.other_port, 'OPTIONS', '/'):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError('swift-object-server does not answer: ' + open(cls.other_log.name).read()[-3000:])

    @classmethod
    def tearDownClass(cls):
        for recorder in cls.recorders:
            recorder.stop()
        cls.other.kill()
        cls.other.wait()
        super().tearDownClass()

    @classmethod
    def ask_at(cls, port, method, path, body=None, headers=None):
        c = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return r, r.read()
        finally:
            c.close()

    def summary(self, method, answer):
        r, body = answer
        fields = {k.lower(): v for k, v in r.getheaders()}
        shown = {k: v for k, v in fields.items() if k.startswith(('x-backend-', 'x-object-'))}
        if r.status in (200, 206, 304, 412, 416) and method in ('GET', 'HEAD'):
            shown.update((k, fields[k]) for k in self.SHOWN if k in fields)
            if r.status in (412, 416):
                shown.pop('content-type', None)  # of the error page
            if 'multipart' in shown.get('content-type', ''):
                boundary = shown['content-type'].split('boundary=')[1]
                body = body.replace(boundary.encode(), b'BOUNDARY')
                shown['content-type'] = shown['content-type'].replace(boundary, 'BOUNDARY')
        if method == 'REPLICATE' and r.status == 200:
            return r.status, pickle.loads(body)
        return r.status, shown, body if r.status in (200, 206) else b'', \
            fields.get('content-length') if r.status in (200, 206, 304) else None

    def both(self, method, path, body, headers):
        ours = self.summary(method, self.ask_at(self.port, method, path, body, headers))
        theirs = self.summary(method, self.ask_at(self.other_port, method, path, body, headers))
        self.assertEqual(ours, theirs, (method, path, headers))
        return ours

    def both_with_updates(self, rnd, method, path, body, headers):
        """The same, and the container servers hear the same."""
        answers = []
        mute, expirer, shard = rnd.random() < .1, rnd.random() < .7, rnd.random() < .1
        for port, recorder in ((self.port, self.recorders[0]), (self.other_port, self.recorders[1])):
            all_headers = dict(headers)
            if method in ('PUT', 'POST', 'DELETE') and not mute:
                all_headers.update(recorder.headers())
                if expirer and method != 'DELETE':
                    all_headers.update(recorder.expirer_headers())
                if shard:
                    all_headers['X-Backend-Quoted-Container-Path'] = '.shards_a/c-%C3%A4'
            answers.append((self.summary(method, self.ask_at(port, method, path, body, all_headers)), recorder.take()))
        if answers[0] != answers[1]:
            with open(self.log.name, errors='replace') as log:
                self.maxDiff = None
                self.assertEqual(answers[0], answers[1], (method, path, headers, log.read()[-2000:]))
        return answers[0][0]

    def pendings(self, srv):
        found = {}
        for folder, _, names in os.walk(os.path.join(srv, 'sda')):
            for name in names if 'async_pending' in folder else ():
                path = os.path.join(folder, name)
                with open(path, 'rb') as f:
                    update = pickle.load(f)
                update['headers'] = {k: str(v) for k, v in update['headers'].items() if k not in ('User-Agent', 'Referer')}
                found[os.path.relpath(path, srv)] = update
        return found

    def files(self, srv):
        """Every object file with its metadata and bytes."""
        found = {}
        for top in ('objects', 'objects-1'):
            for folder, _, names in os.walk(os.path.join(srv, 'sda', top)):
                for name in names:
                    if name.startswith(('.lock', 'hashes.')):
                        continue
                    path = os.path.join(folder, name)
                    with open(path, 'rb') as f:
                        found[os.path.relpath(path, srv)] = diskfile.read_metadata(path), f.read()
        return found

    def random_request(self, rnd, base):
        def stamp():
            return Timestamp(base + rnd.randrange(40) / 2, offset=rnd.choice((0, 0, 0, 0, 1))).internal
        method = rnd.choice(['PUT', 'PUT', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'DELETE', 'REPLICATE'])
        path = '/sda/%d/a/c/%s' % (rnd.randrange(2), rnd.choice(['o', 'p', 'q%20r', '%C3%A4/b']))
        headers = {'X-Backend-Storage-Policy-Index': rnd.choice('0001')}
        body = None
        if method == 'REPLICATE':
            return method, '/sda/%d' % rnd.randrange(3), None, headers
        if method not in ('GET', 'HEAD') or rnd.random() < .2:
            headers['X-Timestamp'] = stamp()
        if method in ('PUT', 'POST'):
            if method == 'PUT' or rnd.random() < .3:
                headers['Content-Type'] = rnd.choice(['text/plain', 'image/png', 'a/b;swift_bytes=7'])
            if method == 'POST' and rnd.random() < .2:
                headers['Content-Type-Timestamp'] = min(Timestamp(stamp()), Timestamp(headers['X-Timestamp'])).internal
            for k in ('X-Object-Meta-A', 'x-object-meta-b_c', 'X-Object-Sysmeta-Container-Update-Override-Etag',
                      'X-Backend-Container-Update-Override-Size', 'X-Backend-Clean-Expiring-Object-Queue', 'X-Object-Sysmeta-S', 'X-Object-Transient-Sysmeta-T',
                      'Content-Encoding', 'X-Static-Large-Object', 'X-Robots-Tag', 'X-Other'):
                if rnd.random() < .25:
                    headers[k] = rnd.choice(['1', 'two words', wire('\u00e9'), ''])
            if rnd.random() < .2:
                headers['X-Delete-At'] = str(base + rnd.choice([5, 100, 10 ** 8]))
        if method == 'PUT':
            body = rnd.randbytes(rnd.choice([0, 1, 10, 1000, 70000, 300000]))
            if rnd.random() < .15:
                headers['If-None-Match'] = rnd.choice(['*', '"x"', hashlib.md5(b'').hexdigest()])
            if rnd.random() < .15:
                headers['ETag'] = rnd.choice(['"%s"', '%s']) % hashlib.md5(rnd.choice([body, b'other'])).hexdigest()
        if method == 'GET' and rnd.random() < .4:
            headers['Range'] = rnd.choice(['bytes=0-0', 'bytes=-5', 'bytes=5-', 'bytes=999999999-', 'bytes=0-3,5-8', 'bytes=x',
                                           'bytes=3-2', 'bytes=0-0,0-0,0-0', 'bytes=-0', 'bytes=0-9,999999-'])
        if method in ('GET', 'HEAD') and rnd.random() < .3:
            name, value = rnd.choice([
                ('If-None-Match', '*'), ('If-Match', '*'), ('If-Match', '"x"'), ('If-None-Match', '"%s"' % hashlib.md5(b'').hexdigest()),
                ('If-Modified-Since', 'Tue, 14 Nov 2023 22:13:20 GMT'), ('If-Unmodified-Since', 'Tue, 14 Nov 2033 22:13:20 GMT'),
                ('If-Modified-Since', 'Tue, 14 Nov 2033 22:13:20 GMT'), ('If-Unmodified-Since', 'Tue, 14 Nov 2023 22:13:20 GMT'),
                ('X-Backend-Etag-Is-At', 'X-Object-Sysmeta-S'), ('X-Backend-Replication', 'true'),
                ('X-Backend-Ignore-Range-If-Metadata-Present', 'X-Object-Meta-A')])
            headers[name] = value
        if method == 'DELETE' and rnd.random() < .3:
            headers['X-If-Delete-At'] = str(base + rnd.choice([5, 100]))
        return method, path, body, headers

    def test_random_requests(self):
        rnd = random.Random(SEED)
        base = int(time.time()) - 60
        seen = {}
        for _ in range(1500):
            status = self.both_with_updates(rnd, *self.random_request(rnd, base))[0]
            seen[status] = seen.get(status, 0) + 1
        for status in (200, 201, 202, 204, 206, 304, 404, 409, 412, 416, 422):
            self.assertGreater(seen.get(status, 0), 0, seen)
        ours, theirs = self.files(self.srv), self.files(self.other_srv)
        self.assertEqual(sorted(ours), sorted(theirs))
        for path in ours:
            self.assertEqual(ours[path], theirs[path], path)
        ours = self.pendings(self.srv)
        self.assertGreater(len(ours), 0)
        self.assertEqual(ours, self.pendings(self.other_srv))

    def test_odd_requests(self):
        now = Timestamp.now().internal
        t = {'X-Timestamp': now}
        typed = dict(t, **{'Content-Type': 'a/b'})
        for method, path, body, headers in [
                ('GET', '/sda/0/a/c', None, {}), ('GET', '/sda/0/a/c/%ff', None, {}),
                ('GET', '/sdz/0/a/c/o', None, {}), ('PUT', '/sdz/0/a/c/o', b'x', typed), ('PUT', '/sda/0/a/c/o', b'x', t),
                ('POST', '/sda/0/a/c/none', None, {}), ('DELETE', '/sda/0/a/c/none', None, {}), ('BREW', '/sda/0/a/c/o', None, {}),
                ('PUT', '/sda/0/a/c/o', b'x', {'Content-Type': 'a/b'}), ('PUT', '/sda/0/a/c/o', b'x', dict(typed, **{'X-Timestamp': 'x'})),
                ('PUT', '/sda/0/a/c/o', b'x', dict(typed, **{'X-Delete-At': 'x'})),
                ('PUT', '/sda/0/a/c/o', b'x', dict(typed, **{'X-Delete-At': '10'})),
                ('PUT', '/sda/0/a/c/o', b'x', dict(typed, **{'X-Object-Meta-': '10'})),
                ('PUT', '/sda/0/a/c/o', b'x', dict(typed, **{'X-Object-Meta-A': 'v' * 257})),
                ('PUT', '/sda/0/a/c/' + 'n' * 1025, b'x', typed),
                ('POST', '/sda/0/a/c/none', None, dict(t, **{'X-Delete-At': '10'})),
                ('DELETE', '/sda/0/a/c/none', None, dict(t, **{'X-If-Delete-At': 'x'})),
                ('GET', '/sda/0/a/c/none', None, {'If-Match': '*'}), ('GET', '/sda/0/a/c/none', None, {'X-Timestamp': 'x'}),
                ('GET', '/sda/0/a/c/o', None, {'X-Backend-Storage-Policy-Index': '9'}),
                ('REPLICATE', '/sda/0/abc-xyz', None, {}), ('REPLICATE', '/sdz/0', None, {}), ('OPTIONS', '/sda/0/a/c/o', None, {}),
                ('GET', '/sda/0/a/c/%00o', None, {}), ('GET', '/sda/0/a/%00c/o', None, {}), ('PUT', '/sda/0/a/%00c/%00o', b'x', typed)]:
            self.both(method, path, body, headers)


class TestQuarantine(ObjectCase):
    def test_damaged(self):
        self.put('bad', b'hello', '1700000000')
        path = glob.glob(os.path.join(glob.escape(self.hash_dir('bad')), '*.data'))[0]
        os.setxattr(path, 'user.swift.metadata_checksum', b'0' * 32)
        self.assertEqual(self.get('bad').status, 404)
        self.assertTrue(os.path.isdir(os.path.join(self.srv, 'sda', 'quarantined', 'objects', hash_path('a', 'c', 'bad'))))
        with self.assertRaises(DiskFileNotExist):
            self.disk_file('bad').open()


if __name__ == '__main__':
    unittest.main()
