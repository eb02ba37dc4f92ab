"""Cryptography: SHA-256, block headers, targets, nonces and functional encryption; bytes in, bytes out."""
