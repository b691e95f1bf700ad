"""Who may ask: bearer keys, more than one so that they can be rotated."""

import hashlib
import hmac
import logging
import stat
from pathlib import Path

from ..errors import SettingInvalid, Unauthorised

log = logging.getLogger(__name__)

MOST_BYTES = 1_000_000


class Keys:
    """Keys from the environment and from a file that is read again when it changes.

    Digests are compared, in constant time, and a key is never logged. The last header
    that passed is kept, so a client that asks again is accepted without a digest.
    """

    def __init__(self, listed: str, file: str) -> None:
        self._listed = {digest(key) for key in listed.split(",") if key.strip()}
        if listed and not self._listed:
            raise SettingInvalid("ML_API_KEYS", "a key", "none")
        self._file = Path(file) if file else None
        self._stamp: tuple[int, int] | None = None
        self._fault = ""
        self._keys = self._listed
        self._passed = b""
        if self._file:
            try:
                self._read(self._file)
            except (OSError, ValueError) as error:
                expected = "a file that can be read"
                raise SettingInvalid("ML_API_KEYS_FILE", expected, file) from error
            if not self._keys:
                raise SettingInvalid("ML_API_KEYS_FILE", "a key in the file", file)
        self.required = bool(self._keys)

    def check(self, authorization: bytes | None) -> None:
        """Fails: Unauthorised unless the header is `Bearer` and one of the keys."""
        sent = authorization or b""
        if sent and hmac.compare_digest(sent, self._passed):
            return
        scheme, _, key = sent.partition(b" ")
        given = hashlib.blake2b(key.strip()).digest()
        found = False
        for known in self._keys:
            found |= hmac.compare_digest(given, known)
        if not found or scheme.lower() != b"bearer":
            raise Unauthorised
        self._passed = sent

    def refresh(self) -> None:
        """Read the file again if it changed; if it can't be read, keep the old keys."""
        if self._file:
            try:
                self._read(self._file)
            except (OSError, ValueError) as error:
                if str(error) != self._fault:
                    log.warning("the old keys stay: %s", error)
                self._fault = str(error)
            else:
                self._fault = ""

    def _read(self, path: Path) -> None:
        """Read the file if its stamp changed; the stamp is kept only after a success.

        So an unreadable file is tried again: chmod changes no stamp. A pipe or a huge
        file is refused, as reading it would hold up all requests.
        Fails: OSError, or ValueError when the content is not text.
        """
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise OSError(f"{path}: expected a file of at most {MOST_BYTES} bytes")
        if stamp != self._stamp:
            text = path.read_text(encoding="utf-8-sig")
            self._stamp = stamp
            lines = [line.strip() for line in text.splitlines()]
            found = {digest(line) for line in lines if line and line[0] != "#"}
            if found or self._listed:
                self._keys, self._passed = found | self._listed, b""
                log.info("%d keys are valid", len(self._keys))
            else:
                log.warning("the old keys stay: %s holds none", path)


def digest(key: str) -> bytes:
    return hashlib.blake2b(key.strip().encode()).digest()
