"""Outputs appear whole or not at all, and inputs are checked before they are read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from repbnn_edge import files
from repbnn_edge.errors import BadInputError, StorageError, UsageError


def litter(folder: Path) -> list[str]:
    return [item.name for item in folder.iterdir() if "repbnn-partial" in item.name]


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.tflite"
    files.write_whole(path, b"one")
    files.write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert litter(tmp_path) == []


def test_a_pipe_or_device_is_written_into_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        files.write_whole(pipe, b"one")
        assert read.result() == b"one"
    assert pipe.is_fifo() and litter(tmp_path) == []
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(StorageError, match="no space left"):
        files.write_whole(full, b"one")
    assert full.is_symlink()


def test_scratch_of_the_dead_is_swept_and_of_the_living_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "from repbnn_edge import files; import os, signal; folder = files.new_scratch_folder(); print(folder)\n"
    code += "(folder / 'in').write_text('x'); os.sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    left = Path(killed.stdout.strip())
    assert left.parent == tmp_path and (left / "in").exists()
    somebodys = [tmp_path / name for name in ("repbnn-x-y", "repbnn-1", "repbnn-999999999", "other-1-x")]
    for folder in somebodys:
        folder.mkdir()
    with files.scratch_folder() as own:
        files.sweep_scratch()
        assert own.is_dir() and not left.exists()
    assert not own.exists()
    assert all(folder.is_dir() for folder in somebodys)


def test_an_existing_file_is_kept_without_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "out.tflite"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="--force"):
        files.write_whole(path, b"new", overwrite=False)
    assert path.read_bytes() == b"mine"
    assert litter(tmp_path) == []


def test_of_two_writers_at_once_exactly_one_wins_without_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "out.tflite"

    def write(number: int) -> bool:
        try:
            files.write_whole(path, bytes([number]) * 1000, overwrite=False)
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1
    assert len(set(path.read_bytes())) == 1
    assert litter(tmp_path) == []


def test_what_a_dead_run_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    path = tmp_path / "out[1].tflite"
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = tmp_path / f".out[1].tflite.repbnn-partial-{int(dead.stdout)}-00"
    alive = tmp_path / f".out[1].tflite.repbnn-partial-{os.getppid()}-00"
    foreign = tmp_path / ".other.tflite.repbnn-partial-1-00"
    for partial in (left, alive, foreign):
        partial.write_bytes(b"x")
    files.write_whole(path, b"new")
    assert not left.exists()
    assert alive.exists()
    assert foreign.exists()


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "out.tflite"
    code = (
        "import sys; from pathlib import Path; from repbnn_edge import files\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for value in b'ab': files.write_whole(Path(sys.argv[1]), bytes([value]) * 300_000)\n"
    )
    for attempt in range(12):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.003 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if path.exists():
            content = path.read_bytes()
            assert len(content) == 300_000
            assert len(set(content)) == 1
    files.write_whole(path, b"end")
    assert litter(tmp_path) == []


def test_a_full_disk_is_a_storage_error_and_leaves_nothing() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    error = files.storage_error(Path("out.tflite"), OSError(28, "No space left on device"))
    assert error.exit_code == 9
    assert "free some space" in str(error)


@pytest.mark.parametrize("name", ["missing/out.tflite", "x" * 300])
def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError):
        files.write_whole(tmp_path / name, b"x")


def test_an_output_is_checked_before_work_goes_into_it(tmp_path: Path) -> None:
    files.check_output(tmp_path / "new")
    files.check_output(Path("/dev/null"))
    assert list(tmp_path.iterdir()) == []
    for path, words in ((tmp_path / "no" / "new", "create the folder"), (tmp_path, "not a folder")):
        with pytest.raises(StorageError, match=words):
            files.check_output(path)


def test_inputs_are_checked_before_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"12345")
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    for path, words in (
        (tmp_path / "missing", "no such file"),
        (tmp_path, "it is a folder"),
        (tmp_path / "empty", "it is empty"),
        (fifo, "not a regular file"),
        (Path("x" * 5000), "too long"),
    ):
        with pytest.raises(BadInputError, match=words):
            files.read_input(path)
    with pytest.raises(BadInputError, match="more than 4"):
        files.read_input(tmp_path / "large", limit=4)


def test_the_hash_of_a_folder_knows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    first = files.sha256_of(tmp_path)
    assert first == files.sha256_of(tmp_path)
    (tmp_path / "b").rename(tmp_path / "c")
    assert files.sha256_of(tmp_path) != first
