"""Encrypt a packed submission so that ``openssl enc`` can decrypt it.

MLCommons' ``pack_submission.sh`` encrypts with ``openssl enc -aes256``, whose default key
derivation is one round of a hash. Every OpenSSL since 1.1.1 can decrypt the same format with a
modern key derivation::

    openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -in FILE.enc

The format has no authentication: the manifest's SHA-256 shows whether a file arrived unchanged.
"""

from __future__ import annotations

import hashlib
import os
from typing import IO

from mlrepo.errors import UserError

# OWASP Password Storage Cheat Sheet (2023 and later): PBKDF2-HMAC-SHA256 with 600,000 iterations.
ITERATIONS = 600_000
_MAGIC = b"Salted__"
_SALT_SIZE, _KEY_SIZE, _IV_SIZE = 8, 32, 16
_BLOCK = 1 << 20


def decryption_command(name: str) -> str:
    """Return the command that decrypts a file of this name."""
    return (
        f"openssl enc -d -aes-256-cbc -pbkdf2 -iter {ITERATIONS} -md sha256 -in {name} "
        f"-out {name.removesuffix('.enc')}"
    )


def encrypt(source: IO[bytes], target: IO[bytes], passphrase: bytes) -> None:
    """Encrypt ``source`` with AES-256-CBC under a key derived from the passphrase.

    Raises
    ------
    UserError
        The passphrase is empty, or the package cryptography is not installed.
    """
    if not passphrase:
        raise UserError("The passphrase is empty.", hint="Give one; the receiver needs it too.")
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.padding import PKCS7
    except ImportError as error:
        raise UserError(
            "Encrypting needs the package cryptography.", hint="pip install 'mlrepo[encrypt]'"
        ) from error
    salt = os.urandom(_SALT_SIZE)
    derived = hashlib.pbkdf2_hmac("sha256", passphrase, salt, ITERATIONS, _KEY_SIZE + _IV_SIZE)
    cipher = Cipher(algorithms.AES256(derived[:_KEY_SIZE]), modes.CBC(derived[_KEY_SIZE:]))
    encryptor, padder = cipher.encryptor(), PKCS7(_IV_SIZE * 8).padder()
    target.write(_MAGIC + salt)
    while block := source.read(_BLOCK):
        target.write(encryptor.update(padder.update(block)))
    target.write(encryptor.update(padder.finalize()) + encryptor.finalize())
