"""A download that goes on where it was cut, with retries and progress.

pooch checks and caches files but begins each download anew; this downloader plugs into it.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import requests

from core.errors import FetchError
from core.progress import OnProgress

#: Small, because what a cut connection left of a chunk is lost.
CHUNK = 2**15
#: Seconds between two reports of progress.
REPORT_EVERY = 0.1
TIMEOUT = (15, 60)
#: Tries in a row without a single new byte after which a download gives up.
TRIES = 4
RETRY_STATUS = {408, 425, 429, 500, 502, 503, 504}
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
#: Bytes that must stay free on the disk beyond the file itself.
SPARE = 200 * 2**20


class ResumingDownloader:
    """Downloader for pooch: ``downloader(url, output_file, pooch)``.

    The bytes so far are kept in ``part``, beside a note of the server's ETag, so that a file
    that changed on the server is begun anew and never pieced together.

    Parameters
    ----------
    part
        File that keeps the bytes of an unfinished download.
    wait
        Seconds before the first new try; doubled at each further one.
    """

    def __init__(self, part: Path, on_progress: OnProgress, wait: float = 1.0) -> None:
        self.part = part
        self.tag = part.with_name(part.name + ".json")
        self.on_progress = on_progress
        self.wait = wait

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Download ``url`` and move it to ``output_file`` once it is whole."""
        failures, why = 0, ""
        while failures < TRIES:
            if failures:
                time.sleep(self.wait * 2 ** (failures - 1))
            before = self._size()
            try:
                if self._once(url):
                    shutil.move(self.part, output_file)
                    self.tag.unlink(missing_ok=True)
                    return
                why = "the connection was cut"
            except requests.exceptions.SSLError as error:
                raise FetchError(f"The certificate of {url} is not valid: {error}.") from error
            except (
                requests.exceptions.ConnectionError,
                requests.exceptions.Timeout,
                requests.exceptions.ChunkedEncodingError,
                requests.exceptions.ContentDecodingError,
                _Again,
            ) as error:
                why = _reason(error)
            except requests.exceptions.RequestException as error:
                raise FetchError(f"{url} cannot be fetched: {error}.") from error
            failures = 0 if self._size() > before else failures + 1
        kept = self._size()
        rest = f"; {kept / 1e6:.1f} MB are kept, and the next try goes on there" if kept else ""
        raise FetchError(f"{url} could not be fetched: {why} ({TRIES} tries){rest}.")

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _once(self, url: str) -> bool:
        """One request; whether the file is whole after it."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "PerturbScope"}
        have = self._size()
        note = self._note(url)
        if have and note is None:
            have = 0
        if have and note:
            headers["Range"] = f"bytes={have}-"
            if note["tag"]:
                headers["If-Range"] = note["tag"]
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=headers) as response:
            status = response.status_code
            if status in RETRY_STATUS:
                raise _Again(f"the server answered {status} {response.reason}")
            if status == 416:
                self._forget()
                raise _Again("the server cannot go on where the download was cut")
            if status in (404, 410):
                raise FetchError(f"There is no file at {url} (the server answered {status}).")
            if status in (401, 403):
                raise FetchError(f"The server refuses {url} (it answered {status}).")
            if status >= 400:
                raise FetchError(f"{url} cannot be fetched: the server answered {status}.")
            match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if status == 206:
                same = match and note and int(match[1]) == have and match[2] == str(note["total"])
                if not same:
                    self._forget()
                    raise _Again("the file on the server is another one than before")
            else:
                have = 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length else 0
            self._check_space(url, total - have)
            note = {"url": url, "tag": _validator(response.headers), "total": total}
            self.tag.write_text(json.dumps(note))
            return self._write(response, have, total)

    def _write(self, response: requests.Response, have: int, total: int) -> bool:
        name = self.part.name.removesuffix(".part")
        message = f"Downloading {name}" if not have else f"Downloading {name} (resumed)"
        with self.part.open("ab" if have else "wb") as sink:
            self.on_progress(have, total, message)
            reported = time.monotonic()
            for chunk in response.iter_content(CHUNK):
                sink.write(chunk)
                have += len(chunk)
                if time.monotonic() - reported > REPORT_EVERY:
                    reported = time.monotonic()
                    self.on_progress(have, total, message)
        self.on_progress(have, total, message)
        return not total or have == total

    def _note(self, url: str) -> dict[str, Any] | None:
        """Validator and total size of the bytes kept, or ``None`` if they cannot be gone on with.

        A download whose size the server never gave is always begun anew.
        """
        try:
            note = json.loads(self.tag.read_text())
        except (OSError, ValueError):
            return None
        return note if note.get("url") == url and note.get("total") else None

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    def _check_space(self, url: str, needed: int) -> None:
        free = shutil.disk_usage(self.part.parent).free
        if needed + SPARE > free:
            raise FetchError(
                f"{url} needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free in "
                f"{self.part.parent}."
            )


class _Again(Exception):
    """A failure that a new try may mend."""


def _validator(headers: Any) -> str:
    """A strong ETag or the date of the last change, for ``If-Range``."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, _Again):
        return text
    if isinstance(error, requests.exceptions.Timeout):
        return "the server did not answer in time"
    if "Name or service not known" in text or "getaddrinfo" in text or "resolve" in text:
        return "the host name cannot be resolved, so there is no network or no such host"
    if "refused" in text:
        return "the connection was refused"
    if "proxy" in text.lower():
        return "the proxy does not let the connection through"
    return "the connection was cut"
