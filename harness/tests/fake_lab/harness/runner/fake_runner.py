#!/usr/bin/python3
"""Speaks the runner's protocol without measuring: fixed figures, the workload's own result.

Accidents on demand, through the lane's environment:
  FAKE_UNMAPPED=1          says that the library was not mapped
  FAKE_HIT=FILE            counts FILE's number down; at 0 it sends the signal named in its second line
                           to the harness that started it, and waits for its own end
  FAKE_RUNNER=crash|garble|killed  ends without a line, with nonsense, or by SIGKILL
  FAKE_FAULT=FILE          does the first while FILE exists, and removes it; the last if FILE says SIGKILL
"""

import json
import os
import signal
import subprocess
import sys
import time


def countdown(path: str) -> None:
    try:
        with open(path, encoding="ascii") as stream:
            left, name = stream.read().split()
    except FileNotFoundError:
        return
    if int(left) > 0:
        with open(path, "w", encoding="ascii") as stream:
            stream.write(f"{int(left) - 1}\n{name}\n")
        return
    os.unlink(path)
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    os.kill(os.getppid(), getattr(signal, name))
    time.sleep(60)


def main() -> int:
    job = json.load(sys.stdin)
    env = dict(job["env"])
    if "FAKE_HIT" in env:
        countdown(env["FAKE_HIT"])
    if "FAKE_FAULT" in env and os.path.exists(env["FAKE_FAULT"]):
        with open(env["FAKE_FAULT"], encoding="ascii") as stream:
            killed = stream.read() == "SIGKILL"
        os.unlink(env["FAKE_FAULT"])
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)
        return 5
    if env.get("FAKE_RUNNER") == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if env.get("FAKE_RUNNER") == "crash":
        print("fake runner: out of luck", file=sys.stderr)
        return 5
    if env.get("FAKE_RUNNER") == "garble":
        print("{half a li")
        return 0
    if job["preload"]:
        env["LD_PRELOAD"] = job["preload"]
    reader, writer = os.pipe()
    env["HZ_RESULT_FD"] = str(writer)
    with open(job["stdout_path"], "wb") as out, open(job["stderr_path"], "wb") as err:
        child = subprocess.Popen(job["argv"], env=env, cwd=job["cwd"], stdin=subprocess.DEVNULL, stdout=out, stderr=err, pass_fds=(writer,))
        os.close(writer)
        timed_out = False
        try:
            status = child.wait(job["timeout_s"])
        except subprocess.TimeoutExpired:
            child.kill()
            status, timed_out = child.wait(), True
        with os.fdopen(reader, "rb") as stream:
            text = stream.read()
    if job["csv_path"]:
        with open(job["csv_path"], "w", encoding="ascii") as stream:
            stream.write("t_ms,rss_kb,vms_kb,pss_kb,uss_kb,lazyfree_kb,anon_huge_kb,phase,cycle\n")
            stream.writelines(f"{t},{1000 + t},9000,,,,,joined,0\n" for t in (0, 10, 20))
    mark = {"pss_kb": 900, "uss_kb": 800, "lazyfree_kb": 100, "anon_huge_kb": 0}
    line = {
        "schema": 1,
        "ok": status == 0,
        "error": None,
        "exit_status": status if status >= 0 else None,
        "signal": -status if status < 0 else None,
        "timed_out": timed_out,
        "interrupted": False,
        "wall_ns": 2_000_000_000,
        "user_ns": 1_000_000_000,
        "sys_ns": 10_000_000,
        "minflt": 100,
        "majflt": 0,
        "nvcsw": 1,
        "nivcsw": 2,
        "max_rss_kb": 2000,
        "mapped": [{"path": path, "inode": 1, "dev": 1, "found": "FAKE_UNMAPPED" not in env} for path in job["expect_mapped"]],
        "marks": [
            {"t_ms": 0, "phase": "joined", "cycle": 0, "rss_kb": 2000, **mark},
            {"t_ms": 1000, "phase": "end", "cycle": 0, "rss_kb": 1500, **mark},
        ],
        "result": json.loads(text) if text else None,
        "samples": 3 if job["csv_path"] else 0,
        "missed_deadlines": 0,
        "machine": {"steal_ms": 0, "psi_cpu_some_us": 0, "psi_mem_some_us": None, "psi_io_some_us": 0, "load1": 0.5},
    }
    print(json.dumps(line))
    return 0


sys.exit(main())
