from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from core.data.providers.download import TRIES
from core.data.providers.url import RemoteFile, Urls, fetch_file, mirrored
from core.errors import FetchError
from core.progress import silent
from core.settings import Settings, load_settings
from tests.data.http_server import Served, serve

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
QUICK = 0.01


def get(url: str, settings: Settings, checksum: str | None = None, **options: str) -> Path:
    return fetch_file(RemoteFile(url, checksum=checksum, **options), settings, silent, QUICK)


def test_a_file_is_fetched_once_with_progress_in_bytes(settings: Settings) -> None:
    seen: list[tuple[int, int, str]] = []
    with serve({"/a/b.bin": Served(CONTENT)}) as server:
        provider = Urls({"data": RemoteFile(f"{server.base}/a/b.bin", checksum=f"sha256:{SHA256}")})
        for _ in range(2):
            files = provider.fetch(settings, lambda *step: seen.append(step))
        assert len(server.requests) == 1
    assert files == {"data": settings.downloads_folder / "b.bin"}
    assert files["data"].read_bytes() == CONTENT
    assert (len(CONTENT), len(CONTENT), "Downloading b.bin") in seen
    assert [path.name for path in settings.downloads_folder.glob("[!.]*")] == ["b.bin"]


@pytest.mark.parametrize("checksum", [f"sha256:{SHA256}", f"md5:{MD5}"])
def test_known_checksums_hold(settings: Settings, checksum: str) -> None:
    with serve({"/f": Served(CONTENT)}) as server:
        assert get(f"{server.base}/f", settings, checksum).read_bytes() == CONTENT


def test_a_cut_connection_goes_on_where_it_stopped(settings: Settings) -> None:
    with serve({"/f": Served(CONTENT, cuts=[300_000, 200_000])}) as server:
        path = get(f"{server.base}/f", settings)
        ranges = [wanted for _, wanted in server.requests]
    assert path.read_bytes() == CONTENT
    assert ranges[0] is None and len(ranges) == 3
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for wanted in ranges[1:] if wanted]
    assert 260_000 < starts[0] <= 300_000 and 430_000 < starts[1] <= 500_000


def test_an_interrupted_process_goes_on_in_the_next_call(settings: Settings) -> None:
    with serve({"/f": Served(CONTENT, cuts=[400_000] + [0] * TRIES)}) as server:
        with pytest.raises(FetchError, match=r"cut .*4 tries.*MB are kept"):
            get(f"{server.base}/f", settings)
        server.files["/f"].cuts.clear()
        server.requests.clear()
        assert get(f"{server.base}/f", settings).read_bytes() == CONTENT
        (request,) = server.requests
    assert request[1] is not None and int(request[1][6:-1]) > 100_000


@pytest.mark.parametrize("tags", [('"v1"', '"v2"'), (None, None), ('W/"v1"', 'W/"v2"')])
def test_a_file_that_changed_in_between_is_begun_anew(
    settings: Settings, tags: tuple[str | None, str | None]
) -> None:
    other = bytes(reversed(CONTENT))[:-7]
    cut = Served(CONTENT, etag=tags[0], cuts=[400_000] + [0] * TRIES)
    with serve({"/f": cut}) as server:
        with pytest.raises(FetchError):
            get(f"{server.base}/f", settings)
        server.files["/f"] = Served(other, etag=tags[1])
        assert get(f"{server.base}/f", settings).read_bytes() == other


def test_a_server_without_ranges_is_read_from_the_start(settings: Settings) -> None:
    with serve({"/f": Served(CONTENT, ranges=False, cuts=[300_000])}) as server:
        assert get(f"{server.base}/f", settings).read_bytes() == CONTENT


def test_a_server_that_gives_no_length_is_read_to_the_end(settings: Settings) -> None:
    with serve({"/f": Served(CONTENT, length=False)}) as server:
        assert get(f"{server.base}/f", settings).read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(settings: Settings) -> None:
    with serve({"/f": Served(CONTENT, failures=[503, 429])}) as server:
        assert get(f"{server.base}/f", settings).read_bytes() == CONTENT
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("failures", "says"),
    [([404], "There is no file at"), ([403], "refuses"), ([400], "answered 400")],
)
def test_refusals_are_not_retried(settings: Settings, failures: list[int], says: str) -> None:
    with serve({"/f": Served(CONTENT, failures=failures)}) as server:
        with pytest.raises(FetchError, match=says):
            get(f"{server.base}/f", settings)
        assert len(server.requests) == 1


def test_no_network_is_said(settings: Settings) -> None:
    with serve({}) as server:
        base = server.base
    with pytest.raises(FetchError, match=r"could not be fetched: the connection was refused"):
        get(f"{base}/f", settings)


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(settings: Settings) -> None:
    with (
        serve({"/f": Served(CONTENT)}) as server,
        pytest.raises(FetchError, match="checksum differs from sha256:00"),
    ):
        get(f"{server.base}/f", settings, "sha256:" + "0" * 64)
    assert not (settings.downloads_folder / "f").exists()
    assert not (settings.downloads_folder / "f.part").exists()


def test_the_first_checksum_is_recorded_and_held(settings: Settings) -> None:
    with serve({"/f": Served(CONTENT)}) as server:
        path = get(f"{server.base}/f", settings)
        record = json.loads((settings.downloads_folder / "f.checksum.json").read_text())
        assert record["sha256"] == SHA256 and record["bytes"] == len(CONTENT)
        path.write_bytes(CONTENT[:-1])  # damaged on disk: fetched again
        assert get(f"{server.base}/f", settings).read_bytes() == CONTENT
        server.files["/f"].content = b"something else"
        path.unlink()
        with pytest.raises(FetchError, match=r"renewed on purpose, delete .*f\.checksum\.json"):
            get(f"{server.base}/f", settings)


def test_a_file_put_there_by_hand_is_taken(settings: Settings) -> None:
    settings.downloads_folder.mkdir(parents=True)
    (settings.downloads_folder / "f").write_bytes(CONTENT)
    assert get("http://unreachable.invalid/f", settings).read_bytes() == CONTENT


def test_two_at_once_do_not_spoil_one_file(settings: Settings) -> None:
    settings.downloads_folder.mkdir(parents=True)
    with (
        FileLock(settings.downloads_folder / ".f.lock"),
        pytest.raises(FetchError, match="f is being fetched by another page or command"),
    ):
        get("http://unreachable.invalid/f", settings)


def test_a_mirror_url_replaces_scheme_and_host(tmp_path: Path) -> None:
    with serve({"/mirror/public/f.bin": Served(CONTENT)}) as server:
        settings = load_settings(workspace=tmp_path / "w", mirror=f"{server.base}/mirror/")
        path = get("https://example.invalid/public/f.bin?download=1", settings)
        assert server.requests == [("/mirror/public/f.bin?download=1", None)]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["public/f.bin", "example.invalid/public/f.bin", "f.bin"])
def test_a_mirror_folder_replaces_the_network(tmp_path: Path, place: str) -> None:
    mirror = tmp_path / "mirror"
    (mirror / place).parent.mkdir(parents=True)
    (mirror / place).write_bytes(CONTENT)
    settings = load_settings(workspace=tmp_path / "w", mirror=str(mirror))
    url = "https://example.invalid/public/f.bin"
    assert get(url, settings, f"sha256:{SHA256}").read_bytes() == CONTENT
    with pytest.raises(FetchError, match=r"does not hold g\.bin: put it there"):
        get("https://example.invalid/public/g.bin", settings)


def test_a_mirror_folder_is_held_to_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(b"not it")
    settings = load_settings(workspace=tmp_path / "w", mirror=str(tmp_path))
    with pytest.raises(FetchError, match="not the file that is expected"):
        get("https://example.invalid/f.bin", settings, f"sha256:{SHA256}")
    assert not (settings.downloads_folder / "f.bin").exists()


def test_a_missing_mirror_folder_is_named() -> None:
    with pytest.raises(FetchError, match="/nowhere/at/all does not exist"):
        mirrored(RemoteFile("https://example.invalid/f"), "/nowhere/at/all")


def test_names_come_from_the_address() -> None:
    assert RemoteFile("https://x.invalid/a/b%20c.zip?download=1").name == "b c.zip"
    assert RemoteFile("https://x.invalid/get?id=1", filename="d.bin").name == "d.bin"
