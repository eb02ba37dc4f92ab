#!/usr/bin/env python
"""Build wheel and sdist into dist, check them, and try the wheel and a git URL in environments outside the checkout.

    make package                                   (or .venv/bin/python .ci/package.py [--url GIT-URL] [--build-only])

Checked: twine's opinion of the metadata; that wheel and sdist hold every module of the package, the licence and the
type marker, and nothing else; that what is installed is imported from there, simulates, and answers `polejax --help`.
README's install lines run as they stand, with the wheel's folder as the current one and POLEJAX_URL set.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
TRY = """
import sys, jax, polejax as pj
assert not pj.network.__file__.startswith(sys.argv[1]), pj.network.__file__
scenario = pj.Scenario(pj.nodes.equal(4), pj.network.clique(4, 1.0), pj.PoW(work=60.0))
history = pj.simulate_many(jax.random.split(jax.random.key(0), 4), scenario, 32)
print("polejax", pj.__version__, "from", pj.network.__file__, "simulated", pj.summarise(history).interval_mean)
"""


def run(*words: str | Path, **options: object) -> str:
    """Run a command and return what it prints; its whole output is shown if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def tracked() -> set[str]:
    """The package's files, as git knows them."""
    return set(run("git", "ls-files", "polejax", cwd=ROOT).split())


def build() -> tuple[Path, Path]:
    """Build both; the wheel is built from the sdist, so that the sdist is known to be whole."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, sdist


def check(wheel: Path, sdist: Path) -> None:
    """What the archives hold, and their metadata."""
    print(run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist).strip())
    held = set(zipfile.ZipFile(wheel).namelist())
    extra = {name for name in held - tracked() if ".dist-info/" not in name}
    licence = [name for name in held if name.endswith("licenses/LICENSE")]
    told(wheel, tracked() - held, extra, [] if licence else ["LICENSE"])
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    beside = {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    extra = {name for name in inside - tracked() - beside if name and not name.startswith("polejax")}
    told(sdist, tracked() - inside, extra, sorted(beside - inside - {".gitignore"}))


def told(archive: Path, missing: set[str], extra: set[str], lacking: list[str]) -> None:
    """Say what an archive holds, or end."""
    if missing or extra or lacking:
        raise SystemExit(f"{archive.name}: missing {sorted(missing)}, extra {sorted(extra)}, lacking {lacking}")
    print(f"{archive.name}: {len(tracked())} files of polejax and its metadata, {archive.stat().st_size / 1e3:,.0f} kB")


def install_lines() -> list[str]:
    """README's lines that install, in their order."""
    lines = re.findall(r"^ *python -m pip install .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    if len(lines) != 2:
        raise SystemExit(f"README must have an install line for a wheel and one for a git URL, got {lines}")
    return [line.strip() for line in lines]


def tried(line: str, wheel: Path, url: str) -> None:
    """Run one of README's lines in an empty environment, and use what it installed."""
    with tempfile.TemporaryDirectory() as folder:
        place, home = Path(folder), Path(folder) / "home"
        home.mkdir()
        run(sys.executable, "-m", "venv", place / "env")
        shutil.copy(wheel, home)
        environment = {**os.environ, "PATH": f"{place / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        environment |= {"POLEJAX_URL": url, "JAX_PLATFORMS": "cpu"}
        environment.pop("PYTHONPATH", None)
        run("bash", "-c", line, cwd=home, env=environment)
        print(f"$ {line}\n{run('python', '-c', TRY, ROOT, cwd=home, env=environment).strip()}")
        help_text = run("polejax", "--help", cwd=home, env=environment)
        if "compare" not in help_text:
            raise SystemExit(f"polejax --help printed {help_text!r}")


def main() -> None:
    """Build, check, and try."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=f"file://{ROOT}", help="git URL to install from; this checkout's last commit")
    parser.add_argument("--build-only", action="store_true", help="build and check, and install nothing")
    settings = parser.parse_args()
    wheel, sdist = build()
    check(wheel, sdist)
    for line in () if settings.build_only else install_lines():
        tried(line, wheel, settings.url)


if __name__ == "__main__":
    main()
