# SPDX-License-Identifier: Apache-2.0
"""Debian's Python Swift reads what Martlet wrote: rings, objects, databases; and the other way round."""
import glob
import os
import re
import subprocess
import unittest

from cluster import BIN, TOP, VARIANT, Cluster

HERE = os.path.join(TOP, 'tests', 'functional')


class Info(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.start()
        cls.cluster.request('POST', '', headers={'X-Account-Meta-Color': 'blue'})
        cls.cluster.request('PUT', '/c', headers={'X-Container-Meta-Size': 'big'})
        cls.cluster.request('PUT', '/c/caf\u00e9', b'data', {'X-Object-Meta-Word': 'na\u00efve'.encode().decode('latin-1')})
        cls.cluster.request('PUT', '/c/gone', b'data')
        cls.cluster.request('DELETE', '/c/gone')
        cls.cluster.request('GET', '/c')  # merges what is pending
        cls.cluster.request('GET', '')

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        reports = cls.cluster.sanitizer_reports()
        cls.cluster.close()
        assert not reports, '\n'.join(reports)

    def info(self, program, path):
        etc = os.path.join(self.cluster.dir, 'etc')
        p = subprocess.run([os.path.join(TOP, 'tests', 'lib', 'run-swift'), program, '-d', etc, path],
                           env=dict(os.environ, SWIFT_DIR=etc), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=60)
        self.assertEqual(p.returncode, 0, p.stdout)
        return p.stdout

    def databases(self, kind):
        found = glob.glob(os.path.join(self.cluster.dir, 'srv', '*', '*', kind, '*', '*', '*', '*.db'))
        self.assertEqual(len(found), 3, found)
        return found

    def test_object_info(self):
        files = list(self.cluster.object_files().values())
        self.assertEqual([len(f) for f in files], [3])
        for path in files[0]:
            out = self.info('swift-object-info', path)
            self.assertIn('Path: /AUTH_test/c/caf\u00e9', out)
            self.assertIn('ETag: 8d777f385d3dfec8815d20f7496026dc (valid)', out)
            self.assertIn('Content-Length: 4 (valid)', out)
            self.assertIn('X-Object-Meta-Word: na\u00efve', out)
        tombs = list(self.cluster.object_files('.ts').values())
        self.assertEqual([len(f) for f in tombs], [3])

    def test_container_info(self):
        for path in self.databases('containers'):
            out = self.info('swift-container-info', path)
            self.assertIn('Container: c', out)
            self.assertIn('Object Count: 1', out)
            self.assertIn('Bytes Used: 4', out)
            self.assertRegex(out, r"X-Container-Meta-Size['\"]?:.*big|Size: big")

    def test_account_info(self):
        for path in self.databases('accounts'):
            out = self.info('swift-account-info', path)
            self.assertIn('Account: AUTH_test', out)
            self.assertIn('Container Count: 1', out)
            self.assertRegex(out, r"Color")


class Scripts(unittest.TestCase):
    """Comparisons with Python Swift that are programs of their own."""

    def run_script(self, name):
        path = os.path.join(HERE, name)
        argv = ['/usr/bin/python3', path] if name.endswith('.py') else [path]
        p = subprocess.run(argv, env=dict(os.environ, BIN=BIN, VARIANT=VARIANT), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=600)
        self.assertEqual(p.returncode, 0, p.stdout[-6000:])


for _path in sorted(glob.glob(os.path.join(HERE, '*_python.*'))):
    _name = os.path.basename(_path)
    setattr(Scripts, 'test_' + re.sub(r'\W', '_', _name), lambda self, n=_name: self.run_script(n))

if __name__ == '__main__':
    unittest.main()
