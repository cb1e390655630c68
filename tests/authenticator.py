"""A passkey in software: what an authenticator and the browser around it answer, or would if they lied."""

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, BACKUP_ELIGIBLE, HAS_KEY = 0x01, 0x04, 0x08, 0x40


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Passkey:
    """A P-256 passkey for the site at `origin`; what it lies about is set from outside."""

    def __init__(self, origin: str = "http://localhost", host: str = "localhost") -> None:
        self.origin, self.host = origin, host
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(16)
        self.handle = b""
        self.count = 0
        self.flags = PRESENT | VERIFIED
        self.client_data: dict[str, Any] = {}

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """RegistrationResponseJSON to PublicKeyCredentialCreationOptionsJSON."""
        self.handle = base64.urlsafe_b64decode(options["user"]["id"] + "==")
        numbers = self.key.public_key().public_numbers()
        x, y = (each.to_bytes(32, "big") for each in (numbers.x, numbers.y))
        key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + key
        data = self._authenticator_data(HAS_KEY) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client_data("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": b64(client), "attestationObject": b64(attestation)})

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """AuthenticationResponseJSON to PublicKeyCredentialRequestOptionsJSON."""
        data = self._authenticator_data()
        client = self._client_data("webauthn.get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(self.handle),
            }
        )

    def _authenticator_data(self, more: int = 0) -> bytes:
        head = hashlib.sha256(self.host.encode()).digest()
        return head + bytes([self.flags | more]) + self.count.to_bytes(4, "big")

    def _client_data(self, type_: str, challenge: str) -> bytes:
        data = {"type": type_, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(data | self.client_data).encode()

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
