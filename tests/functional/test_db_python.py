#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Account and container databases beside Python Swift: the same steps give the same rows, and both work on one file.

Also on its own: test_db_python.py [unittest arguments], with MARTLET_VARIANT for another build than plain.
"""
import glob
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

try:
    from swift.account.backend import AccountBroker
    from swift.common import db, utils
    from swift.common.swob import HTTPException  # noqa: F401
    from swift.container.backend import ContainerBroker
except ImportError:
    raise unittest.SkipTest('Python Swift is not installed')

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VARIANT = os.environ.get('MARTLET_VARIANT', 'plain')
DRIVER = os.path.join(TOP, 'build', VARIANT, 'tests', 'lib', 'db_driver')
utils.HASH_PATH_SUFFIX = b'changeme'
utils.HASH_PATH_PREFIX = b''
ACCOUNT, CONTAINER = 'AUTH_test', 'c1'
NAMES = ['a', 'a/', 'a/b', 'a/b/c', 'a//x', 'b', 'caf\u00e9/\u2603', 'caf\u00e9', '\U0001f600', '\0r\0x', 'z' * 200, 'a b&<"\\']
TYPES = ['text/plain', 'text/plain; charset=utf-8', 'x/y;swift_bytes=12345', 'x/y;swift_bytes=7;a="b;c"', '',
         'text/html;x=a/b', 'application/octet-stream']


def setUpModule():
    subprocess.run(['make', '-C', TOP, '-s', 'VARIANT=' + VARIANT, 'build/%s/tests/lib/db_driver' % VARIANT], check=True,
                   stdout=subprocess.DEVNULL)


def ts(seconds, offset=0):
    return utils.Timestamp(seconds, offset=offset).internal


class Ours:
    """A database through our brokers."""

    def __init__(self, device, container):
        names = [ACCOUNT] + ([container] if container else [])
        self.hash = utils.hash_path(*names)
        kind = 'containers' if container else 'accounts'
        self.path = os.path.join(device, kind, '5', self.hash[-3:], self.hash, self.hash + '.db')
        self.process = subprocess.Popen([DRIVER, device, '5', self.hash] + names, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def __call__(self, op, **arguments):
        arguments['op'] = op
        self.process.stdin.write(json.dumps(arguments).encode() + b'\n')
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if answer.pop('err'):
            raise AssertionError('%s: %s' % (op, answer))
        return answer

    def close(self):
        self.process.stdin.close()
        status = self.process.wait()
        self.process.stdout.close()
        return status


class Case(unittest.TestCase):
    container = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='martlet db ')
        self.addCleanup(shutil.rmtree, self.dir)
        self.random = random.Random(int(os.environ.get('TEST_SEED', '1')))
        self.ours, self.theirs = self.start('sda1'), self.start('sdb1')

    def start(self, device):
        device = os.path.join(self.dir, device)
        os.makedirs(device)
        ours = Ours(device, self.container)
        self.addCleanup(lambda: self.assertEqual(ours.close(), 0))
        return ours

    def python(self, ours):
        kind = ContainerBroker if self.container else AccountBroker
        return kind(ours.path, account=ACCOUNT, container=self.container)

    def dump(self, ours):
        """All rows of all tables but what differs by nature; and SQLite finds nothing wrong."""
        conn = sqlite3.connect(ours.path)
        conn.create_function('chexor', 3, db.chexor)
        self.assertEqual(conn.execute('PRAGMA integrity_check').fetchone()[0], 'ok')
        tables = [r[0] for r in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = {}
        for table in tables:
            columns = [r[1] for r in conn.execute('PRAGMA table_info(%s)' % table)
                       if r[1] not in ('id', 'created_at' if table.endswith(('_stat', '_info')) else 'id', 'updated_at')]
            rows[table] = (columns, [r for r in conn.execute('SELECT %s FROM %s ORDER BY 1, 2' % (', '.join(columns), table))])
        conn.close()
        return rows

    def schema(self, ours):
        """Types, columns and behaviour matter, not the white space of the DDL."""
        conn = sqlite3.connect(ours.path)
        objects = [r for r in conn.execute('SELECT type, name, tbl_name FROM sqlite_master') if r[0] != 'index' or 'sqlite_' not in r[1]]
        columns = {r[1]: list(conn.execute('PRAGMA table_info(%s)' % r[1])) for r in objects if r[0] in ('table', 'view')}
        pragmas = [conn.execute('PRAGMA ' + p).fetchone()[0] for p in
                   ('user_version', 'application_id', 'page_size', 'auto_vacuum', 'encoding', 'journal_mode')]
        conn.close()
        return [o[:2] for o in objects], {t: [(c[1], c[2], c[4] and c[4].strip("'"), c[5]) for c in v]
                                          for t, v in columns.items()}, pragmas

    def compare(self, ours, theirs):
        self.assertEqual(self.dump(ours), self.dump(theirs))


class Container(Case):
    container = CONTAINER

    def row(self):
        r = self.random
        t = r.randint(1700000000, 1700000040)
        row = {'name': r.choice(NAMES), 'created_at': ts(t + r.choice((0, 0.00001, 0.5)), r.choice((0, 0, 0, 1, 16))),
               'size': r.choice((0, 1, 2 ** 31, 2 ** 40)), 'content_type': r.choice(TYPES), 'etag': 'etag%d' % t, 'deleted': 0,
               'storage_policy_index': r.choice((0, 0, 0, 1)), 'ctype_timestamp': None, 'meta_timestamp': None}
        if r.random() < 0.3:
            row.update(size=0, content_type='application/deleted', etag='noetag', deleted=1)
        elif r.random() < 0.4:
            row['ctype_timestamp'] = ts(t + r.randint(0, 5))
            row['meta_timestamp'] = ts(t + r.randint(0, 9))
        elif r.random() < 0.2:
            row['meta_timestamp'] = ts(t + r.randint(0, 9))
        return row

    def put_python(self, broker, row):
        broker.put_object(row['name'], row['created_at'], row['size'], row['content_type'], row['etag'], row['deleted'],
                          row['storage_policy_index'], row['ctype_timestamp'], row['meta_timestamp'])

    def create(self):
        self.ours('create', timestamp=ts(1700000000), policy=0)
        self.python(self.theirs).initialize(ts(1700000000), 0)

    def test_schema(self):
        self.create()
        self.assertEqual(self.schema(self.ours), self.schema(self.theirs))
        self.compare(self.ours, self.theirs)
        self.assertEqual(os.stat(self.ours.path).st_mode, os.stat(self.theirs.path).st_mode)
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.ours.path))), sorted(os.listdir(os.path.dirname(self.theirs.path))))

    def test_same_merges(self):
        """Batches of every size, from peers too, row by row the same as the reference."""
        self.create()
        for step in range(120):
            rows = [self.row() for _ in range(self.random.choice((1, 1, 2, 5, 30)))]
            source = self.random.choice((None, 'peer-1', 'peer-2'))
            for i, row in enumerate(rows):
                row['ROWID'] = self.random.randint(1, 1000) + i
            self.ours('merge', rows=rows, **({'source': source} if source else {}))
            self.python(self.theirs).merge_items(json.loads(json.dumps(rows)), source)
            if step % 10 == 9:
                self.compare(self.ours, self.theirs)
        self.compare_infos()

    def compare_infos(self):
        mine, other = self.ours('info'), self.python(self.theirs).get_info()
        for key, value in mine.items():
            if key != 'is_deleted':
                self.assertEqual(value, other[key], key)
        self.assertEqual(mine['is_deleted'], self.python(self.theirs).is_deleted())

    def test_one_file_for_both(self):
        """Both put rows into one .pending, and each merges what the other left."""
        self.create()
        for step in range(60):
            for _ in range(self.random.randint(1, 8)):
                row = self.row()
                self.put_python(self.python(self.theirs), row)  # the control group: Python alone
                if self.random.random() < 0.5:
                    self.ours('put', rows=[row])
                else:
                    self.put_python(self.python(self.ours), row)
            self.python(self.theirs).get_info()
            if self.random.random() < 0.5:
                self.ours('info')
            else:
                self.python(self.ours).get_info()
            self.assertEqual(os.path.getsize(self.ours.path + '.pending'), 0)
            self.compare(self.ours, self.theirs)
        self.compare_infos()

    def test_pending_is_what_python_writes(self):
        """Our records load as the tuples that Python puts there."""
        import base64
        import pickle
        self.create()
        row = self.row()
        self.ours('put', rows=[row])
        self.put_python(self.python(self.theirs), row)
        with open(self.ours.path + '.pending', 'rb') as a, open(self.theirs.path + '.pending', 'rb') as b:
            a, b = a.read(), b.read()
        self.assertEqual(a[:1], b':')
        load = [pickle.loads(base64.b64decode(x[1:], validate=True)) for x in (a, b)]
        self.assertEqual(load[0], load[1])

    def test_listings(self):
        self.create()
        rows = [dict(self.row(), name=n, deleted=0, content_type=self.random.choice(TYPES[:4]), storage_policy_index=0)
                for n in NAMES + ['a/%d/%d' % (i % 7, i) for i in range(60)]]
        self.ours('merge', rows=rows)
        broker = self.python(self.ours)
        pieces = ['', 'a', 'a/', 'a/b', 'a/3', 'a/3/', 'b', 'caf\u00e9', 'caf\u00e9/', '\0', 'z', '\U0001f600']
        for _ in range(600):
            q = {'limit': self.random.choice((1, 2, 5, 10000)), 'marker': self.random.choice(pieces),
                 'end_marker': self.random.choice(['', ''] + pieces), 'prefix': self.random.choice([None, ''] + pieces),
                 'delimiter': self.random.choice((None, '', '/', '/', 'b', '/3')), 'path': None,
                 'reverse': self.random.random() < 0.4, 'allow_reserved': self.random.random() < 0.3}
            if self.random.random() < 0.2:
                q.update(path=self.random.choice(pieces), reverse=False, delimiter=None, prefix=None)
            expected = []
            for r in broker.list_objects_iter(storage_policy_index=0, **q):
                if r[3] is None:
                    expected.append({'subdir': r[0]})
                    continue
                e = {'bytes': r[2], 'hash': r[4], 'name': r[0], 'content_type': r[3]}
                utils.override_bytes_from_content_type(e)
                expected.append(dict(e, last_modified=utils.Timestamp(r[1]).isoformat))
            self.assertEqual(self.ours('list', policy=0, **q)['listing'], expected, q)

    def test_metadata_and_times(self):
        self.create()
        for step in range(40):
            t = ts(1700000000 + self.random.randint(0, 60))
            what = self.random.choice(('metadata', 'metadata', 'metadata', 'delete', 'put_timestamp', 'policy'))
            python = self.python(self.theirs)
            if what == 'metadata':
                m = {'X-Container-Meta-' + self.random.choice('ABC'): (self.random.choice(('', 'x', 'caf\u00e9 \u2603 "\\\x7f')), t),
                     'X-Container-Sysmeta-Shard-Root': ('a/c', t)}
                self.ours(what, metadata=m)
                python.update_metadata(m)
            elif what == 'delete':
                self.ours(what, timestamp=t)
                python.delete_db(t)
            elif what == 'put_timestamp':
                self.ours(what, timestamp=t)
                python.update_put_timestamp(t)
            else:
                policy = self.random.choice((0, 1))
                self.ours(what, policy=policy, timestamp=t)
                python.set_storage_policy_index(policy, t)
            self.compare(self.ours, self.theirs)
        self.compare_infos()

    def test_python_goes_on_where_we_stopped(self):
        """Reclaim, sync points, shard ranges: Python's rarer writes work on our file."""
        self.ours('create', timestamp=ts(1700000000), policy=0)
        self.ours('merge', rows=[self.row() for _ in range(50)])
        broker = self.python(self.ours)
        broker.reclaim(ts(1700000050), ts(1700000050))
        broker.merge_syncs([{'remote_id': 'x', 'sync_point': 5}])
        broker.set_x_container_sync_points(3, 4)
        broker.enable_sharding(utils.Timestamp(1700000060))
        broker.reported(ts(1), '0', 1, 2)
        self.assertEqual(self.ours('info')['hash'], broker.get_info()['hash'])
        self.dump(self.ours)


class Account(Case):
    def row(self):
        r = self.random
        return {'name': r.choice(NAMES), 'put_timestamp': ts(r.randint(1700000000, 1700000020)),
                'delete_timestamp': r.choice(('0', ts(0), ts(r.randint(1700000000, 1700000020)))),
                'object_count': r.choice((0, 0, 1, 7)), 'bytes_used': r.choice((0, 10, 2 ** 40)), 'deleted': 0,
                'storage_policy_index': r.choice((0, 1))}

    def create(self):
        self.ours('create', timestamp=ts(1700000000))
        self.python(self.theirs).initialize(ts(1700000000))

    def put_python(self, broker, row):
        broker.put_container(row['name'], row['put_timestamp'], row['delete_timestamp'], row['object_count'],
                             row['bytes_used'], row['storage_policy_index'])

    def test_schema(self):
        self.create()
        self.assertEqual(self.schema(self.ours), self.schema(self.theirs))
        self.compare(self.ours, self.theirs)

    def test_same_merges(self):
        self.create()
        for step in range(120):
            rows = [dict(self.row(), ROWID=i + self.random.randint(1, 99)) for i in range(self.random.choice((1, 3, 20)))]
            source = self.random.choice((None, 'peer-1'))
            self.ours('merge', rows=rows, **({'source': source} if source else {}))
            self.python(self.theirs).merge_items(json.loads(json.dumps(rows)), source)
            if step % 10 == 9:
                self.compare(self.ours, self.theirs)

    def test_one_file_for_both(self):
        self.create()
        for step in range(40):
            for _ in range(self.random.randint(1, 8)):
                row = self.row()
                self.put_python(self.python(self.theirs), row)
                if self.random.random() < 0.5:
                    self.ours('put', rows=[row])
                else:
                    self.put_python(self.python(self.ours), dict(row, object_count=str(row['object_count']),
                                                                 bytes_used=str(row['bytes_used'])))
            self.python(self.theirs).get_info()
            if self.random.random() < 0.5:
                self.ours('info')
            else:
                self.python(self.ours).get_info()
            self.compare(self.ours, self.theirs)
        mine, other = self.ours('info'), self.python(self.theirs).get_info()
        for key in ('hash', 'container_count', 'object_count', 'bytes_used', 'put_timestamp', 'delete_timestamp'):
            self.assertEqual(mine[key], other[key])

    def test_listings(self):
        self.create()
        self.ours('merge', rows=[dict(self.row(), name=n) for n in NAMES if '/' not in n] +
                  [dict(self.row(), name='c-%d-%d' % (i % 5, i)) for i in range(50)])
        broker = self.python(self.ours)
        pieces = ['', 'a', 'c', 'c-', 'c-3', 'c-3-', 'caf\u00e9', '\0', 'z']
        for _ in range(300):
            q = {'limit': self.random.choice((1, 2, 5, 10000)), 'marker': self.random.choice(pieces),
                 'end_marker': self.random.choice(['', ''] + pieces), 'prefix': self.random.choice([None, ''] + pieces),
                 'delimiter': self.random.choice((None, '-', '-', '3-')), 'reverse': self.random.random() < 0.4,
                 'allow_reserved': self.random.random() < 0.3}
            expected = [{'subdir': r[0]} if r[4] else
                        {'name': r[0], 'count': r[1], 'bytes': r[2], 'last_modified': utils.Timestamp(r[3]).isoformat}
                        for r in broker.list_containers_iter(**q)]
            self.assertEqual(self.ours('list', **q)['listing'], expected, q)

    def test_deleted(self):
        self.create()
        for t in (ts(1700000010), ts(1700000005), ts(1700000020)):
            self.ours('delete', timestamp=t)
            self.python(self.theirs).delete_db(t)
            self.ours('put_timestamp', timestamp=ts(1700000015))
            self.python(self.theirs).update_put_timestamp(ts(1700000015))
            self.compare(self.ours, self.theirs)
            self.assertEqual(self.ours('info')['is_deleted'], self.python(self.theirs).is_deleted())


class Programs(Case):
    """swift-account-info and swift-container-info on our files."""
    container = CONTAINER

    def show(self, program, path):
        with open(os.path.join(self.dir, 'swift.conf'), 'w') as f:
            f.write('[swift-hash]\nswift_hash_path_suffix = changeme\n')
        p = subprocess.run([os.path.join(TOP, 'tests', 'lib', 'run-swift'), program, '-d', self.dir, path],
                           env=dict(os.environ, SWIFT_DIR=self.dir), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(p.returncode, 0, p.stdout)
        return p.stdout

    def test_container_info(self):
        self.ours('create', timestamp=ts(1700000000), policy=0)
        self.ours('metadata', metadata={'X-Container-Meta-Color': ('blue', ts(1700000001))})
        self.ours('put', rows=[{'name': 'o', 'created_at': ts(1700000002), 'size': 5, 'content_type': 't/p', 'etag': 'e',
                                'deleted': 0}])
        text = self.show('swift-container-info', self.ours.path)
        for line in ('Account: AUTH_test', 'Container: c1', 'Object Count: 1', 'Bytes Used: 5',
                     "'X-Container-Meta-Color': 'blue'"):
            self.assertIn(line, text)
        self.assertEqual(glob.glob(os.path.join(self.dir, '*', 'quarantined')), [])

    def test_account_info(self):
        account = Ours(os.path.join(self.dir, 'sda1'), None)
        self.addCleanup(account.close)
        account('create', timestamp=ts(1700000000))
        account('put', rows=[{'name': 'c1', 'put_timestamp': ts(1700000001), 'delete_timestamp': '0', 'object_count': 3,
                              'bytes_used': 30, 'storage_policy_index': 0}])
        text = self.show('swift-account-info', account.path)
        for line in ('Account: AUTH_test', 'Container Count: 1', 'Object Count: 3', 'Bytes Used: 30'):
            self.assertIn(line, text)


del Case
if __name__ == '__main__':
    unittest.main()
