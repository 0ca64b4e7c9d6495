#!/bin/sh
# Becomes redis-server on a unix socket of its own; the child it leaves behind loads it and ends it.
#
# The process that is measured is thus the server and nothing else. It stands in the run's scratch
# folder, so that the socket's path is short and nothing of it survives the run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${TMPDIR:?the folder for the socket}"
rm -f redis.sock
env -u LD_PRELOAD HZ_HELPER=1 /usr/bin/python3 -I -S "$here/redis_load.py" "$@" &
# Debian's redis-server is linked to jemalloc. Where nothing is preloaded, the C library is meant.
[ -n "${LD_PRELOAD:-}" ] || export LD_PRELOAD=libc.so.6
exec redis-server --port 0 --unixsocket redis.sock --save "" --appendonly no --loglevel warning \
  --activedefrag no
