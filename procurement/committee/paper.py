"""A member's back-up on paper: numbered lines that can be typed in again, and the same as a QR code.

    version(1) ‖ form(1) ‖ member(1) ‖ ceremony(32) ‖ certificate(32) ‖ secrets ‖ check(8)

`secrets` are share(32) ‖ signing key(32): as they are (form 0), or behind a salt(16) under a passphrase
(form 1, as in `procurement.registry.safe`, with everything before them authenticated and a zero nonce: the
salt is fresh). `check` is the beginning of the SHA-256 of all before it. In base32, 30 characters a line,
each line with two characters that tell whether it was copied right.
"""

import base64
import html

import msgspec
import segno
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from crypto.encoding import sha256
from procurement.errors import SafeError
from procurement.registry.safe import SALT_SIZE, key_of

VERSION = 1
QR_PREFIX = "OPENSEAL1:"
_PER_LINE = 30
_GROUP = 5
_HEAD = 3 + 32 + 32
_NONCE = bytes(12)
_MISREAD = str.maketrans("018", "OIB")  # base32 has no such digits

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Back-up of committee member {member}</title>
<style>
body {{ font: 12pt sans-serif; max-width: 48em; margin: 2em auto }}
pre {{ font: bold 13pt/1.7 monospace }}
svg {{ width: 7cm; height: auto }}
</style>
<h1>Back-up of committee member {member}</h1>
<p>Ceremony <code>{ceremony}</code><br>{name}
<p><strong>{form}</strong> This sheet counts as a share of the committee's key: keep it as you would keep
the share, and destroy it after the last opening order.
<pre>
{text}
</pre>
{qr}
<p>To restore: type the lines above into a file (or scan the code and save what it says), then
<code>openseal committee restore FILE THAT-FILE --service ADDRESS</code>. The two characters at each
line's end tell whether the line was copied right.
"""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What a member needs on a new machine: ids in hex, share and signing key 32 bytes each."""

    ceremony: str
    member: int
    certificate: str
    share: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Backup({self.member})"


def write(backup: Backup, passphrase: str | None, salt: bytes) -> str:
    """The numbered lines. `salt`: 16 random bytes; without a passphrase the secrets stand there plain."""
    form = 0 if passphrase is None else 1
    head = bytes([VERSION, form, backup.member])
    head += bytes.fromhex(backup.ceremony) + bytes.fromhex(backup.certificate)
    inside = backup.share + backup.key
    if passphrase is not None:
        inside = salt + ChaCha20Poly1305(key_of(passphrase, salt)).encrypt(_NONCE, inside, head + salt)
    data = head + inside
    text = base64.b32encode(data + sha256(data)[:8]).decode().rstrip("=")
    lines = [text[i : i + _PER_LINE] for i in range(0, len(text), _PER_LINE)]
    return "\n".join(_line(number, line) for number, line in enumerate(lines, start=1))


def is_sealed(text: str) -> bool:
    """Whether it takes a passphrase to read this back-up. Raises SafeError."""
    return _unpacked(text)[1] == 1


def read(text: str, passphrase: str) -> Backup:
    """The back-up from its lines or from what the QR code says; a plain one needs no passphrase.

    Raises SafeError, naming the line that was copied wrong.
    """
    data = _unpacked(text)
    head, inside = data[:_HEAD], data[_HEAD:]
    if head[1] == 1:
        salt, sealed = inside[:SALT_SIZE], inside[SALT_SIZE:]
        try:
            inside = ChaCha20Poly1305(key_of(passphrase, salt)).decrypt(_NONCE, sealed, head + salt)
        except InvalidTag as error:
            raise SafeError("the passphrase does not open this back-up") from error
    return Backup(
        member=head[2],
        ceremony=head[3:35].hex(),
        certificate=head[35:67].hex(),
        share=inside[:32],
        key=inside[32:],
    )


def page(text: str, backup: Backup, name: str) -> str:
    """The sheet to print: HTML that loads nothing."""
    plain = "It is not encrypted: whoever reads it has the share."
    return PAGE.format(
        member=backup.member,
        ceremony=backup.ceremony,
        name=html.escape(name),
        form="It is encrypted under your passphrase." if is_sealed(text) else plain,
        text=text,
        qr=segno.make(QR_PREFIX + _joined(text), error="m").svg_inline(scale=4),
    )


def _line(number: int, data: str) -> str:
    groups = " ".join(data[i : i + _GROUP] for i in range(0, len(data), _GROUP))
    return f"{number:02} {groups} {_check(number, data)}"


def _check(number: int, data: str) -> str:
    return base64.b32encode(sha256(bytes([number]), data.encode())).decode()[:2]


def _joined(text: str) -> str:
    """The characters of all lines, each line checked."""
    if text.strip().upper().startswith(QR_PREFIX):
        return text.strip().upper().removeprefix(QR_PREFIX)
    joined = ""
    for number, line in enumerate(filter(str.strip, text.splitlines()), start=1):
        first, *groups = line.upper().split()
        *typed, check = [each.translate(_MISREAD) for each in groups] or [""]
        data = "".join(typed)
        if first != f"{number:02}" or _check(number, data) != check:
            raise SafeError(f"line {number} of the back-up was not copied right")
        joined += data
    return joined


def _unpacked(text: str) -> bytes:
    joined = _joined(text)
    try:
        data = base64.b32decode(joined + "=" * (-len(joined) % 8))
    except ValueError as error:
        raise SafeError("not a back-up, or a piece of one") from error
    data, check = data[:-8], data[-8:]
    if len(data) < _HEAD or sha256(data)[:8] != check:
        raise SafeError("not a back-up, or lines of it are missing")
    inside = {0: 64, 1: SALT_SIZE + 64 + 16}
    if data[0] != VERSION or len(data) != _HEAD + inside.get(data[1], -1):
        raise SafeError("a back-up of another version")
    return data
