"""Payloads on their way to the server and back, in the clear or encrypted.

A codec turns one JSON value into another.  It runs here, in the client: the server stores what it
is given and never sees a key.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any, Protocol

_MARK = "__codec"


class Codec(Protocol):
    def encode(self, payload: Any) -> Any:
        """What is sent instead of `payload`; both are JSON values."""

    def decode(self, payload: Any) -> Any:
        """The reverse.  What was never encoded comes back as it is."""


class CodecError(ValueError):
    """A payload that cannot be decoded here."""


class PlainCodec:
    """Sends everything as it is."""

    def encode(self, payload: Any) -> Any:
        return payload

    def decode(self, payload: Any) -> Any:
        return payload


PLAIN = PlainCodec()


class AESGCMCodec:
    """AES-256-GCM.  `keys` maps key ids to keys of 32 bytes; `active` is the one that encrypts.

    To rotate, add a key and make it active; drop the old one when nothing it encrypted is needed.
    """

    NAME = "aes-256-gcm"
    _ASSOCIATED = b"durable"

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        # Only here: without a codec, psycopg is all one needs.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._InvalidTag = InvalidTag
        for kid, key in keys.items():
            if len(key) != 32:
                raise ValueError(f"key {kid!r} has {len(key)} bytes, AES-256 needs 32")
        self._ciphers = {kid: AESGCM(key) for kid, key in keys.items()}
        if active not in self._ciphers:
            raise ValueError(f"the active key {active!r} is not among the keys")
        self._active = active

    def encode(self, payload: Any) -> Any:
        iv = os.urandom(12)
        plaintext = json.dumps(payload, ensure_ascii=False, allow_nan=False).encode()
        data = self._ciphers[self._active].encrypt(iv, plaintext, self._ASSOCIATED)
        return {
            _MARK: self.NAME,
            "kid": self._active,
            "iv": base64.b64encode(iv).decode(),
            "data": base64.b64encode(data).decode(),
        }

    def decode(self, payload: Any) -> Any:
        if not is_encoded(payload):
            return payload
        if payload[_MARK] != self.NAME:
            raise CodecError(f"payload was encoded by {payload[_MARK]!r}, not by {self.NAME!r}")
        cipher = self._ciphers.get(payload.get("kid"))
        if cipher is None:
            raise CodecError(f"payload was encrypted with the unknown key {payload.get('kid')!r}")
        try:
            iv, data = (base64.b64decode(payload[part]) for part in ("iv", "data"))
            return json.loads(cipher.decrypt(iv, data, self._ASSOCIATED))
        except (self._InvalidTag, KeyError, ValueError) as error:
            raise CodecError("payload was damaged, or encrypted with another key") from error


def is_encoded(payload: Any) -> bool:
    return isinstance(payload, dict) and _MARK in payload


def dumps(codec: Codec, payload: Any) -> str | None:
    """The JSON text to send, None (SQL NULL) for None.

    NaN and Infinity are refused here rather than by the server, which knows no such JSON.
    """
    if payload is None:
        return None
    return json.dumps(codec.encode(payload), allow_nan=False)


def loads(codec: Codec, text: str | None) -> Any:
    return None if text is None else codec.decode(json.loads(text))


def decode_deep(codec: Codec, value: Any) -> Any:
    """Decodes whatever is encoded inside of what the server wrote around it, like a failure.

    What cannot be decoded stays as it is: a failure must be readable without the key as well.
    """
    if is_encoded(value):
        try:
            return codec.decode(value)
        except Exception:
            return value
    if isinstance(value, dict):
        return {name: decode_deep(codec, part) for name, part in value.items()}
    if isinstance(value, list):
        return [decode_deep(codec, part) for part in value]
    return value
