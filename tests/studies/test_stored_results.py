"""Stored results are not believed: damage, edits and files of other work are refused, and nothing hangs."""

import errno
import io
import json
import os
import random
import shutil
import signal

import h5py
import numpy as np
import pytest
from banks import small_pole

import polejax as pj
from polejax._core import netcdf, seal
from polejax._core.folder import Folder, _digest


def scenario(work=10.0):
    return pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 1.0), pj.PoW(work=work))


def small(out, work=10.0, **changes):
    return pj.study(scenario(work), **{"num_seeds": 4, "num_blocks": 5, "seeds_per_shard": 2, "out": out, **changes})


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    out = tmp_path_factory.mktemp("stored") / "study"
    small(out)
    return out


@pytest.fixture
def out(original, tmp_path):
    shutil.copytree(original, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture(autouse=True)
def no_hanging():
    if not hasattr(signal, "alarm"):
        yield
        return

    def stop(*_):
        raise AssertionError("the reader hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refused(function, *words):
    with pytest.raises(pj.StudyError) as error:
        function()
    text = str(error.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == [], text


def first(out):
    return out / "parts" / "scenario-0000-seed-00000000.nc"


def rewritten(path, attributes=(), **changes):
    """Write a part again with other arrays or attributes and a right seal; None leaves an array out."""
    arrays, about = netcdf.read(str(path))
    arrays = {name: array for name, array in {**arrays, **changes}.items() if array is not None}
    dims = {name: tuple(f"{name}{axis}" for axis in range(array.ndim)) for name, array in arrays.items()}
    variables = {name: (dims[name], array) for name, array in arrays.items()}
    path.write_bytes(netcdf.encode(variables, {**about, **dict(attributes)}))


def test_every_flipped_bit_is_detected(out):
    result, path, rng = pj.open_study(out), first(out), random.Random(0)
    content = path.read_bytes()
    for at in [*range(0, len(content), 61), *range(len(content) - 81, len(content))]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :])
        refused(lambda: result.history(0), str(path), "is damaged", "delete it and run again")
    refused(lambda: small(out), str(path), "is damaged")  # and on resume
    path.write_bytes(content)
    assert small(out).complete
    manifest = out / "study.json"
    text, before, detected = manifest.read_bytes(), pj.open_study(out).to_xarray(), 0
    for at in range(0, len(text), 3):
        manifest.write_bytes(text[:at] + bytes([text[at] ^ 1 << rng.randrange(8)]) + text[at + 1 :])
        try:
            found = pj.open_study(out).to_xarray()
        except pj.StudyError:
            detected += 1
        else:
            assert found.identical(before)
    assert detected > 0.95 * len(text) / 3  # a flip that changes no value is harmless


def test_an_edited_manifest_is_refused(out):
    manifest = out / "study.json"
    for name, value in (("num_blocks", 4), ("names", ["x"]), ("num_nodes", [3]), ("seed", 5)):
        text = manifest.read_text()
        edited = {**json.loads(text), name: value}
        manifest.write_text(json.dumps(edited))
        for read in (lambda: pj.open_study(out), lambda: small(out)):
            refused(read, str(manifest), "it was changed after it was written", "delete it and run again")
        edited["sha256"] = _digest({name: entry for name, entry in edited.items() if name != "sha256"})
        manifest.write_text(json.dumps(edited))  # with a right checksum, the parts are not of this study
        refused(lambda: pj.open_study(out).to_xarray(), "part of another study", "move it back")
        manifest.write_text(text)
    for name, value in (("num_seeds", 2), ("batches", [[4, [2, 2]]]), ("batches", [[4, [0]]]), ("batches", 3)):
        edited = {**json.loads(text), name: value}
        del edited["sha256"]
        manifest.write_text(json.dumps({**edited, "sha256": _digest(edited)}))
        refused(lambda: pj.open_study(out), "study.json has batches", "restore it from a copy")
    manifest.write_text("[" * 100_000)
    refused(lambda: pj.open_study(out), "is damaged", "recursion")
    manifest.unlink()
    os.mkfifo(manifest)
    refused(lambda: pj.open_study(out), "cannot be read", "pipe")
    refused(lambda: small(out), "cannot be read", "pipe")


def test_a_lost_manifest_is_written_again_for_the_same_work_alone(out):
    manifest = out / "study.json"
    text = manifest.read_text()
    manifest.unlink()
    refused(lambda: pj.open_study(out), "has 2 parts of a study, but its study.json is lost", "run it again")
    refused(lambda: small(out, work=11.0), "parts of other work", "restore that file", "choose another folder")
    assert small(out).complete
    assert manifest.read_text() == text


def test_parts_of_other_studies_are_refused(out, tmp_path):
    small(tmp_path / "other", work=900.0)
    shutil.copy(first(tmp_path / "other"), first(out))
    for read in (lambda: pj.open_study(out).summarise(0), lambda: small(out)):
        refused(read, str(first(out)), "part of another study", "move it back")
    second = out / "parts" / "scenario-0000-seed-00000002.nc"
    shutil.copy(second, first(out))
    refused(lambda: small(out), "is not the part that its name says", "delete it")


def test_parts_made_by_hand_are_refused(out):
    content = first(out).read_bytes()
    arrays, _ = netcdf.read(str(first(out)))
    interval = arrays["interval"].copy()
    for value in (np.nan, -1.0, np.inf):
        interval[1, 0] = value
        rewritten(first(out), interval=interval)
        refused(lambda: pj.open_study(out).summarise(0), "'interval' is", "at index (1, 0)", "delete it and run again")
    for changes, words in (
        ({"producer": arrays["producer"] + 7}, "'producer' is"),
        ({"published": arrays["published"] * 0}, "'published' is 0"),
        ({"score": arrays["score"] * np.float32(np.nan)}, "'score' is nan"),
        ({"settled": None}, "it has no 'settled'"),
        ({"settled": arrays["settled"].astype(np.float32)}, "'settled' is float32"),
        ({"interval": interval[:1]}, "'interval' has shape (1, 5), not (2, 5)"),
        ({"published_by": arrays["published_by"][:, :1]}, "'published_by' has shape (2, 1), not (2, 2)"),
    ):
        first(out).write_bytes(content)
        rewritten(first(out), **changes)
        refused(lambda: pj.open_study(out).summarise(0), str(first(out)), words, "delete it and run again")
    refused(lambda: small(out), "'published_by' has shape")  # shapes are checked on resume, too
    with h5py.File(first(out), "w") as file:
        file["interval"] = interval
    refused(lambda: small(out), "no checksum at its end", "not written by polejax")


def test_sums_made_by_hand_are_refused(tmp_path):
    out = tmp_path / "sums"
    small(out, records="chains")
    content, (arrays, _) = first(out).read_bytes(), netcdf.read(str(first(out)))
    for name, value, words in (
        ("interval", np.nan, "'interval' is nan"),
        ("settled", 6.0, "'settled' is 6.0"),
        ("wins", 1.0, "'wins' do not add up"),
        ("square", -1.0, "'square' is -1.0"),
    ):
        first(out).write_bytes(content)
        rewritten(first(out), **{name: np.full_like(arrays[name], value)})
        refused(lambda: pj.open_study(out).summarise(0), words)


def crafted(fill):
    """A sealed file that `fill` makes with HDF5."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return seal.seal(buffer)


def test_files_that_name_other_files_are_refused(tmp_path):
    """External storage, external and soft links, virtual data sets, groups, filters, promises: none is followed."""
    secret, path = tmp_path / "secret", tmp_path / "crafted.nc"
    secret.write_bytes(b"what is nobody's business" * 8)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["interval"] = np.arange(8.0)
    layout = h5py.VirtualLayout((8,), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "interval", (8,))
    packed = {"chunks": (1024, 1024), "compression": "gzip"}
    for fill, words in (
        (lambda f: f.create_dataset("a", (20,), "u1", external=[(str(secret), 0, 20)]), "lies in another file"),
        (lambda f: f.create_virtual_dataset("a", layout), "lies in another file"),
        (lambda f: f.__setitem__("a", h5py.ExternalLink(str(tmp_path / "secret.h5"), "interval")), "is a link"),
        (lambda f: f.__setitem__("a", h5py.SoftLink("/b")), "is a link"),
        (lambda f: f.create_group("a"), "is not an array"),
        (lambda f: f.create_dataset("a", data="words"), "holds no numbers"),
        (lambda f: f.create_dataset("a", (10**6, 10**6), "f8", **packed), "promises 8,000,000,000,000 bytes"),
        (lambda f: f.create_dataset("a", data=np.arange(9), chunks=(9,), compression="lzf"), "filter"),
        (lambda f: f.attrs.__setitem__("a", np.arange(3)), "neither a word nor a number"),
    ):
        path.write_bytes(crafted(fill))
        for names in (None, []):
            with pytest.raises(seal.Damaged, match=words):
                netcdf.read(str(path), names)
    path.write_bytes(crafted(lambda f: f.create_dataset("a", data=np.arange(3))))
    np.testing.assert_array_equal(netcdf.read(str(path))[0]["a"], [0, 1, 2])


def test_xarray_reads_sealed_files(out):
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(first(out)) as data:
        np.testing.assert_array_equal(data["interval"], pj.open_study(out).history(0).interval[:2])


def test_what_may_not_be_read_is_not_called_damaged(out, monkeypatch):
    """As root reads everything, the system's answers are made up."""

    def denied(place):
        def answer(path, *rest, **options):
            if str(path) == str(place):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path, *rest, **options)

        return answer

    for place, function in ((first(out), "open"), (out / "study.json", "open"), (out / "study.json", "stat")):
        real = getattr(os, function)
        for read in (lambda: pj.open_study(out).to_xarray(), lambda: small(out)):
            with monkeypatch.context() as patch:
                patch.setattr(os, function, denied(place))
                refused(read, "Permission denied")
    real = os.open
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", denied(first(out)))
        refused(lambda: pj.open_study(out).to_xarray(), "cannot be read (Permission denied): give access to it")
    refused(lambda: pj.open_study(out / "study.json"), "is a file: give the folder")
    refused(lambda: pj.load_bank(out), "holds study.json and no bank: check the path")
    os.mkfifo(out / "lock-9")
    with pytest.raises(pj.StudyError, match="cannot write"), Folder(out, "study", 9).locked():
        pass


def test_banks_parts_and_manifests(tmp_path):
    import jax

    pole, out = small_pole(), tmp_path / "bank"
    bank = pj.learning_curves(jax.random.key(1), pole, 3, out=out)
    pj.learning_curves(jax.random.key(2), pole, 3, out=tmp_path / "other")
    part, manifest = out / "parts" / "curves-00000000.nc", out / "bank.json"
    content, text = part.read_bytes(), manifest.read_text()
    shutil.copy(tmp_path / "other" / "parts" / part.name, part)
    refused(lambda: pj.load_bank(out), "part of another bank", "move it back")
    refused(lambda: pj.learning_curves(jax.random.key(1), pole, 3, out=out), "part of another bank")
    part.write_bytes(content)
    edited = {**json.loads(text), "chunk": 0}
    manifest.write_text(json.dumps(edited))
    refused(lambda: pj.load_bank(out), "changed after it was written")
    del edited["sha256"]
    manifest.write_text(json.dumps({**edited, "sha256": _digest(edited)}))
    refused(lambda: pj.load_bank(out), "0 curves a part")
    manifest.write_text(text)
    shutil.copy(part, out / "parts" / "curves-99999999.nc")
    refused(lambda: pj.load_bank(out), "has 2 parts, of which only the first 1 follow one another", "train on")
    bank.save(tmp_path / "bank.nc")
    (tmp_path / "bank.nc").write_bytes((tmp_path / "bank.nc").read_bytes()[:-1])
    refused(lambda: pj.load_bank(tmp_path / "bank.nc"), "is damaged", "take a copy, or save the bank again")
