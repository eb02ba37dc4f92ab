"""Folders of studies: killed, damaged, full, read-only, in use or another's; nothing is lost, and one line says why."""

import errno
import os

import numpy as np
import pytest
import studies
from studies import assert_same_parts, parts, spawn

import polejax as pj
from polejax._core.folder import Folder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_killed_twenty_times(tmp_path):
    out, whole = str(tmp_path / "killed"), str(tmp_path / "whole")
    process = spawn("kill", out, 20, 0)
    lives = [line.split() for line in process.communicate(timeout=900)[0].splitlines()]
    assert [killed for _, killed in lives] == ["True"] * 20
    done = [int(count) for count, _ in lives]
    assert done == sorted(done)  # nothing lost
    assert 16 <= done[-1] < studies.MANY  # and not finished yet
    assert not pj.open_study(out).complete
    partial = pj.open_study(out).to_xarray()
    assert int((~partial["interval"].isnull()).any("height").sum()) == done[-1] * studies.SHARD
    written = {name: os.stat(os.path.join(out, "parts", name)).st_mtime_ns for name in os.listdir(f"{out}/parts")}
    studies.run(out, studies.MANY)
    studies.run(whole, studies.MANY)
    assert_same_parts(out, whole)
    for name, when in written.items():  # none was repeated
        assert name.startswith(".") or os.stat(os.path.join(out, "parts", name)).st_mtime_ns == when
    assert not [name for name in os.listdir(f"{out}/parts") if name.startswith(".")]


def small(out, **changes):
    scenario = pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 1.0), pj.PoW(work=10.0))
    return pj.study(scenario, **{"num_seeds": 5, "num_blocks": 4, "out": out, "seeds_per_shard": 2, **changes})


def one_line(error, *words):
    text = str(error.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == [], text


@pytest.mark.smoke
def test_another_study_is_refused(tmp_path):
    out = tmp_path / "study"
    small(out)
    with pytest.raises(pj.StudyError) as error:
        small(out, num_blocks=5)
    one_line(error, str(out), "holds another study", "num_blocks: 4, not 5")
    other = pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 1.0), pj.PoW(work=11.0))
    with pytest.raises(pj.StudyError) as error:
        pj.study(other, 5, 4, out)
    one_line(error, "scenarios[0].mechanism.work: 10.0, not 11.0")
    assert small(out, seeds_per_shard=4).complete  # how it is cut is no matter


@pytest.mark.smoke
def test_a_second_process_leaves(tmp_path):
    out = tmp_path / "study"
    with Folder(out, "study").locked(), pytest.raises(pj.StudyError) as error:
        small(out)
    one_line(error, str(out), "in use by another process")
    assert small(out).complete


@pytest.mark.smoke
def test_damage_is_named_and_mended_by_hand(tmp_path):
    out = str(tmp_path / "study")
    result = small(out)
    before = parts(out)
    path = tmp_path / "study" / "parts" / sorted(before)[1]
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b""):
        path.write_bytes(damaged)
        for read in (result.to_xarray, lambda: small(out)):
            with pytest.raises(pj.StudyError) as error:
                read()
            one_line(error, str(path), "is damaged", "delete it and run again")
    interval = np.ascontiguousarray(before[path.name]["interval"]).tobytes()
    at = content.index(interval[:16])
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])  # a single bit
    with pytest.raises(pj.StudyError) as error:
        result.to_xarray()
    one_line(error, str(path), "is damaged")
    path.unlink()
    assert [shard.first for shard in result.missing] == [2]
    assert small(out).complete
    np.testing.assert_array_equal(parts(out)[path.name]["interval"], before[path.name]["interval"])


def test_a_damaged_manifest(tmp_path):
    out = str(tmp_path / "study")
    small(out)
    manifest = tmp_path / "study" / "study.json"
    for text in (manifest.read_text()[:100], "[]", "{}", '{"format": 4}'):
        manifest.write_text(text)
        for read in (lambda: pj.open_study(out), lambda: small(out)):
            with pytest.raises(pj.StudyError) as error:
                read()
            one_line(error, str(manifest), "is damaged")
    manifest.write_text('{"format": 99}')
    with pytest.raises(pj.StudyError, match="format 99, this polejax reads 4"):
        pj.open_study(out)
    assert len(parts(out)) == 3
    with pytest.raises(pj.StudyError, match="holds no study"):
        pj.open_study(str(tmp_path))


def test_a_full_disk_and_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    out = str(tmp_path / "study")
    flushed = []

    def full(_):
        flushed.append(1)
        if len(flushed) > 2:  # the manifest and one shard fit
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(pj.StudyError) as error:
            small(out)
    one_line(error, out, "No space left on device", "what is finished is kept")
    assert len(parts(out)) == 1
    assert small(out).complete
    (tmp_path / "file").write_text("")
    with pytest.raises(pj.StudyError) as error:
        small(str(tmp_path / "file" / "study"))
    one_line(error, "cannot write", "Not a directory", "choose another folder")


def test_a_read_only_folder(tmp_path, monkeypatch):
    """A folder that turns read-only under way, as a remounted disk does, and one that was so from the start."""
    out = str(tmp_path / "study")
    small(out, num_seeds=5)
    before = parts(out)
    os.unlink(os.path.join(out, "parts", sorted(before)[-1]))
    real = open

    def read_only(path, mode="r", *rest, **options):
        if set(mode) & set("wax+") and str(path).startswith(str(tmp_path)) and not str(path).endswith("lock-0"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, mode, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", read_only)
        with pytest.raises(pj.StudyError) as error:
            small(out)
        one_line(error, out, "cannot write", "Read-only file system", "what is finished is kept")
        with pytest.raises(pj.StudyError) as error:
            small(tmp_path / "new")
        one_line(error, str(tmp_path / "new"), "Read-only file system", "choose another folder")
    assert parts(out).keys() == set(sorted(before)[:-1])
    for name in parts(out):
        np.testing.assert_array_equal(parts(out)[name]["interval"], before[name]["interval"])
    assert small(out).complete
    lock = os.path.join(out, "lock-0")
    os.chmod(lock, 0o444)
    os.chmod(out, 0o555)
    try:
        assert pj.open_study(out).complete  # reading needs no leave to write
        if not os.access(lock, os.W_OK):  # nothing is closed to root
            with pytest.raises(pj.StudyError) as error:
                small(out)
            one_line(error, out, "Permission denied", "choose another folder")
    finally:
        os.chmod(out, 0o755)
        os.chmod(lock, 0o644)
