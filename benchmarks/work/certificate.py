"""A temporary certificate for loopback."""

from pathlib import Path

import trustme  # pyright: ignore[reportMissingImports]


def make(directory: Path) -> tuple[Path, Path]:
    """Writes a certificate with its key, and the authority that signed it."""
    authority = trustme.CA()
    certificate, signer = directory / "certificate.pem", directory / "authority.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(signer)
    return certificate, signer
