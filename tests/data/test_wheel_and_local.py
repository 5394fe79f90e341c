from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

import anndata
import numpy as np
import pytest

from core.data import load_cells, prepare
from core.data.providers.archives import extract_member, find_member
from core.data.providers.local import SHARED_VARIABLE, PackageFile, SharedFile
from core.data.providers.simulation import Simulation
from core.data.providers.url import sha256_of
from core.data.providers.wheel import WheelFile
from core.errors import DataError, FetchError
from core.progress import silent
from core.settings import Settings, load_settings

VERSION = "1.0"


def build_wheel(folder: Path, package: str = "packed_sample_of_a_test") -> Path:
    """A wheel with a nested zip; pip needs no more than its metadata."""
    folder.mkdir(exist_ok=True)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("folder/raw.txt", "the counts")
    path = folder / f"{package}-{VERSION}-py3-none-any.whl"
    info = f"{package}-{VERSION}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{package}/__init__.py", "raise SystemExit('a wheel was executed')")
        wheel.writestr(f"{package}/sample.zip", inner.getvalue())
        wheel.writestr(f"{package}/plain.txt", "plain")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {VERSION}\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def mirror(tmp_path: Path) -> Settings:
    """Settings whose mirror folder holds the wheel; pip looks nowhere else."""
    build_wheel(tmp_path / "mirror")
    return load_settings(workspace=tmp_path / "w", mirror=str(tmp_path / "mirror"))


@pytest.fixture(autouse=True)
def _no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def provider(settings: Settings, **changes: str | None) -> WheelFile:
    wheel = next(Path(str(settings.mirror)).glob("*.whl"))
    fields: dict[str, str | None] = {
        "package": "packed_sample_of_a_test",
        "version": VERSION,
        "sha256": sha256_of(wheel),
        "member": "packed_sample_of_a_test/sample.zip",
        "inner": "raw.txt",
    }
    return WheelFile(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_member_of_a_zip_in_a_wheel(mirror: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    files = provider(mirror).fetch(mirror, silent)
    assert files["file"].read_text() == "the counts"
    assert mirror.downloads_folder in files["file"].parents
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pip ran a second time"))
    assert provider(mirror).fetch(mirror, silent)["file"].read_text() == "the counts"


def test_a_plain_member_of_a_wheel(mirror: Settings) -> None:
    plain = provider(mirror, member="packed_sample_of_a_test/plain.txt", inner=None)
    assert plain.fetch(mirror, silent)["file"].read_text() == "plain"


def test_another_wheel_than_expected_is_refused(mirror: Settings) -> None:
    with pytest.raises(FetchError, match="not the one that is expected: its SHA-256 is"):
        provider(mirror, sha256="0" * 64).fetch(mirror, silent)
    assert list(mirror.downloads_folder.iterdir()) == []


def test_a_wheel_that_pip_cannot_find_is_said(mirror: Settings) -> None:
    with pytest.raises(FetchError, match=r"pip could not download packed_sample_of_a_test==9\.9"):
        provider(mirror, version="9.9").fetch(mirror, silent)


def test_a_missing_member_is_named(mirror: Settings) -> None:
    with pytest.raises(DataError, match=r"has no member 'packed_sample_of_a_test/other\.zip'"):
        provider(mirror, member="packed_sample_of_a_test/other.zip").fetch(mirror, silent)
    with pytest.raises(DataError, match=r"sample\.zip has no member 'nothing\.txt'"):
        provider(mirror, inner="nothing.txt").fetch(mirror, silent)


def test_an_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.txt", "x")
    name = find_member(zipfile.ZipFile(path).namelist(), "escaped.txt", path)
    written = extract_member(path, name, tmp_path / "out")
    assert written == tmp_path / "out" / "escaped.txt"
    assert not (tmp_path.parent / "escaped.txt").exists()


def test_a_damaged_archive_is_said(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="is damaged"):
        extract_member(path, "x", tmp_path)


def test_a_file_inside_an_installed_package(settings: Settings) -> None:
    files = PackageFile("scanpy", "datasets/10x_pbmc68k_reduced.h5ad").fetch(settings, silent)
    assert files["file"].stat().st_size > 1e6
    for package, path in (("scanpy", "no/such.h5ad"), ("no_such_package_at_all", "x")):
        with pytest.raises(FetchError, match=f"package {package} does not carry {path}"):
            PackageFile(package, path).fetch(settings, silent)


def test_a_shared_file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.txt").write_text("x")
    monkeypatch.setenv(SHARED_VARIABLE, str(tmp_path))
    assert SharedFile("f.txt").fetch(settings, silent) == {"file": tmp_path / "f.txt"}
    with pytest.raises(FetchError, match=r"There is no g\.txt in .*: set PERTURBSCOPE_SHARED"):
        SharedFile("g.txt").fetch(settings, silent)


def test_a_simulation_is_called_when_it_is_needed() -> None:
    maker = Simulation("collections", "OrderedDict", {"seed": 3})
    assert maker.make(silent) == {"seed": 3, "on_progress": silent}
    assert maker.source == "simulation collections.OrderedDict(seed=3)"


def test_pbmc68k_has_log_values_and_cell_types(settings: Settings) -> None:
    status = prepare("pbmc68k", settings=settings)
    assert (status.n_rows, status.n_vars) == (700, 765)
    cells = load_cells("pbmc68k", settings)
    assert cells.X.min() == 0 and cells.layers["scaled"].min() < 0
    assert cells.obs["cell_type"].nunique() == 10
    assert any("not raw counts" in warning for warning in status.warnings)


@pytest.fixture
def _real_index(monkeypatch: pytest.MonkeyPatch, _no_index: None) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")


@pytest.mark.usefixtures("_real_index")
def test_baron_mouse_through_pip_is_the_real_one(settings: Settings, shared_data: Path) -> None:
    try:
        status = prepare("baron-mouse", settings=settings)
    except FetchError as error:
        pytest.skip(f"no package index here: {error}")
    real = anndata.read_h5ad(shared_data / "baron_mouse.h5ad")
    cells = load_cells("baron-mouse", settings)
    assert status.warnings == () and status.n_rows == 1886 and status.n_vars == 14877
    assert cells.X.dtype == np.float32
    assert (real.X.astype(np.float32) != cells.X).nnz == 0
    assert list(cells.obs_names) == list(real.obs_names)
    assert list(cells.var_names) == list(real.var_names)
    for ours, theirs in (("donor", "donor"), ("batch", "donor"), ("cell_type", "cell_type1")):
        assert cells.obs[ours].astype(str).tolist() == real.obs[theirs].astype(str).tolist()
