# SPDX-License-Identifier: Apache-2.0
"""A Martlet cluster for a test: made by scripts/stack in a temporary folder, with what tests ask of it.

    with Cluster() as c:
        c.request('PUT', '/c')                     # below the account of test:tester
        c.kill('node1'); c.start()
"""
import glob
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('MARTLET_BIN', os.path.join(TOP, 'build', 'bin'))
VARIANT = os.environ.get('MARTLET_VARIANT', 'plain')
SEED = int(os.environ.get('TEST_SEED', '1'))
USER, KEY = 'test:tester', 'testing'


def free_port():
    """A port that is free now, with a free range of 100 to 160 above it for the nodes."""
    for _ in range(200):
        port = random.SystemRandom().randrange(20000, 32000)
        if all(_port_free(p) for p in [port] + list(range(port + 101, port + 116))):
            return port
    raise RuntimeError('no free range of ports between 20000 and 32000')


def _port_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(('127.0.0.1', port))
            return True
        except OSError:
            return False


class Answer:
    def __init__(self, response, body):
        self.status, self.reason, self.body = response.status, response.reason, body
        self.headers = {k.lower(): v for k, v in response.getheaders()}

    def __repr__(self):
        return '<%d %s %r>' % (self.status, self.headers, self.body[:200])


def ask(port, method, path, body=None, headers=None, timeout=60):
    """One request on a connection of its own; `path` is already quoted."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


def raw(port, data, timeout=30, wait=None):
    """Sends bytes as they are; returns all that comes until the other side closes (or `wait` bytes)."""
    with socket.create_connection(('127.0.0.1', port), timeout=timeout) as s:
        s.sendall(data)
        out = b''
        while wait is None or len(out) < wait:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            out += piece
        return out


class Cluster:
    def __init__(self, mount=False, name='martlet', **env):
        self.root = tempfile.mkdtemp(prefix='martlet-test-')
        self.dir = os.path.join(self.root, name)
        self.port = free_port()
        self.mount = mount
        self.env = {k: str(v) for k, v in env.items()}
        self._login = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.show_logs()
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.show_logs()
        self.close()

    # --- the processes
    def script(self, name, *args, check=True):
        env = dict(os.environ, BIN=BIN, MOUNT='yes' if self.mount else 'no', **self.env)
        p = subprocess.run([os.path.join(TOP, 'scripts', name), self.dir, *args], env=env,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        if check and p.returncode:
            raise RuntimeError('%s failed: %s' % (name, p.stdout))
        return p

    def start(self):
        return self.script('stack', str(self.port)).stdout

    def stop(self):
        return self.script('unstack').stdout

    def close(self):
        if os.path.exists(os.path.join(self.dir, 'etc')):
            self.script('clean', check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def pid(self, name):
        with open(os.path.join(self.dir, 'run', name + '.pid')) as f:
            return int(f.read())

    def kill(self, name, sig=signal.SIGKILL):
        pid = self.pid(name)
        os.kill(pid, sig)
        deadline = time.monotonic() + 60
        while os.path.exists('/proc/%d/exe' % pid) and _state(pid) != 'Z':
            if time.monotonic() > deadline:
                raise RuntimeError('%s (process %d) does not end' % (name, pid))
            time.sleep(0.02)

    def log(self, name):
        with open(os.path.join(self.dir, 'log', name + '.log'), errors='replace') as f:
            return f.read()

    def show_logs(self):
        for path in sorted(glob.glob(os.path.join(self.dir, 'log', '*'))):
            with open(path, errors='replace') as f:
                lines = [l for l in f.read().splitlines()
                         if ' 20' not in l[-60:] or 'ERROR' in l or 'Sanitizer' in l or 'ThreadSan' in l]
            print('--- %s' % os.path.basename(path))
            print('\n'.join(lines[-60:]))

    def sanitizer_reports(self):
        """What the sanitizers said in any log: must be empty at the end of a test."""
        found = []
        for path in sorted(glob.glob(os.path.join(self.dir, 'log', '*'))):
            with open(path, errors='replace') as f:
                text = f.read()
            for word in ('ERROR: AddressSanitizer', 'runtime error:', 'WARNING: ThreadSanitizer',
                         'ERROR: LeakSanitizer'):
                at = text.find(word)
                if at >= 0:
                    found.append('%s:\n%s' % (path, text[at:at + 4000]))
        return found

    # --- requests
    def login(self, user=USER, key=KEY):
        a = ask(self.port, 'GET', '/auth/v1.0', headers={'X-Auth-User': user, 'X-Auth-Key': key})
        if a.status != 200:
            raise RuntimeError('no token for %s: %r' % (user, a))
        return a.headers['x-auth-token'], urllib.parse.urlsplit(a.headers['x-storage-url']).path

    def request(self, method, path='', body=None, headers=None, timeout=60):
        """Below the account of test:tester, with its token. `path` is not quoted: '/c/o'."""
        if not self._login:
            self._login = self.login()
        token, account = self._login
        where, _, query = path.partition('?')
        target = account + urllib.parse.quote(where) + ('?' + query if query else '')
        return ask(self.port, method, target, body, dict({'X-Auth-Token': token}, **(headers or {})), timeout)

    # --- what lies on the disks
    def object_files(self, suffix='.data'):
        """Paths of object files on all devices, by hash: {hash: [path, ...]}."""
        found = {}
        for path in glob.glob(os.path.join(self.dir, 'srv', 'node*', '*', 'objects', '*', '*', '*', '*' + suffix)):
            found.setdefault(os.path.basename(os.path.dirname(path)), []).append(path)
        return found


def _state(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rsplit(')', 1)[1].split()[0]
    except OSError:
        return 'Z'
