"""Cut what only debuggers and linkers read from the shared libraries in a folder.

    python tools/strip.py FOLDER

Names of functions and the like come after all that a program loads, so a library can be
cut where its last segment ends. In wheels they take 23 MB of an image. The `strip` of
binutils does the same, but slim images don't have it.
Source: ELF-64 Object File Format, version 1.5, parts 2 (header) and 5 (segments).
"""

import struct
import sys
from pathlib import Path

ELF_64 = b"\x7fELF\x02\x01"  # 64 bits, little-endian: amd64 and arm64
HEADER = struct.Struct("<32xQ14xHH")  # table of segments: offset, entry size, count
SEGMENT = struct.Struct("<8xQ16xQ")  # offset and size in the file


def stripped(library: bytes) -> bytes:
    """The library without sections; any other file unchanged."""
    if not library.startswith(ELF_64):
        return library
    segments, size, count = HEADER.unpack_from(library)
    end = 0
    for i in range(count):
        offset, length = SEGMENT.unpack_from(library, segments + i * size)
        end = max(end, offset + length)
    kept = bytearray(library[:end])
    struct.pack_into("<Q", kept, 40, 0)  # no table of sections
    struct.pack_into("<HH", kept, 60, 0, 0)  # with no entries
    return bytes(kept)


def main(folder: Path) -> None:
    saved = 0
    for path in folder.rglob("*.so*"):
        if path.is_file() and not path.is_symlink():
            library = path.read_bytes()
            path.write_bytes(short := stripped(library))
            saved += len(library) - len(short)
    sys.stdout.write(f"{saved / 1e6:.0f} MB of names cut from shared libraries\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
