from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from core.cli import main
from core.errors import FetchError
from core.molecules import viewer_script
from core.molecules.conformers import Conformer, embed
from core.molecules.parse import parse
from core.molecules.viewer import CDN, VERSION, Style, viewer_html


@pytest.fixture(scope="module")
def made() -> Conformer:
    return embed(parse("CCO"), n_conformers=1)


@pytest.mark.parametrize("style", list(Style))
def test_the_page_loads_one_script_from_where_it_is_told(made: Conformer, style: Style) -> None:
    page = viewer_html(made, style=style, script="/app/static/3Dmol-min.js", spin=True)
    assert "'/app/static/3Dmol-min.js'" in page
    assert "cdn" not in page.lower()
    assert page.count("<script") == page.count("</script>") == 1
    assert ("addSurface" in page) == (style is Style.SURFACE)
    assert "spin(" in page


def test_highlighted_atoms_and_hidden_hydrogens_are_selected_by_index(made: Conformer) -> None:
    page = viewer_html(made, highlight=[1, 2], hydrogens=False)
    chosen = re.findall(r'setStyle\(\{"index": \[([\d, ]+)\]\}', page)
    assert chosen == ["3, 4, 5, 6, 7", "1, 2"]  # the hydroxyl's hydrogen (8) stays


def test_nothing_in_the_molecule_can_end_the_script(made: Conformer) -> None:
    mol = made.mol
    evil = Conformer(mol, "none", None, False, 1, 0.0)
    mol.SetProp("_Name", "</script><script>alert(1)</script>")
    try:
        page = viewer_html(evil)
    finally:
        mol.ClearProp("_Name")
    assert page.count("</script>") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"background": "red;}</style><script>"},
        {"highlight_colour": "#12345"},
        {"script": "'); alert(1); ('"},
    ],
)
def test_values_of_another_form_are_refused(made: Conformer, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a"):
        viewer_html(made, **wrong)  # type: ignore[arg-type]


def test_the_cdn_is_py3dmols_own_and_of_its_version() -> None:
    assert CDN.startswith("https://") and f"@{VERSION}/" in CDN and CDN.endswith("3Dmol-min.js")


def _package(version: str = VERSION, body: bytes = b"var $3Dmol = {};") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as package:
        for name, content in (
            ("package/package.json", json.dumps({"version": version}).encode()),
            ("package/build/3Dmol-min.js", body),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            package.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _npm(monkeypatch: pytest.MonkeyPatch, archive: bytes | None, stderr: str = "") -> list[list]:
    calls: list[list] = []

    def run(command: list[str], cwd: Path, **_: object) -> subprocess.CompletedProcess:
        calls.append(command)
        if archive is not None:
            (Path(cwd) / "3dmol.tgz").write_bytes(archive)
        return subprocess.CompletedProcess(command, 0 if archive else 1, "", stderr)

    monkeypatch.setattr(viewer_script.shutil, "which", lambda _: "/usr/bin/npm")
    monkeypatch.setattr(viewer_script.subprocess, "run", run)
    return calls


def test_the_script_is_placed_once_at_py3dmols_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = _npm(monkeypatch, _package())
    assert viewer_script.source(folder=tmp_path) == viewer_script.Source(CDN, False)
    target = viewer_script.place(tmp_path)
    assert target.read_bytes().endswith(b"var $3Dmol = {};")
    assert viewer_script.place(tmp_path) == target
    assert len(calls) == 1 and f"3dmol@{VERSION}" in calls[0] and "--ignore-scripts" in calls[0]
    assert viewer_script.source(folder=tmp_path).address == "/app/static/3Dmol-min.js"
    assert viewer_script.source("/lab/", folder=tmp_path).address == "/lab/app/static/3Dmol-min.js"


def test_a_script_of_another_version_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "3Dmol-min.js").write_text("/* 3dmol 0.0.1 */\nold")
    assert not viewer_script.source(folder=tmp_path).offline
    _npm(monkeypatch, _package())
    assert b"old" not in viewer_script.place(tmp_path).read_bytes()


@pytest.mark.parametrize(
    ("archive", "part"),
    [
        (None, "npm could not fetch"),
        (_package(version="9.9.9"), "version 9.9.9"),
        (_package(body=b"something else"), "was asked for"),
        (b"not an archive", "does not hold"),
        (_package()[:100], "does not hold"),
    ],
)
def test_faults_of_npm_are_named_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bytes | None, part: str
) -> None:
    _npm(monkeypatch, archive, "npm error code ENOTFOUND\nnpm error more")
    with pytest.raises(FetchError, match=part):
        viewer_script.place(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_npm_set_up_goes_on_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(viewer_script.shutil, "which", lambda _: None)
    monkeypatch.setattr(viewer_script, "static_folder", lambda: tmp_path)
    assert main(["static"]) == 0
    assert "npm is not installed" in capsys.readouterr().err
