#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A mounted martletfs against any Swift cluster: mounts, does what programs do, prints one line a check, and
# exits with 1 if one failed.
#
#   mount_checks.sh AUTH_URL USER KEY DIR MARTLETFS
#
# DIR gets mount points, cache and logs; it may contain spaces. Everything is made in containers of its own,
# which are removed at the end. LARGE_MIB (1024) is the size of the large file, 0 leaves it out; TREE_FILES
# (300) how many files the tree has.
set -u
[ $# -eq 5 ] || { sed -n '3,11s/^# \?//p' "$0"; exit 2; }
auth=$1 user=$2 key=$3 binary=$(readlink -f "$5")
mkdir -p "$4" && dir=$(readlink -f "$4") || exit 2
LARGE_MIB=${LARGE_MIB:-1024} TREE_FILES=${TREE_FILES:-300}
mnt=$dir/mnt mnt2=$dir/mnt2 data=$dir/data log=$dir/martletfs.log
name=martletfs-checks-$$
failed=0 count=0
rm -rf "$data" "$log"
mkdir -p "$mnt" "$mnt2" "$data" "$dir/cache"
export ST_KEY=$key

is_mounted() { mountpoint -q "$1"; }

start() { # MOUNTPOINT ARG...
    local where=$1; shift
    "$binary" --auth "$auth" --user "$user" --cache-dir "$dir/cache" --log-file "$log" --log-level INFO "$@" "$where"
}

# A mount may be busy for a moment after its last user ended.
stop() { # MOUNTPOINT
    local i
    for i in $(seq 50); do
        is_mounted "$1" || break
        fusermount3 -u "$1" 2>/dev/null && break
        sleep 0.1
    done
    for i in $(seq 600); do
        pgrep -f -- "$binary --auth .* $1\$" >/dev/null || return 0
        sleep 0.1
    done
    return 1
}

remount() { stop "$mnt" && start "$mnt" --cache-timeout 2; }

clean_up() {
    local c
    if is_mounted "$mnt"; then
        cd /
        for c in "$mnt/$name"*; do [ -d "$c" ] && rm -rf "$c"; done
    fi
    stop "$mnt"
    stop "$mnt2"
}
trap clean_up EXIT

# Runs a function in a shell of its own, in the container's folder; any command that fails fails the check.
check() { # WHAT FUNCTION ARG...
    local what=$1 out rc
    shift
    count=$((count + 1))
    # Not within a condition: there "set -e" has no effect, also in what it calls.
    out=$(exec 2>&1; set -eE -o pipefail; cd "$mnt/$name"; trap 'echo "line $LINENO: $BASH_COMMAND"' ERR; "$@")
    rc=$?
    if [ $rc = 0 ]; then
        printf 'ok %d - %s\n' "$count" "$what"
    else
        printf 'not ok %d - %s\n' "$count" "$what"
        printf '%s\n' "$out" | tail -n 5 | sed 's/^/    # /'
        failed=$((failed + 1))
    fi
}

refuse() { if "$@" 2>/dev/null; then echo "succeeded: $*"; return 1; fi; } # the command must fail
# The command must fail with that message.
refuse_with() { local want=$1 out; shift; if out=$("$@" 2>&1); then return 1; fi; [[ $out == *"$want"* ]]; }
same() { [ "$1" = "$2" ] || { echo "<$1> is not <$2>"; return 1; }; }

# --- the cluster without the mount ---------------------------------------------------------------------------

sign_in() {
    local head
    head=$(curl -fsS -D - -o /dev/null -H "X-Auth-User: $user" -H "X-Auth-Key: $key" "$auth" | tr -d '\r') || exit 1
    token=$(sed -n 's/^X-Auth-Token: //Ip' <<<"$head")
    url=$(sed -n 's/^X-Storage-Url: //Ip' <<<"$head")
}
swift() { # METHOD PATH CURL-ARG...
    local method=$1 path=$2
    shift 2
    curl -fsS --path-as-is -X "$method" -H "X-Auth-Token: $token" "$url/$path" "$@"
}
headers() { curl -fsS --head --path-as-is -H "X-Auth-Token: $token" "$url/$1" | tr -d '\r'; }
header() { headers "$1" | sed -n "s/^$2: //Ip"; }

# --- checks ----------------------------------------------------------------------------------------------------

errors_at_start() {
    local out
    refuse_with 'refused user' env ST_KEY=wrong "$binary" --auth "$auth" --user "$user" --cache-dir "$dir/cache" "$mnt2"
    refuse_with 'cannot authenticate' "$binary" --auth http://127.0.0.1:1/auth/v1.0 --user "$user" \
        --cache-dir "$dir/cache" "$mnt2"
    refuse_with 'no such container' start "$mnt2" --container "$name-missing"
    refuse_with 'No such file' start "$dir/missing"
    refuse_with 'command line' start "$mnt2" --key=secret
    refuse_with 'no key given' env -u ST_KEY "$binary" --auth "$auth" --user "$user" "$mnt2"
    printf '%s\n' "$key" >"$dir/key"
    chmod 644 "$dir/key"
    refuse_with 'chmod 600' start "$mnt2" --key-file "$dir/key"
    refuse is_mounted "$mnt2"
}

one_container() {
    chmod 600 "$dir/key"
    echo inside >one
    env -u ST_KEY "$binary" --auth "$auth" --user "$user" --key-file "$dir/key" --container "$name" \
        --cache-dir "$dir/cache" --log-file "$log" "$mnt2"
    same "$(cat "$mnt2/one")" inside
    echo back >"$mnt2/two"
    stop "$mnt2"
    same "$(swift GET "$name/two")" back
    rm one
}

make_tree() { # DIR
    local i
    mkdir -p "$1"
    for i in $(seq "$TREE_FILES"); do
        mkdir -p "$1/d$((i % 7))/e$((i % 3))"
        head -c $((i * 37)) /dev/urandom >"$1/d$((i % 7))/e$((i % 3))/file $i"
    done
    chmod 640 "$1/d1/e1"/*
    chmod 700 "$1/d2"
    ln -s ../d1 "$1/d2/link"
    ln -s nowhere "$1/broken"
    mkdir "$1/empty"
    find "$1" -depth -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +
}
print_tree() { (cd "$1" && find . -printf '%P %y %m %T@ %l\n' | sort); }

copy_tree() {
    make_tree "$data/tree"
    cp -a "$data/tree" .
    diff -r --no-dereference "$data/tree" tree
}
tree_after_remount() {
    diff -r --no-dereference "$data/tree" tree
    diff <(print_tree "$data/tree") <(print_tree tree)
    diff <(cd "$data" && ls -lR tree | grep -v '^total\|^d') <(ls -lR tree | grep -v '^total\|^d')
}

write_64_mib() {
    head -c 64M /dev/urandom >"$data/64"
    cp "$data/64" big
    cmp "$data/64" big
    same "$(header "$name/big" etag)" "$(md5sum <"$data/64" | cut -d' ' -f1)"
}
read_64_mib_cold() {
    cmp "$data/64" big
    cmp <(dd if="$data/64" bs=4096 skip=9000 count=77 status=none) <(dd if=big bs=4096 skip=9000 count=77 status=none)
    cmp <(tail -c 5000 "$data/64") <(tail -c 5000 big)
}
random_reads() {
    local i at
    for i in $(seq 20); do
        at=$((RANDOM * 32768 % 67100000 + RANDOM))
        cmp <(tail -c +$((at + 1)) "$data/64" | head -c 5000) <(tail -c +$((at + 1)) big | head -c 5000)
    done
}
change_in_the_middle() {
    printf 'changed' | dd of=big bs=1 seek=33554432 conv=notrunc status=none
    printf 'changed' | dd of="$data/64" bs=1 seek=33554432 conv=notrunc status=none
    cmp "$data/64" big
    same "$(header "$name/big" etag)" "$(md5sum <"$data/64" | cut -d' ' -f1)"
}
sparse_write() {
    dd if=/dev/zero of=sparse bs=1 count=1 seek=3000000 status=none
    dd if=/dev/zero of="$data/sparse" bs=1 count=1 seek=3000000 status=none
    cmp "$data/sparse" sparse
    rm sparse
}
large_write() {
    head -c "${LARGE_MIB}M" /dev/urandom >"$data/large"
    cp "$data/large" large
    same "$(header "$name/large" etag)" "$(md5sum <"$data/large" | cut -d' ' -f1)"
}
large_read() { cmp "$data/large" large && rm large && rm "$data/large"; }

appending() {
    echo one >log
    echo two >>log
    (echo three; echo four) >>log
    same "$(cat log)" $'one\ntwo\nthree\nfour'
    same "$(swift GET "$name/log")" $'one\ntwo\nthree\nfour'
}
truncating() {
    printf '0123456789' >t
    truncate -s 4 t
    same "$(cat t)" 0123
    truncate -s 8 t
    same "$(od -An -c t | tr -d ' ')" '0123\0\0\0\0'
    : >t
    same "$(stat -c %s t)" 0
    printf 'abc' >t
    same "$(swift GET "$name/t")" abc
}
exclusive() {
    set -C
    echo x >excl
    refuse eval 'echo y >excl'
    set +C
    same "$(cat excl)" x
}
attributes() {
    echo x >attr
    [ "$(id -u)" != 0 ] || chown 123:456 attr
    chmod 4751 attr
    touch -d '1999-12-31 23:59:59.987654321' attr
    same "$(header "$name/attr" x-object-meta-mtime)" "$(stat -c %.9Y attr)"
    same "$(header "$name/attr" x-object-meta-mode)" 104751
    mkdir adir
    chmod 2750 adir
    touch -d '1980-01-01 00:00:00.5' adir
}
attributes_after_remount() {
    same "$(stat -c '%a %.9Y' attr)" "4751 $(date -d '1999-12-31 23:59:59' +%s).987654321"
    [ "$(id -u)" != 0 ] || same "$(stat -c '%u:%g' attr)" 123:456
    same "$(stat -c '%a %.9Y' adir)" "2750 $(date -d '1980-01-01 00:00:00' +%s).500000000"
    rmdir adir
}
foreign_metadata() {
    swift PUT "$name/foreign" -H 'X-Object-Meta-Color: blue' -H 'Content-Encoding: x-thing' \
        -H 'Content-Type: text/x-odd' -H 'X-Object-Meta-Mtime: 1400000000.000000005' --data-binary hello -o /dev/null
    sleep 3.5
    same "$(stat -c %.9Y foreign)" 1400000000.000000005
    chmod 600 foreign
    same "$(header "$name/foreign" x-object-meta-color)" blue
    same "$(header "$name/foreign" content-encoding)" x-thing
    echo more >>foreign
    same "$(header "$name/foreign" x-object-meta-color)" blue
    same "$(header "$name/foreign" content-type)" text/x-odd
    same "$(swift GET "$name/foreign")" hellomore
}
symlinks() {
    ln -s 'target of/link' link
    same "$(readlink link)" 'target of/link'
    same "$(swift GET "$name/link")" 'target of/link'
    same "$(header "$name/link" content-type)" inode/symlink
    echo data >real
    ln -s real alias
    same "$(cat alias)" data
    echo through >alias
    same "$(cat real)" through
    refuse ln -s x link
    rm alias link
    same "$(cat real)" through
}
renaming() {
    echo a >from
    touch -d '2002-02-02 02:02:02.02' from
    mv from to
    refuse stat from
    same "$(cat to) $(stat -c %.9Y to)" "a $(date -d '2002-02-02 02:02:02' +%s).020000000"
    echo b >other
    mv -f other to
    same "$(cat to)" b
    echo c >other
    mv -n other to || true
    same "$(cat to) $(cat other)" 'b c'
    mkdir -p dir/sub
    refuse mv -T to dir
    refuse mv -T dir to
    mv to dir/sub/moved
    same "$(cat dir/sub/moved)" b
}
renaming_directories() {
    mkdir -p old/one/two
    for i in $(seq 30); do echo "$i" >"old/one/$i"; done
    echo deep >old/one/two/file
    chmod 711 old/one
    mv old new
    refuse stat old
    same "$(cat new/one/two/file) $(ls new/one | wc -l) $(stat -c %a new/one)" 'deep 31 711'
    mkdir taken && echo x >taken/x
    refuse mv -T new taken
    rm taken/x
    mv -T new taken
    same "$(cat taken/one/17)" 17
    refuse mv taken taken/one/two
    same "$(swift GET "$name?prefix=new/" | wc -c)" 0
}
across_containers() {
    mkdir "$mnt/$name-b"
    echo x >file
    mv file "$mnt/$name-b/file"
    same "$(cat "$mnt/$name-b/file")" x
    mkdir -p d/e && echo y >d/e/f
    mv d "$mnt/$name-b/d"
    same "$(cat "$mnt/$name-b/d/e/f")" y
    refuse rmdir "$mnt/$name-b"
    mv "$mnt/$name-b" "$mnt/$name-c"
    same "$(cat "$mnt/$name-c/d/e/f")" y
    refuse stat "$mnt/$name-b"
    mv "$mnt/$name-c/d" "$mnt/$name-d"
    same "$(cat "$mnt/$name-d/e/f")" y
    rm -r "$mnt/$name-c" "$mnt/$name-d"
    refuse touch "$mnt/file-beside-containers"
}
unlink_open() {
    head -c 3000000 /dev/urandom >gone
    cp gone "$data/gone"
    exec 7<gone
    rm gone
    refuse stat gone
    cmp "$data/gone" - <&7
    exec 7<&-
    echo start >gone2
    exec 8<>gone2
    rm gone2
    echo 'after unlink' >&8
    same "$(cat /proc/self/fd/8)" 'after unlink'
    exec 8>&-
    echo replaced >target
    exec 7<target
    echo new >source
    mv source target
    same "$(cat <&7)" replaced
    same "$(cat target)" new
    exec 7<&-
    refuse swift GET "$name/gone2"
}
directories() {
    mkdir m
    refuse mkdir m
    refuse rmdir "$mnt/$name"
    echo x >m/x
    refuse rmdir m
    refuse rm m
    rm m/x
    same "$(ls m | wc -l)" 0
    rmdir m
    refuse rmdir m
    refuse cat m
    refuse touch m/x
}
implied_directories() {
    swift PUT "$name/imp/lied/file" --data-binary x -o /dev/null
    swift PUT "$name/plain" -H 'Content-Type: application/directory' --data-binary '' -o /dev/null
    swift PUT "$name/plain/file" --data-binary y -o /dev/null
    start "$mnt2" --container "$name"
    trap 'stop "$mnt2"' EXIT
    same "$(cat "$mnt2/imp/lied/file") $(cat "$mnt2/plain/file")" 'x y'
    [ -d "$mnt2/plain" ]
    chmod 710 "$mnt2/imp" "$mnt2/plain"
    rm "$mnt2/imp/lied/file"
    [ -d "$mnt2/imp/lied" ]
    rmdir "$mnt2/imp/lied" "$mnt2/imp"
    same "$(stat -c %a "$mnt2/plain")" 710
    rm "$mnt2/plain/file"
    rmdir "$mnt2/plain"
    refuse stat "$mnt2/plain"
}
odd_names() {
    local n
    swift PUT "$name/odd/a//b" --data-binary x -o /dev/null
    swift PUT "$name/odd/./c" --data-binary x -o /dev/null
    swift PUT "$name/odd/../d" --data-binary x -o /dev/null
    swift PUT "$name/odd//e" --data-binary x -o /dev/null
    swift PUT "$name/odd/both" --data-binary x -o /dev/null
    swift PUT "$name/odd/both/file" --data-binary x -o /dev/null
    swift PUT "$name/odd/$(printf 'n%.0s' $(seq 300))" --data-binary x -o /dev/null
    swift PUT "$name/odd/good" --data-binary x -o /dev/null
    sleep 3.5
    same "$(ls odd | tr '\n' ' ')" 'a both good '
    same "$(cat odd/good odd/both/file)" xx
    refuse rmdir odd/a
    for n in 'with space' $'new\nline' '%41?#&+;=' 'ümläut 日本 🎉' '-dash' "quote'\"\\" $'tab\t' '*'; do
        echo "$n" >"odd/$n"
        same "$(cat "odd/$n")" "$n"
    done
    for n in 'with space' $'new\nline' '%41?#&+;=' 'ümläut 日本 🎉' "quote'\"\\" '*'; do
        mv "odd/$n" "odd/$n.x"
        same "$(cat "odd/$n.x")" "$n"
    done
    same "$(find odd -type f | tr '\n' '\0' | grep -zc .)" 11
    refuse touch $'odd/\xff\xfe'
    refuse touch "odd/$(printf 'n%.0s' $(seq 256))"
    for n in a//b ./c ../d /e; do swift DELETE "$name/odd/$n"; done
    swift DELETE "$name/odd/$(printf 'n%.0s' $(seq 300))"
    swift DELETE "$name/odd/both"
}
other_client() {
    echo first >shared
    same "$(cat shared)" first
    swift PUT "$name/shared" --data-binary 'second version' -o /dev/null
    sleep 3.5
    same "$(cat shared)" 'second version'
    swift DELETE "$name/shared"
    sleep 3.5
    refuse stat shared
}
replaced_while_reading() {
    head -c 20M /dev/urandom >versions
    cp versions "$data/v1"
    exec 7<versions
    head -c 1000000 <&7 >"$data/got"
    head -c 20M /dev/urandom >"$data/v2"
    swift PUT "$name/versions" -T "$data/v2" -o /dev/null
    # The rest of the first version, or an error: never bytes of the second.
    cat <&7 >>"$data/got" 2>/dev/null || true
    exec 7<&-
    cmp <(head -c "$(stat -c %s "$data/got")" "$data/v1") "$data/got"
    rm versions
}
many_writers() {
    local i
    mkdir many
    for i in $(seq 8); do
        (for j in $(seq 12); do echo "$i $j" >"many/$i-$j"; done) &
    done
    wait
    same "$(cat many/* | sort | uniq | wc -l)" 96
    for i in $(seq 8); do (rm many/"$i"-*) & done
    wait
    rmdir many
}
fsyncing() {
    dd if="$data/64" of=synced bs=1M count=3 conv=fsync status=none
    exec 8>held
    echo 'in the store' >&8
    sync held
    same "$(swift GET "$name/held")" 'in the store'
    exec 8>&-
}
too_large() {
    refuse_with 'File too large' truncate -s 9000G toolarge
    rm -f toolarge
}
permissions() {
    echo secret >secret
    chmod 600 secret
    [ "$(id -u)" = 0 ] || return 0
    start "$mnt2" --container "$name" -o allow_other
    trap 'stop "$mnt2"' EXIT
    refuse setpriv --reuid 65534 --regid 65534 --clear-groups cat "$mnt2/secret"
    chmod 644 secret
    sleep 1.2
    cd / # a folder that the other user may enter
    chmod 755 "$dir"
}
use_of_space() { df "$mnt" >/dev/null; same "$(stat -f -c %T "$mnt")" fuseblk || stat -f "$mnt" >/dev/null; }
with_tar() {
    tar -C "$data" --format=pax -cf tree.tar tree
    mkdir untar
    tar -C untar -xf tree.tar
    diff <(print_tree "$data/tree") <(print_tree untar/tree)
    tar -C untar -cf - tree | tar -df - -C "$data"
    rm -r untar
    refuse stat untar
}
with_git() {
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
    git init -q repo
    cd repo
    git config user.name x && git config user.email x@y
    for i in 1 2 3; do
        echo "$i" >"file$i"
        git add . && git commit -qm "change $i"
    done
    git fsck --full --strict
    same "$(git log --oneline | wc -l)" 3
    same "$(git status --porcelain)" ''
    cd ..
    git clone -q repo clone
    same "$(cat clone/file3)" 3
    rm -rf repo clone
}
with_rsync() {
    command -v rsync >/dev/null || return 0
    rsync -a "$data/tree/" synced-tree/
    same "$(rsync -ai "$data/tree/" synced-tree/)" ''
    rm -r synced-tree
}
flushed_at_the_end() {
    # A file still open when the mount is told to end is uploaded all the same.
    local pid
    start "$mnt2" --container "$name"
    exec 8>"$mnt2/last"
    echo 'last words' >&8
    pid=$(pgrep -f -- "$binary --auth .* $mnt2\$")
    kill -TERM "$pid"
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    refuse kill -0 "$pid"
    exec 8>&- || true
    refuse is_mounted "$mnt2"
    same "$(swift GET "$name/last")" 'last words'
}
no_errors_logged() { refuse grep -n ' ERROR\|ERROR:' "$log"; }
end_empty() {
    sleep 3.5 # another mount has written: the listing is believed for --cache-timeout
    rm -rf ./*
    same "$(ls -A)" ''
    same "$(swift GET "$name" | grep -v '/$' || true)" ''
}

# --- all of it -------------------------------------------------------------------------------------------------

sign_in
start "$mnt" --cache-timeout 2 || exit 1
is_mounted "$mnt" || { echo "not ok - mounted when the command returns"; exit 1; }
mkdir "$mnt/$name" || exit 1
trap - ERR

check 'what is wrong at the start is told' errors_at_start
check 'one container, key from a file' one_container
check 'cp -a of a tree' copy_tree
remount || exit 1
check 'the tree after remount: content, modes, times, links' tree_after_remount
check 'writes 64 MiB, same ETag in the cluster' write_64_mib
remount || exit 1
check 'reads 64 MiB cold' read_64_mib_cold
check 'random reads' random_reads
check 'overwrites in the middle' change_in_the_middle
check 'sparse write' sparse_write
if [ "$LARGE_MIB" -gt 0 ]; then
    check "writes $LARGE_MIB MiB" large_write
    remount || exit 1
    check "reads $LARGE_MIB MiB cold" large_read
fi
check 'append' appending
check 'truncate' truncating
check 'O_EXCL' exclusive
check 'chmod, chown, utimens' attributes
remount || exit 1
check 'attributes after remount' attributes_after_remount
check 'metadata of other clients are kept' foreign_metadata
check 'symbolic links' symlinks
check 'rename files' renaming
check 'rename directories' renaming_directories
check 'rename across containers, and containers' across_containers
check 'unlink and replace while open' unlink_open
check 'directories' directories
check 'implied directories and both kinds of markers' implied_directories
check 'odd names' odd_names
check 'changes by another client are seen' other_client
check 'never two versions in one read' replaced_while_reading
check 'many writers at once' many_writers
check 'fsync' fsyncing
check 'too large a file' too_large
check 'permissions' permissions
check 'statfs' use_of_space
check 'tar' with_tar
check 'git' with_git
check 'rsync' with_rsync
check 'SIGTERM uploads what is open' flushed_at_the_end
check 'no errors in the log' no_errors_logged
check 'everything removed' end_empty
printf '1..%d\n' "$count"
[ "$failed" = 0 ] || printf '# %d of %d failed; log: %s\n' "$failed" "$count" "$log"
[ "$failed" = 0 ]
