"""Real programs whose answer does not depend on the allocator, each run once in an empty directory.

A scenario prints its answer on stdout; the same scenario under another malloc must print the same
and end with the same status.
"""
from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120

BASH = r"""
set -e
words=()
for i in $(seq 1 2000); do words+=("word$((i * 7919 % 1009))"); done
declare -A count
for w in "${words[@]}"; do count[$w]=$(( ${count[$w]:-0} + 1 )); done
for w in "${!count[@]}"; do echo "$w ${count[$w]}"; done | sort | head -20
text=$(printf '%s\n' "${words[@]}" | sort -u | tr '\n' ' ')
echo ${#text}
for i in 1 2 3 4 5; do ( echo "child $i" ) | cat; done
false || echo "status $?"
exit 7
"""

PYTHON = r"""
import hashlib, json, subprocess, sys, threading

def work(n, out):
    rows = [{"id": i, "name": "x" * (i % 300), "values": list(range(i % 40))} for i in range(n)]
    for _ in range(3):
        rows = json.loads(json.dumps(rows))
    out.append(hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest())

results = []
threads = [threading.Thread(target=work, args=(1000 + 100 * (i % 2), results)) for i in range(6)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(results))
big = bytearray()
for i in range(300):
    big += bytes([i % 256]) * 5000
print(hashlib.sha256(big).hexdigest())
done = subprocess.run([sys.executable, "-c", "print(sum(range(10**6)))"], capture_output=True)
print(done.stdout, done.returncode)
sys.exit(3)
"""

GIT = r"""
set -e
export GIT_AUTHOR_DATE='2026-01-09T00:00:00Z' GIT_COMMITTER_DATE='2026-01-09T00:00:00Z'
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git -c init.defaultBranch=main init -q repo
cd repo
git config user.name 'A Test' && git config user.email test@example.com
for i in 1 2 3 4 5; do
  seq 1 $((i * 1000)) > "file$i"
  mkdir -p "dir$i" && seq $i 500 > "dir$i/numbers"
  git add . && git commit -q -m "commit $i"
done
git checkout -q -b side HEAD~2
seq 5 300 > other && git add other && git commit -q -m side
git checkout -q main && git merge -q side -m merge
git gc -q
git log --oneline --stat | cat
git fsck --full 2>&1
git diff HEAD~3 --stat | cat
git rev-parse HEAD
"""

CXX = r"""
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

int main() {
  std::map<std::string, std::vector<int>> by_name;
  for (int i = 0; i < 20000; ++i) by_name["key" + std::to_string(i % 777)].push_back(i);
  std::vector<std::thread> threads;
  std::vector<long> sums(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      auto copy = std::make_shared<std::map<std::string, std::vector<int>>>(by_name);
      for (const auto& [name, values] : *copy) sums[t] += static_cast<long>(name.size() * values.size());
    });
  }
  for (auto& thread : threads) thread.join();
  for (const long sum : sums) std::cout << sum << ' ';
  std::cout << by_name.size() << ' ' << by_name["key5"].at(3) << std::endl;
  try {
    std::vector<char> huge(static_cast<size_t>(-1) / 4);
  } catch (const std::exception& error) {
    std::cout << "caught" << std::endl;
  }
  return 5;
}
"""

SQLITE = r"""
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL, body BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
  INSERT INTO t SELECT i, 'name' || (i * 7919 % 1009), i / 7.0, zeroblob(i % 600) FROM n;
CREATE INDEX t_name ON t(name);
CREATE INDEX t_value ON t(value, name);
SELECT count(*), sum(length(body)), round(sum(value), 3) FROM t;
SELECT name, count(*) FROM t GROUP BY name ORDER BY 2 DESC, 1 LIMIT 5;
SELECT a.id, b.id FROM t a JOIN t b ON a.name = b.name AND a.id < b.id ORDER BY a.id, b.id LIMIT 5;
DELETE FROM t WHERE id % 3 = 0;
UPDATE t SET name = upper(name) WHERE id % 5 = 0;
SELECT count(*), max(name) FROM t;
SELECT group_concat(id) FROM (SELECT id FROM t ORDER BY value DESC LIMIT 20);
VACUUM;
PRAGMA integrity_check;
"""

REDIS = r"""
# $1: the socket. The server is a child of this script and ends with it.
redis-server --port 0 --unixsocket "$1" --save '' --appendonly no --daemonize no \
  --dir "$PWD" --logfile redis.log >/dev/null &
server=$!
trap 'kill $server 2>/dev/null' EXIT
cli() { redis-cli -s "$1" "${@:2}"; }
for attempt in $(seq 1 200); do
  [ "$(cli "$1" ping 2>/dev/null)" = PONG ] && break
  sleep 0.05
done
socket=$1
for i in $(seq 1 3000); do
  printf 'SET key:%d %0*d\n' $i $((i % 300 + 1)) $i
  echo "RPUSH list:$((i % 10)) element$i"
  echo "HSET hash:$((i % 50)) field$i value$i"
  echo "ZADD scores $((i * 7919 % 1009)) member$i"
done | redis-cli -s "$socket" --pipe | tail -1
cli "$socket" DBSIZE
cli "$socket" LLEN list:3
cli "$socket" GET key:299
cli "$socket" ZRANGE scores 0 5 WITHSCORES
cli "$socket" EVAL 'local s = 0 for i = 1, 3000 do s = s + #redis.call("GET", "key:" .. i) end return s' 0
for i in $(seq 1 2 3000); do echo "DEL key:$i"; done | redis-cli -s "$socket" --pipe | tail -1
cli "$socket" MEMORY PURGE
cli "$socket" DBSIZE
cli "$socket" BGSAVE >/dev/null
for attempt in $(seq 1 200); do
  [ "$(cli "$socket" INFO persistence | tr -d '\r' | grep -c 'rdb_bgsave_in_progress:0')" = 1 ] && break
  sleep 0.05
done
cli "$socket" INFO persistence | tr -d '\r' | grep rdb_last_bgsave_status
cli "$socket" SHUTDOWN NOSAVE
wait $server
echo "server ended with $?"
"""


@dataclass(frozen=True)
class Answer:
    """What a run of a scenario said and how it ended."""

    stdout: str
    status: int
    complaints: tuple[str, ...]  # lines on stderr that are not the allocator's statistics


@dataclass(frozen=True)
class Scenario:
    """A program to run: files to lay out first, the command, and what must be installed."""

    name: str
    files: dict[str, str]
    command: tuple[str, ...]
    needs: tuple[str, ...]


SCENARIOS = (
    Scenario("bash", {"script.sh": BASH}, ("bash", "script.sh"), ("bash", "seq", "sort")),
    Scenario("python", {"script.py": PYTHON}, ("/usr/bin/python3", "script.py"),
             ("/usr/bin/python3",)),
    Scenario("git", {"script.sh": GIT}, ("bash", "script.sh"), ("bash", "git")),
    Scenario("compiler", {"map.cpp": CXX},
             ("bash", "-c", "g++ -std=c++17 -O1 -pthread map.cpp -o map && ./map"),
             ("bash", "g++")),
    Scenario("sqlite", {"script.sql": SQLITE},
             ("bash", "-c", "sqlite3 test.db < script.sql"), ("bash", "sqlite3")),
    Scenario("redis", {"script.sh": REDIS}, ("bash", "script.sh", "./redis.sock"),
             ("bash", "redis-server", "redis-cli")),
)


def run_scenario(scenario: Scenario, directory: Path, preload: Path | None) -> Answer:
    """Runs the scenario in `directory`, under `preload` if given."""
    for name, text in scenario.files.items():
        (directory / name).write_text(text)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(directory), "LC_ALL": "C.UTF-8",
        "TMPDIR": str(directory), "PYTHONHASHSEED": "0",
    }
    if preload is not None:
        environment["LD_PRELOAD"] = str(preload)
    result = subprocess.run(
        scenario.command, cwd=directory, env=environment, text=True, errors="replace",
        capture_output=True, timeout=TIMEOUT_S, check=False)
    complaints = tuple(line for line in result.stderr.splitlines() if not line.startswith("[HZ3_"))
    # The statistics of a variant that prints them may reach a pipe that a scenario captures.
    stdout = "".join(line for line in result.stdout.splitlines(keepends=True)
                     if not line.startswith("[HZ3_"))
    return Answer(stdout, result.returncode, complaints)
