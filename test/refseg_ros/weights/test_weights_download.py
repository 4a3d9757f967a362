# SPDX-License-Identifier: Apache-2.0
"""Downloads from a server that cuts, stalls, lies and serves other files; kill -9; no network."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bad_server import Server, serving
from checkout import DOCS
from safetensors.numpy import save
from typer.testing import CliRunner

from refseg_ros.cli.main import app
from refseg_ros.errors import WeightsError
from refseg_ros.weights import catalogue, fetching
from refseg_ros.weights.catalogue import File, Published
from refseg_ros.weights.downloading import download, verify
from refseg_ros.weights.fetching import Patience

CONTENT = random.Random(0).randbytes(300_000)
SHA = hashlib.sha256(CONTENT).hexdigest()
TENSORS = save({"weight": np.arange(20_000, dtype=np.float32)})
HASTY = Patience(timeout=0.3, attempts=2, pause=0.01)
ONE = Published(
    "one.pth", "https://example.org", "MIT", 1, (File("", "http://x/one", len(CONTENT), SHA),)
)
FOLDER = Published(
    "folder",
    "https://example.org",
    "MIT",
    1,
    (
        File("config.json", "owner/name/resolve/main/config.json", 2),
        File("deep/model.safetensors", "owner/name/resolve/main/deep/model.safetensors", 80_000),
    ),
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    files = {"one.pth": CONTENT, "folder/config.json": b"{}"}
    with serving({**files, "folder/deep/model.safetensors": TENSORS}) as server:
        monkeypatch.setenv("REFSEG_MIRROR", server.url)
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HF_ENDPOINT"):
            monkeypatch.delenv(name, raising=False)
        yield server


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_files_come_whole_with_their_checksums_and_are_not_fetched_twice(
    server: Server, tmp_path: Path
) -> None:
    heard: list[tuple[int, int]] = []
    assert (
        len(
            download(
                [ONE, FOLDER], tmp_path, advance=lambda item, file: lambda *a: heard.append(a)
            )
        )
        == 3
    )
    assert (tmp_path / "one.pth").read_bytes() == CONTENT
    assert (tmp_path / "folder/deep/model.safetensors").read_bytes() == TENSORS
    assert _files(tmp_path) == {
        name + ending
        for name in ("one.pth", "folder/config.json", "folder/deep/model.safetensors")
        for ending in ("", ".sha256")
    }
    assert (len(CONTENT), len(CONTENT)) in heard
    assert verify(ONE, tmp_path) == verify(FOLDER, tmp_path) == []
    before = len(server.asked)
    assert download([ONE, FOLDER], tmp_path) == []
    assert len(server.asked) == before


@pytest.mark.parametrize("fault", ["cut:100000", "stall:100000", "long:50"])
@pytest.mark.parametrize("item", [ONE, FOLDER], ids=["checksum", "tag"])
def test_broken_connections_are_gone_on_with(
    server: Server, tmp_path: Path, fault: str, item: Published
) -> None:
    path = "one.pth" if item is ONE else "folder/deep/model.safetensors"
    size = len(server.files[path])
    kind, _, number = fault.partition(":")
    server.faults[path] = [f"{kind}:{min(int(number), size // 2)}"]
    download([item], tmp_path, patience=HASTY)
    assert (tmp_path / path).read_bytes() == server.files[path]
    ranges = [wanted for name, wanted, _ in server.asked if name == path]
    assert ranges[0] == ""
    assert len(ranges) == 2
    assert ranges[1].startswith("bytes=")


def test_without_checksum_and_tag_a_part_is_not_trusted(server: Server, tmp_path: Path) -> None:
    server.tags = False
    path = "folder/deep/model.safetensors"
    server.faults[path] = ["cut:4000"]
    download([FOLDER], tmp_path, patience=HASTY)
    assert (tmp_path / path).read_bytes() == TENSORS
    assert [wanted for name, wanted, _ in server.asked if name == path] == ["", ""]


def test_a_connection_that_brings_nothing_ends_and_keeps_what_came(
    server: Server, tmp_path: Path
) -> None:
    server.faults["one.pth"] = ["cut:1000", *["cut:0"] * 9]
    with pytest.raises(WeightsError, match=r"1000 of 300000 bytes; 1000 bytes are kept"):
        download([ONE], tmp_path, patience=HASTY)
    assert _files(tmp_path) == {"one.pth.part", "one.pth.part.etag"}
    server.faults.clear()
    download([ONE], tmp_path, patience=HASTY)
    assert server.asked[-1][1] == "bytes=1000-"
    assert (tmp_path / "one.pth").read_bytes() == CONTENT


def test_another_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["one.pth"] = CONTENT[::-1]
    with pytest.raises(WeightsError, match="is not the published file"):
        download([ONE], tmp_path)
    assert not list(tmp_path.iterdir())  # no empty part either


def test_a_file_that_is_told_too_short_is_refused(server: Server, tmp_path: Path) -> None:
    server.faults["one.pth"] = ["short:100"]
    with pytest.raises(WeightsError, match="is not the published file"):
        download([ONE], tmp_path)
    server.faults["folder/deep/model.safetensors"] = ["short:100"]
    with pytest.raises(WeightsError, match="damaged or a different file"):
        download([FOLDER], tmp_path)
    assert not (tmp_path / "folder/deep/model.safetensors").exists()


def test_a_part_of_another_file_is_given_up(server: Server, tmp_path: Path) -> None:
    (tmp_path / "one.pth.part").write_bytes(b"x" * 5000)
    download([ONE], tmp_path)
    assert (tmp_path / "one.pth").read_bytes() == CONTENT
    assert [wanted for _, wanted, _ in server.asked] == ["bytes=5000-", ""]


@pytest.mark.parametrize("length", [300_000, 400_000])
def test_a_part_that_is_too_long_is_given_up(server: Server, tmp_path: Path, length: int) -> None:
    (tmp_path / "one.pth.part").write_bytes((CONTENT * 2)[:length])
    download([ONE], tmp_path, patience=HASTY)
    assert (tmp_path / "one.pth").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_begun_again(server: Server, tmp_path: Path) -> None:
    path = "folder/deep/model.safetensors"
    server.faults[path] = ["cut:4000", *["cut:0"] * 9]
    with pytest.raises(WeightsError):
        download([FOLDER], tmp_path, patience=HASTY)
    server.faults.clear()
    server.files[path] = save({"other": np.ones(9, np.float32)})
    download([FOLDER], tmp_path, patience=HASTY)
    assert (tmp_path / path).read_bytes() == server.files[path]


@pytest.mark.parametrize(
    ("fault", "says"),
    [("404", "404"), ("403", "HF_TOKEN"), ("html", "is a web page"), ("500", "500")],
)
def test_what_a_server_refuses_is_said(
    server: Server, tmp_path: Path, fault: str, says: str
) -> None:
    server.faults["one.pth"] = [fault] * 9
    with pytest.raises(WeightsError, match=says) as error:
        download([ONE], tmp_path, patience=HASTY)
    assert server.url in str(error.value)
    assert not (tmp_path / "one.pth").exists()


def test_a_server_that_ignores_ranges_sends_all(server: Server, tmp_path: Path) -> None:
    server.faults["one.pth"] = ["cut:1000", "whole"]
    download([ONE], tmp_path, patience=HASTY)
    assert (tmp_path / "one.pth").read_bytes() == CONTENT


def test_no_server_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFSEG_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match="no connection"):
        download([ONE], tmp_path, patience=HASTY)


def test_the_disk_is_looked_at_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(WeightsError, match=r"0\.00 GB are free.*REFSEG_CACHE"):
        download([ONE], tmp_path)
    assert not server.asked


def test_a_full_disk_keeps_the_part(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "digest", full)
    with pytest.raises(WeightsError, match="No space left on device"):
        download([ONE], tmp_path)
    assert (tmp_path / "one.pth.part").stat().st_size == len(CONTENT)


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_asks_nobody(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    download([ONE], tmp_path)
    monkeypatch.setenv(name, "1")
    assert download([ONE], tmp_path) == []
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE forbids downloading folder"):
        download([FOLDER], tmp_path)
    assert len(server.asked) == 1


def test_mirrors_of_the_hub_and_its_token(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REFSEG_MIRROR")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    for file in FOLDER.files:
        server.files[file.address] = server.files[f"folder/{file.path}"]
    download([FOLDER], tmp_path)
    assert {name for name, _, _ in server.asked} == {file.address for file in FOLDER.files}
    assert {key for _, _, key in server.asked} == {"Bearer secret"}
    assert File("", "https://elsewhere/x", 1).url("x") == "https://elsewhere/x"


def test_the_checksum_that_the_hub_publishes_is_compared(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REFSEG_MIRROR")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    config, tensors = FOLDER.files
    server.files[config.address] = b"{}"
    server.linked[tensors.address] = ("elsewhere", hashlib.sha256(TENSORS).hexdigest())
    server.files["elsewhere"] = save({"other": np.ones(9, np.float32)})  # whole, but another
    with pytest.raises(WeightsError, match="is not the published file"):
        download([FOLDER], tmp_path)
    server.files["elsewhere"] = TENSORS
    server.faults["elsewhere"] = ["cut:4000"]
    server.tags = False  # the checksum alone allows to go on
    download([FOLDER], tmp_path, patience=HASTY)
    assert (tmp_path / "folder/deep/model.safetensors").read_bytes() == TENSORS
    there = [(wanted, key) for name, wanted, key in server.asked if name == "elsewhere"]
    assert there[-1] == ("bytes=4000-", "")  # the token stays with the hub


def test_damage_is_found_without_a_network(server: Server, tmp_path: Path) -> None:
    download([ONE, FOLDER], tmp_path)
    path = tmp_path / "folder/deep/model.safetensors"
    path.write_bytes(TENSORS[:-1] + b"\x01")
    (tmp_path / "one.pth").unlink()
    (tmp_path / "folder/config.json.sha256").unlink()
    faults = [*verify(ONE, tmp_path), *verify(FOLDER, tmp_path)]
    assert [fault.split(": ")[1].split(",")[0] for fault in faults] == [
        "missing",
        "damaged",
    ]


def test_what_was_put_there_by_hand_is_held_against_its_format(tmp_path: Path) -> None:
    config, tensors = (FOLDER.place(file, tmp_path) for file in FOLDER.files)
    tensors.parent.mkdir(parents=True)
    config.write_text("{}", "utf-8")
    tensors.write_bytes(TENSORS)
    assert verify(FOLDER, tmp_path) == []
    config.write_text('{"half', "utf-8")
    tensors.write_bytes(TENSORS[:-1])
    faults = verify(FOLDER, tmp_path)
    assert [fault.split(": ")[1].split(" (")[0] for fault in faults] == ["damaged", "damaged"]


def test_a_file_that_no_network_needs_is_not_missed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, tensors = FOLDER.files
    item = replace(FOLDER, files=(config, replace(tensors, optional=True)))
    config = item.place(config, tmp_path)
    config.parent.mkdir()
    config.write_text("{}", "utf-8")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert download([item], tmp_path) == []
    assert verify(item, tmp_path) == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert len(download([item], tmp_path)) == 1


def test_two_processes_do_not_write_one_file(server: Server, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "one.pth.part").open("ab") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        with pytest.raises(WeightsError, match="another process is downloading it"):
            download([ONE], tmp_path)


def test_kill_9_loses_nothing(server: Server, tmp_path: Path) -> None:
    server.files["one.pth"] = content = CONTENT * 8
    sha = hashlib.sha256(content).hexdigest()
    server.faults["one.pth"] = ["slow:0.05"]
    code = (
        "import sys; from pathlib import Path; from refseg_ros.weights.catalogue import *;"
        "from refseg_ros.weights.downloading import download;"
        f"item = Published('one.pth', '', 'MIT', 1, (File('', '', {len(content)}, '{sha}'),));"
        "download([item], Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    process = subprocess.Popen(command, env=os.environ)
    part = tmp_path / "one.pth.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 500_000):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    assert 500_000 < kept < len(content)
    assert not (tmp_path / "one.pth").exists()
    subprocess.run(command, env=os.environ, check=True)
    assert (tmp_path / "one.pth").read_bytes() == content
    assert [wanted for _, wanted, _ in server.asked] == ["", f"bytes={kept}-"]


# The command


def test_the_commands(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    monkeypatch.setattr(catalogue, "CATALOGUE", (ONE, FOLDER))
    for module in ("refseg_ros.weights", "refseg_ros.weights.needs"):
        monkeypatch.setattr(f"{module}.CATALOGUE", (ONE, FOLDER))
    run = CliRunner().invoke
    listed = run(app, ["weights", "list"])
    assert "one.pth" in listed.output
    assert run(app, ["weights", "verify", "folder"]).exit_code == 1
    fetched = run(app, ["weights", "download", "one.pth", "folder"])
    assert fetched.exit_code == 0, fetched.output
    assert f"wrote {tmp_path / 'one.pth'}" in fetched.output
    assert run(app, ["weights", "verify", "one.pth", "folder"]).exit_code == 0
    assert "nothing to download" in run(app, ["weights", "download", "one.pth"]).output
    found = run(app, ["weights", "path", "folder"])
    assert found.output.strip() == str(tmp_path / "folder")
    unknown = run(app, ["weights", "download", "nonesuch"])
    assert unknown.exit_code == 1
    assert "no 'nonesuch'" in unknown.output
    assert "one.pth" in unknown.output


def test_the_sums_in_the_docs_are_those_of_the_catalogue() -> None:
    from refseg_ros.config import SegmenterConfig
    from refseg_ros.weights.needs import needed

    text = (DOCS / "reproduce.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)`.*\| ([\d.]+) GB \| ([\d.]+) GB \|$", text, re.MULTILINE)
    published = {"paper", "paper_rn50", "paper_ref_diff", "best", "fast", "edge", "gdino", "sam3"}
    assert {preset for preset, _, _ in told} == published
    for preset, size, memory in told:
        items = needed(SegmenterConfig.from_preset(preset))
        assert float(size) == pytest.approx(sum(item.size for item in items), abs=0.051)
        assert float(memory) == pytest.approx(sum(item.memory for item in items), abs=0.051)


def test_the_guides_choice_of_presets_is_that_of_the_catalogue() -> None:
    from refseg_ros.config import SegmenterConfig, preset_names
    from refseg_ros.weights.needs import needed

    text = (DOCS / "guide.md").read_text(encoding="utf-8")
    table = text.split("### Which preset do I take?")[1].split("\n\n- ")[0].strip().splitlines()
    told: list[str] = []
    for line in table[2:]:
        machine, presets, networks, download, memory, licences, _ = (
            cell.strip() for cell in line.strip("|").split("|")
        )
        assert networks
        for preset in re.findall(r"`(\w+)`", presets):
            told.append(preset)
            config = SegmenterConfig.from_preset(preset)
            items = needed(config)
            if not items:
                assert download == memory == ("none" if preset == "given" else "bundled")
                continue
            sums = (sum(item.size for item in items), sum(item.memory for item in items))
            shown = [float(cell.removesuffix(" GB")) for cell in (download, memory)]
            assert shown == pytest.approx(sums, abs=0.051)
            asked = {item.licence + " (gated)" * bool(item.gated) for item in items}
            assert set(licences.split(", ")) == asked
            if room := re.search(r"(\d+) GB", machine):
                assert sums[1] < 0.8 * float(room[1])
            # What is said in lists agrees too.
            if said := re.search(r"([\d.]+) GB$", config.description):
                assert float(said[1]) == pytest.approx(sums[0], abs=0.51)
    assert sorted(told) == sorted(preset_names())


def test_gated_weights_say_what_to_accept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from refseg_ros.weights import resolve

    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"SAM License.*accept the SAM License.*HF_TOKEN"):
        resolve("sam3")
    with pytest.raises(WeightsError, match=r"put them at [^;]*$"):
        resolve("grounding-dino-tiny")


def test_the_catalogue_is_sound() -> None:
    names = [item.name for item in catalogue.CATALOGUE]
    assert len(set(names)) == len(names)
    for item in catalogue.CATALOGUE:
        assert item.source.startswith("https://")
        assert item.licence
        assert item.size > 0
        for file in item.files:
            assert file.url(item.name).startswith("https://")
            assert not file.sha256 or len(bytes.fromhex(file.sha256)) == 32
            assert not Path(file.path).is_absolute()
            assert ".." not in file.path
