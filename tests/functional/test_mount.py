# SPDX-License-Identifier: Apache-2.0
"""The main job on real input: files copied into the mount lie as three replicas in the cluster, and come back."""
import hashlib
import os
import shutil
import subprocess
import unittest

from cluster import BIN, KEY, TOP, USER, VARIANT, Cluster

SOURCES = ('/usr/share/doc', '/usr/include', '/usr/lib/python3')
FILES, BIG = 2500, 1 << 30
if VARIANT != 'plain':  # the same under the sanitizers, in sizes they get through in time
    FILES, BIG = 150, 48 << 20


def tree(target, limit):
    """Copies real files and their folders from the system: the input, on the local disk."""
    count = 0
    for source in SOURCES:
        for folder, _, files in os.walk(source):
            to = target + folder
            for f in files:
                path = os.path.join(folder, f)
                if count == limit:
                    return count
                if os.path.isfile(path) and not os.path.islink(path):
                    os.makedirs(to, exist_ok=True)
                    shutil.copyfile(path, os.path.join(to, f))
                    count += 1
    return count


class Mount(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(mount=True)
        self.cluster.start()
        self.mnt = os.path.join(self.cluster.dir, 'mnt')

    def tearDown(self):
        self.cluster.stop()
        reports = self.cluster.sanitizer_reports()
        self.cluster.close()
        self.assertFalse(reports, '\n'.join(reports))

    def run_ok(self, *argv, timeout=900, **kw):
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, **kw)
        self.assertEqual(p.returncode, 0, '%s:\n%s' % (' '.join(argv), p.stdout[-4000:]))
        return p.stdout

    def remount(self):
        self.run_ok('fusermount3', '-u', self.mnt)
        self.cluster.start()

    def test_copy_a_tree(self):
        source = os.path.join(self.cluster.root, 'source')
        self.assertEqual(tree(source, FILES), FILES)
        big = os.path.join(source, 'big')
        self.run_ok('dd', 'if=/dev/urandom', 'of=' + big, 'bs=1M', 'count=%d' % (BIG >> 20))
        os.mkdir(os.path.join(self.mnt, 'box'))
        self.run_ok('cp', '-r', source, os.path.join(self.mnt, 'box'))
        self.run_ok('diff', '-r', source, os.path.join(self.mnt, 'box', 'source'))
        self.remount()
        self.run_ok('diff', '-r', source, os.path.join(self.mnt, 'box', 'source'))
        self.check_replicas(source)

    def check_replicas(self, source):
        """Each object is on exactly three devices, whole, under its name, and Debian's Swift agrees."""
        etags = {}
        for folder, _, files in os.walk(source):
            for f in files:
                path = os.path.join(folder, f)
                name = '/AUTH_test/box/source/' + os.path.relpath(path, source)
                with open(path, 'rb') as data:
                    etags[name] = hashlib.file_digest(data, 'md5').hexdigest()
        found, everything = {}, []
        for paths in self.cluster.object_files().values():
            devices = {tuple(p[len(self.cluster.dir):].split('/')[2:4]) for p in paths}
            self.assertEqual((len(paths), len(devices)), (3, 3), paths)
            everything += paths
        for at in range(0, len(everything), 1000):
            listing = self.run_ok('/usr/bin/python3', os.path.join(TOP, 'tests', 'lib', 'object-metadata'),
                                  *everything[at:at + 1000])
            for line in listing.splitlines():
                etag, md5, name = line.split(' ', 2)
                self.assertEqual(etag, md5, name)
                found.setdefault(name, []).append(etag)
        for name, etag in etags.items():
            self.assertEqual(found.get(name), [etag] * 3, name)
        env = dict(os.environ, SWIFT_DIR=os.path.join(self.cluster.dir, 'etc'))
        some = sorted(self.cluster.object_files().values())[::max(1, len(etags) // (8 if VARIANT == 'plain' else 3))]
        for paths in some:
            for p in paths:
                out = self.run_ok(os.path.join(TOP, 'tests', 'lib', 'run-swift'), 'swift-object-info', '-d', env['SWIFT_DIR'],
                                  p, env=env)
                self.assertRegex(out, r'ETag: [0-9a-f]{32} \(valid\)')
                self.assertIn('Content-Length: %d (valid)' % os.path.getsize(p), out)

    def test_file_operations(self):
        target = os.path.join(self.cluster.root, 'mnt2')
        os.mkdir(target)
        self.run_ok(os.path.join(TOP, 'tests', 'functional', 'mount_checks.sh'),
                    'http://127.0.0.1:%d/auth/v1.0' % self.cluster.port, USER, KEY, target, os.path.join(BIN, 'martletfs'),
                    env=dict(os.environ, LARGE_MIB='128' if VARIANT == 'plain' else '0', TREE_FILES='30'))

    def test_other_clients_see_files(self):
        os.mkdir(os.path.join(self.mnt, 'shared'))
        with open(os.path.join(self.mnt, 'shared', 'note'), 'w') as f:
            f.write('from the mount')
        self.assertEqual(self.cluster.request('GET', '/shared/note').body, b'from the mount')
        self.assertEqual(self.cluster.request('PUT', '/shared/folder/back', b'from the API').status, 201)
        self.remount()
        with open(os.path.join(self.mnt, 'shared', 'folder', 'back')) as f:
            self.assertEqual(f.read(), 'from the API')

    def test_errors_reach_the_caller(self):
        """When the cluster cannot take the data, close() or fsync() fails: nothing is claimed to be safe."""
        os.mkdir(os.path.join(self.mnt, 'err'))
        for n in (1, 2, 3, 4):
            self.cluster.kill('node%d' % n)
        with self.assertRaises(OSError):
            with open(os.path.join(self.mnt, 'err', 'lost'), 'w') as f:
                f.write('data')
                f.flush()
                os.fsync(f.fileno())
        self.cluster.start()
        with open(os.path.join(self.mnt, 'err', 'kept'), 'w') as f:
            f.write('data')
        with open(os.path.join(self.mnt, 'err', 'kept')) as f:
            self.assertEqual(f.read(), 'data')


if __name__ == '__main__':
    unittest.main()
