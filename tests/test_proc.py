"""Running commands that cannot be trusted to end, and programs that can."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gitagent
from gitagent import proc
from gitagent.core.claim import Process
from gitagent.core.errors import ExternalError

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads /proc, to see who is still alive"
)

SUPPORT = Path(__file__).parent / "support"
PATH = "/usr/local/bin:/usr/bin:/bin"
SOURCE = {"PATH": PATH, "PYTHONPATH": str(Path(gitagent.__file__).parents[1])}
MIB = 1024 * 1024


def never() -> bool:
    return False


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for `condition`; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


class Bench:
    """A folder to run commands in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.register = folder / "register"
        self.register.mkdir()

    def run(self, command: str | list[str], **options: Any) -> proc.Completed:
        """Run a command, with what the test does not care about filled in."""
        argv = proc.shell(command) if isinstance(command, str) else command
        filled = {"cwd": self.folder, "environment": {"PATH": PATH}, "log": self.log}
        return proc.run(argv, **{**filled, "timeout": 30.0, "stop": never, **options})

    def family(self, kind: str) -> list[str]:
        """Return the argv of a family that signs in at this bench."""
        script = str(SUPPORT / "proc_family.py")
        return [sys.executable, "-I", "-S", script, str(self.register), kind]

    def signed_in(self) -> list[Path]:
        """Return the processes that signed in, as files that hold when each began."""
        return [each for each in self.register.iterdir() if each.name.isdigit()]

    def survivors(self) -> list[int]:
        """Return the pids that signed in and are still alive."""
        return [int(each.name) for each in self.signed_in() if self._lives(each)]

    def _lives(self, entry: Path) -> bool:
        try:
            stat = Path("/proc", entry.name, "stat").read_text("ascii")
        except (FileNotFoundError, ProcessLookupError):
            return False
        fields = stat.rpartition(")")[2].split()
        return fields[0] not in "ZX" and fields[19] == entry.read_text("ascii")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# How a command ends


def test_a_command_gives_its_exit_code_and_what_it_printed_on_both_outputs(bench: Bench) -> None:
    done = bench.run("echo out; echo err >&2; exit 3")

    assert (done.exit_code, done.timed_out, done.stopped, done.not_found) == (3, *[False] * 3)
    assert done.output.text() == "out\nerr\n"
    assert bench.log.read_text("utf-8") == "out\nerr\n"
    assert 0 < done.seconds < 20


@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("KILL", 137), ("SEGV", 139)])
def test_a_command_ended_by_a_signal_of_its_own_gives_128_and_the_signal(
    bench: Bench, signal: str, code: int
) -> None:
    assert bench.run(f"ulimit -c 0; kill -{signal} $$").exit_code == code


def test_a_missing_program_is_told_from_one_that_failed(bench: Bench) -> None:
    (bench.folder / "plain").write_text("no program", "utf-8")
    (bench.folder / "plain2").write_text("no program either", "utf-8")
    (bench.folder / "plain2").chmod(0o755)
    (bench.folder / "script").write_text("#!/no/such/interpreter\n", "utf-8")
    (bench.folder / "script").chmod(0o755)

    for program in ("no-such-program", "./plain", "./plain2", "./script", "/", "./plain/x"):
        done = bench.run([program])
        assert (done.not_found, done.exit_code, done.output.text()) == (True, None, ""), program
    assert bench.run("no-such-program").exit_code == 127


def test_a_missing_folder_or_input_is_nobodys_failed_check(bench: Bench) -> None:
    with pytest.raises(ExternalError, match=r"cannot run `true` in `/nowhere`: No such file"):
        bench.run(["true"], cwd=Path("/nowhere"))
    with pytest.raises(ExternalError, match=r"cannot run `true` on `.*/none`: No such file"):
        bench.run(["true"], stdin=bench.folder / "none")


def test_only_a_regular_file_becomes_standard_input(bench: Bench) -> None:
    os.mkfifo(bench.folder / "pipe")
    (bench.folder / "link").symlink_to("/etc/passwd")

    for name in ("pipe", "link"):
        with pytest.raises(ExternalError, match=f"cannot run `cat` on `.*/{name}`"):
            bench.run(["cat"], stdin=bench.folder / name)


def test_a_command_that_reads_its_input_finds_it_empty_at_once(bench: Bench) -> None:
    done = bench.run("cat; read x || echo none")

    assert (done.output.text(), done.exit_code) == ("none\n", 0)


def test_a_command_reads_the_file_it_is_given(bench: Bench) -> None:
    (bench.folder / "prompt").write_text("Mend the pager", "utf-8")

    assert bench.run(["cat"], stdin=bench.folder / "prompt").output.text() == "Mend the pager"


# What a command gets


def test_a_command_gets_the_given_environment_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "secret")
    given = {"PATH": PATH, "WORDS": "two words\nand a line", "BYTES": "caf\udce9"}

    bench.run(["cp", "/proc/self/environ", "seen"], environment=given)

    entries = (bench.folder / "seen").read_bytes().split(b"\0")
    assert sorted(entries) == sorted(
        [b"", b"PATH=%b" % PATH.encode(), b"WORDS=two words\nand a line", b"BYTES=caf\xe9"]
    )


def test_a_command_gets_its_arguments_byte_for_byte(bench: Bench) -> None:
    bench.run(["cp", "/proc/self/cmdline", "seen \udce9\n'\""])

    seen = os.fsencode(bench.folder) + b"/seen \xe9\n'\""
    assert Path(os.fsdecode(seen)).read_bytes().endswith(b"\0seen \xe9\n'\"\0")


def test_the_guard_has_no_environment_of_ours_to_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "secret")

    done = bench.run("cat /proc/$PPID/environ /proc/$PPID/cmdline | tr '\\0' ' '")

    assert "guard.py" in done.output.text()
    assert "CANARY" not in done.output.text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_the_guard_cannot_be_reached_through_proc(bench: Bench) -> None:
    done = bench.run("ls /proc/$PPID/fd; cat /proc/$PPID/environ; : > /proc/$PPID/mem")

    assert done.output.text().count("ermission denied") == 3


def test_no_descriptor_leaks_into_a_command(bench: Bench) -> None:
    script = "import os; print(*(os.readlink(f'/proc/self/fd/{n}') for n in '012'));"
    script += "print(len(os.listdir('/proc/self/fd')))"
    with (bench.folder / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)

        done = bench.run([sys.executable, "-I", "-S", "-c", script])

    stdin, stdout, stderr, count = done.output.text().split()
    assert stdin == "/dev/null"
    assert stdout == stderr
    assert stdout.startswith("pipe:")
    assert count == "4"  # the fourth is the listing itself


def test_a_command_starts_with_every_signal_as_usual(bench: Bench) -> None:
    done = bench.run("grep -E 'Sig(Ign|Blk)' /proc/self/status")

    assert [line.split()[1] for line in done.output.text().splitlines()] == ["0" * 16] * 2


def test_a_command_has_a_session_of_its_own(bench: Bench) -> None:
    done = bench.run("cat /proc/$$/stat")

    fields = done.output.text().rpartition(")")[2].split()
    pid = done.output.text().split()[0]
    assert fields[2:5] == [pid, pid, "0"]  # group, session, no terminal


# What a command prints


def test_output_beyond_128_kib_keeps_its_head_and_its_tail(bench: Bench) -> None:
    (bench.folder / "x").write_text("a" * 65536 + "b" * 1000 + "c" * 65536, "utf-8")

    output = bench.run("cat x").output

    assert (output.head, output.tail, output.omitted) == ("a" * 65536, "c" * 65536, 1000)
    assert bench.log.read_bytes() == (bench.folder / "x").read_bytes()


def test_a_character_on_either_edge_of_the_cut_is_not_torn(bench: Bench) -> None:
    for shift in range(4):
        (bench.folder / "x").write_text("x" * shift + "🎉" * 40000 + "x" * shift, "utf-8")
        output = bench.run("cat x").output
        assert output.omitted
        assert set(output.head + output.tail) <= set("x🎉")
    (bench.folder / "x").write_text("x" + "🎉" * 30000, "utf-8")
    assert bench.run("cat x").output.text() == "x" + "🎉" * 30000


def test_escapes_and_broken_utf8_leave_a_clean_log(bench: Bench) -> None:
    done = bench.run(r"printf '\033[31mred\033[0m \033]0;title\007\377\302 caf\351\r\n50%%\r100%%'")

    assert done.output.text() == "red \ufffd\ufffd caf\ufffd\n50%\n100%"
    assert bench.log.read_text("utf-8") == done.output.text()


def test_the_log_can_be_followed_while_the_command_runs(bench: Bench) -> None:
    done = bench.run(
        "echo ready; exec sleep 60", stop=lambda: "ready" in bench.log.read_text("utf-8")
    )

    assert (done.stopped, done.exit_code) == (True, None)
    assert done.seconds < 20


def test_a_link_left_where_the_log_goes_is_not_followed(bench: Bench) -> None:
    precious = bench.folder / "precious"
    precious.write_text("precious", "utf-8")
    bench.log.symlink_to(precious)

    bench.run("echo evil")

    assert precious.read_text("utf-8") == "precious"
    assert bench.log.read_text("utf-8") == "evil\n"


GIB = 1024 * MIB
FLOODS = {
    "zeros": f"head -c {GIB} /dev/zero",
    "one line": f"head -c {GIB} /dev/zero | tr '\\0' x",
    "lines": f"yes | head -c {GIB}",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_gibibyte_of_output_costs_no_memory_and_keeps_its_end(bench: Bench, flood: str) -> None:
    """SECURITY F14: at most 32 MiB more of resident memory, and the tail is right."""
    script = str(SUPPORT / "proc_flood.py")
    ending = r"; printf '\n\033[1m\377 1 failed\n'; exit 1"
    captured = proc.capture(
        [sys.executable, script, str(bench.folder), FLOODS[flood] + ending],
        cwd=bench.folder,
        environment=SOURCE,
    )
    cost = json.loads(captured.stdout)

    print(f"F14 {flood}: +{cost['growth'] / MIB:.1f} MiB, {cost['seconds']:.2f} s")
    assert cost["exit_code"] == 1
    assert cost["growth"] <= 32 * MIB
    assert cost["omitted"] == GIB + 16 - 2 * 65536
    assert cost["tail"].endswith("\n\ufffd 1 failed\n")
    assert cost["head"] == {"zeros": "", "one line": "x" * 65536, "lines": "y\n" * 32768}[flood]
    assert bench.log.stat().st_size <= proc.LOG_LIMIT + MIB
    with bench.log.open("rb") as log:
        log.seek(-min(bench.log.stat().st_size, 100_000), os.SEEK_END)
        end = log.read().decode()
    assert f"[... {GIB + 16 - proc.LOG_LIMIT - 65536} bytes cut here ...]" in end
    assert end.endswith("\n\ufffd 1 failed\n")


# Nothing outlives it


FAMILIES = {
    "setsid": 2,
    "daemon": 2,
    "loop": 1,
    "closed": 1,
    "unwilling": 3,
    "stopped": 2,
    "willing": 2,
    "many": 61,
    "relay": 20,
}


@pytest.mark.parametrize("kind", FAMILIES)
def test_nobody_survives_the_end_of_a_command(bench: Bench, kind: str) -> None:
    """SECURITY F15: all gone 5 s after the time is up, whatever they do; grace is 1 s here."""
    up: list[float] = []

    def time_is_up() -> bool:
        if len(bench.signed_in()) >= FAMILIES[kind]:
            up.append(time.monotonic())
        return bool(up)

    done = bench.run(bench.family(kind), stop=time_is_up, grace=1.0)

    taken = time.monotonic() - up[0]
    print(f"F15 {kind}: {len(bench.survivors())} survivors, gone after {taken:.2f} s")
    assert bench.survivors() == []
    assert taken < 5
    assert (done.stopped, done.timed_out, done.exit_code) == (True, False, None)
    if kind == "willing":
        assert done.output.text() == "cleaned up\n" * 2
        assert taken < 1


def test_a_command_that_ignores_its_timeout_is_gone_soon_after(bench: Bench) -> None:
    started = time.monotonic()
    done = bench.run(bench.family("unwilling"), timeout=1.0)

    assert (done.timed_out, done.stopped, done.exit_code) == (True, False, None)
    assert bench.survivors() == []
    print(f"F15 timeout of 1 s, grace of 2 s: gone after {time.monotonic() - started:.2f} s")
    assert time.monotonic() - started < 1 + 5


def test_a_daemon_left_behind_ends_with_its_command(bench: Bench) -> None:
    done = bench.run(bench.family("left_behind"))

    assert done.exit_code == 0
    assert len(bench.signed_in()) == 1
    assert bench.survivors() == []


def test_a_command_is_stopped_before_it_could_begin(bench: Bench) -> None:
    done = bench.run("sleep 60", stop=lambda: True)

    assert (done.stopped, done.exit_code) == (True, None)
    assert done.seconds < 5


def test_a_kill_9_of_gitagent_ends_its_commands(bench: Bench) -> None:
    runner = str(SUPPORT / "proc_runner.py")
    argv = [sys.executable, runner, str(bench.folder), *bench.family("daemon")]
    with subprocess.Popen(argv, env=SOURCE) as gitagent_process:
        until(lambda: len(bench.signed_in()) == 2)
        gitagent_process.kill()
        killed = time.monotonic()
        until(lambda: bench.survivors() == [], seconds=5)

    print(f"F15 kill -9 of gitagent: its commands are gone after {time.monotonic() - killed:.2f} s")


def test_an_interrupted_run_leaves_nobody_behind(bench: Bench) -> None:
    def interrupted() -> bool:
        if len(bench.signed_in()) == 2:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        bench.run(bench.family("daemon"), stop=interrupted)

    assert bench.survivors() == []


def test_a_command_that_kills_its_guard_gains_nothing(bench: Bench) -> None:
    done = bench.run(bench.family("kills_its_guard"))

    assert (done.exit_code, done.timed_out, done.stopped) == (None, False, False)
    assert "the process that guards this command was killed" in done.output.text()
    assert bench.survivors() == []


def test_a_command_that_stops_its_guard_is_ended_all_the_same(bench: Bench) -> None:
    done = bench.run("kill -STOP $PPID; echo stopped; exec sleep 60", timeout=1.0)

    assert done.timed_out
    assert done.output.text() == "stopped\n"
    assert done.seconds < 6


def test_a_log_that_cannot_be_written_ends_the_command(bench: Bench) -> None:
    behind = " ".join(bench.family("left_behind"))
    runner = [sys.executable, str(SUPPORT / "proc_runner.py"), str(bench.folder)]
    flood = ["/bin/sh", "-c", f"{behind}; exec /usr/bin/env yes"]

    ended = subprocess.run(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "-", *runner, *flood],
        env=SOURCE,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )

    assert b"OSError: [Errno 27] File too large" in ended.stderr
    assert len(bench.signed_in()) == 1
    assert bench.survivors() == []


def test_eight_commands_run_at_once_without_mixing(bench: Bench) -> None:
    def one(number: int) -> proc.Completed:
        lines = f"yes {number} | head -n 50000; exit {number}"
        return bench.run(lines, log=bench.folder / f"log{number}")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(8)))

    assert [done.exit_code for done in results] == list(range(8))
    assert [set(done.output.text().split()) for done in results] == [{str(n)} for n in range(8)]


def test_running_leaves_no_descriptor_and_no_child_of_ours(bench: Bench) -> None:
    bench.run("true")
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(5):
        bench.run("true")
        bench.run(["no-such-program"])

    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# Programs that are trusted


def test_a_program_is_captured_whole() -> None:
    script = "cat; echo err >&2; exit 4"
    captured = proc.capture(
        proc.shell(script), cwd=Path("/"), environment={"PATH": PATH}, stdin=b"in\xff\0" * 100_000
    )

    assert captured == proc.Captured(4, b"in\xff\0" * 100_000, b"err\n")


def test_a_program_that_is_missing_says_what_to_do() -> None:
    with pytest.raises(ExternalError, match="cannot run `gti`: No such file") as caught:
        proc.capture(["gti"], cwd=Path("/"), environment={"PATH": PATH})

    assert caught.value.hint == "install `gti`, or put the folder it is in on PATH"


def test_a_folder_that_is_missing_is_not_blamed_on_the_program() -> None:
    with pytest.raises(ExternalError, match="cannot run `true` in `/nowhere`: no such folder"):
        proc.capture(["true"], cwd=Path("/nowhere"), environment={"PATH": PATH})


def test_a_program_that_takes_too_long_is_killed_with_its_children(bench: Bench) -> None:
    with pytest.raises(ExternalError, match="did not end within 1 seconds and was killed"):
        proc.capture(bench.family("setsid"), cwd=bench.folder, environment={}, timeout=1)

    assert len(bench.signed_in()) == 2
    assert bench.survivors() == []


def test_what_a_program_leaves_running_does_not_hold_up_its_end(bench: Bench) -> None:
    started = time.monotonic()
    captured = proc.capture(
        proc.shell("sleep 30 & echo $!"), cwd=bench.folder, environment={"PATH": PATH}
    )
    os.kill(int(captured.stdout), 9)  # it still ran, holding the output

    assert time.monotonic() - started < 15


def test_a_program_ended_by_a_signal_gives_128_and_the_signal() -> None:
    captured = proc.capture(proc.shell("kill -9 $$"), cwd=Path("/"), environment={})

    assert captured.exit_code == 137


def test_a_program_is_found_on_the_given_path_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, mode in (("plain", 0o644), ("good", 0o755), ("here", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").touch(mode)
    monkeypatch.chdir(tmp_path / "here")

    def find(*folders: str | Path) -> Path | None:
        return proc.find_program("tool", os.pathsep.join(map(str, folders)))

    assert find("", ".", tmp_path / "plain", tmp_path / "good") == tmp_path / "good" / "tool"
    assert find("", ".", "here", tmp_path / "plain") is None
    assert proc.find_program(str(tmp_path / "good" / "tool"), "") == tmp_path / "good" / "tool"
    assert proc.find_program("sh", "") is None


# Who is dead


def identity(argv: list[str | Path]) -> tuple[subprocess.Popen[bytes], Process]:
    """Start a process that tells its identity and stays until its input is closed."""
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=SOURCE)
    assert process.stdout is not None
    return process, Process(**json.loads(process.stdout.readline()))


def test_a_process_is_dead_once_it_has_ended_and_even_before_it_is_collected() -> None:
    process, alive = identity([sys.executable, SUPPORT / "proc_alive.py"])
    with process:
        assert alive.pid == process.pid
        assert not proc.is_dead_here(alive)

        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert proc.is_dead_here(alive), "a zombie does no work"
    assert proc.is_dead_here(alive)


def test_a_later_process_with_the_same_pid_is_another_one() -> None:
    here = proc.this_process()

    assert not proc.is_dead_here(here)
    assert proc.is_dead_here(replace(here, pid_start=here.pid_start - 1))


def test_nobody_is_called_dead_whose_kernel_or_namespace_is_not_ours() -> None:
    gone = replace(proc.this_process(), pid=2**22 + 1)

    assert proc.is_dead_here(gone)
    assert not proc.is_dead_here(replace(gone, boot="another"))
    assert not proc.is_dead_here(replace(gone, pid_ns="another"))


def test_a_program_with_an_odd_name_is_told_from_a_zombie(tmp_path: Path) -> None:
    odd = tmp_path / "a) Z 1 (b"
    shutil.copy(SUPPORT / "proc_alive.py", odd)
    odd.write_text(f"#!{sys.executable}\n" + odd.read_text("utf-8"), "utf-8")
    odd.chmod(0o755)

    process, alive = identity([odd])
    with process:
        assert Path(f"/proc/{process.pid}/comm").read_text("utf-8") == "a) Z 1 (b\n"
        assert not proc.is_dead_here(alive)
