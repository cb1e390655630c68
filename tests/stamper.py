"""A time-stamping authority (RFC 3161): `openssl ts` with a key of its own, at any time that a test wants."""

import asyncio
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.encoding import to_base64
from crypto.stamps import REQUEST_TYPE, TOKEN_TYPE, request

OPENSSL = shutil.which("openssl")
SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
POLICY = "1.3.6.1.4.1.99999.1"
_CONFIGURATION = f"""
[tsa]
default_tsa = it
[it]
serial = serial
signer_cert = signer.pem
signer_key = signer.key
signer_digest = sha256
default_policy = {POLICY}
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""
_CONTENT = re.compile(rb"\x04.(\x30.\x02\x01\x01\x06.*?\x18\x0f[0-9]{14}Z\x30\x03\x02\x01\x01)", re.DOTALL)
"""What a token says, from its version to its accuracy."""
_ATTRIBUTES = re.compile(rb"\xa0\x81(.)\x30.\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03", re.DOTALL)
"""Where the signed attributes of a token begin, with their length: the first is the content's type."""


class TimeAuthority:
    """Its root, and under that the certificate of who stamps, until then. It is an ASGI application, too;
    tests may see what was `asked`, and set what is `answered` instead of tokens."""

    def __init__(self, folder: Path, name: str = "Stamps", until: datetime = UNTIL) -> None:
        assert OPENSSL, "install the package openssl: it is the time-stamping authority of these tests"
        self.folder = folder
        self.asked: list[bytes] = []
        self.answered: bytes | None = None
        folder.mkdir()
        self._root_key, self._key, self._until = _key(), _key(), until
        root, self.by = f"{name} Root", f"{name} of Somewhere"
        self.root = _certificate(
            root, root, self._root_key, self._root_key, x509.BasicConstraints(True, None)
        )
        self.own = self.certified_for(ExtendedKeyUsageOID.TIME_STAMPING)
        (folder / "root.pem").write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        (folder / "signer.pem").write_bytes(self.own.public_bytes(serialization.Encoding.PEM))
        secret = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / "signer.key").write_bytes(secret)
        (folder / "configuration").write_text(_CONFIGURATION)

    @property
    def pinned(self) -> tuple[str, ...]:
        """As a trust file has its root."""
        return (to_base64(self.root.public_bytes(serialization.Encoding.DER)),)

    def certified_for(self, usage: x509.ObjectIdentifier) -> x509.Certificate:
        """A certificate of who stamps; for another usage it is as long, of the same name and number."""
        extension = x509.ExtendedKeyUsage([usage])
        return _certificate(self.by, _named(self.root), self._key, self._root_key, extension, self._until)

    def stamp(self, message: bytes, at: datetime | None = None) -> bytes:
        """Its token about these bytes, as it would have given it `at` another time than now."""
        token = self.reply(request(message))
        return self._turned(token, at) if at else token

    def reply(self, query: bytes) -> bytes:
        """What `openssl ts` answers."""
        (self.folder / "query").write_bytes(query)
        self._openssl("-reply", "-config", "configuration", "-queryfile", "query", "-out", "token")
        return (self.folder / "token").read_bytes()

    def verified(self, message: bytes, token: bytes) -> bool:
        """Whether `openssl ts -verify`, which has no word of ours, says that it holds."""
        (self.folder / "message").write_bytes(message)
        (self.folder / "shown").write_bytes(token)
        options = ("-verify", "-data", "message", "-in", "shown", "-CAfile", "root.pem")
        return "Verification: OK" in self._openssl(*options)

    def _openssl(self, *options: str) -> str:
        command = [str(OPENSSL), "ts", *options]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True).stdout

    def _turned(self, token: bytes, at: datetime) -> bytes:
        """Signed anew over another time of the same length, with everything else as it was."""
        at_ = f"{at:%Y%m%d%H%M%SZ}".encode()
        [said] = _CONTENT.findall(token)
        new = re.sub(rb"(?<=\x18\x0f)[0-9]{14}Z", at_, said)
        token = token.replace(said, new).replace(sha256(said).digest(), sha256(new).digest())
        found = _ATTRIBUTES.search(token)
        assert found is not None
        attributes = token[found.start() : found.start() + 3 + found[1][0]]
        size = self._key.key_size // 8
        signature = self._key.sign(b"\x31" + attributes[1:], padding.PKCS1v15(), hashes.SHA256())
        return token[:-size] + signature

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        while message.get("more_body"):
            more = await receive()
            message = more | {"body": message["body"] + more["body"]}
        assert (b"content-type", REQUEST_TYPE.encode()) in scope["headers"]
        self.asked.append(message["body"])
        body = self.answered
        if body is None:
            body = await asyncio.to_thread(self.reply, message["body"])
        headers = [(b"content-type", TOKEN_TYPE.encode())]
        await send({"type": "http.response.start", "status": 200 if body else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _named(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _certificate(
    subject: str,
    issuer: str,
    key: rsa.RSAPrivateKey,
    by: rsa.RSAPrivateKey,
    extension: x509.ExtensionType,
    until: datetime = UNTIL,
) -> x509.Certificate:
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
    builder = builder.public_key(key.public_key()).serial_number(int.from_bytes(subject.encode()))
    builder = builder.not_valid_before(SINCE - timedelta(days=1)).not_valid_after(until)
    return builder.add_extension(extension, critical=True).sign(by, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
