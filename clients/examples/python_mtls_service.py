"""A service that calls Mnemon through mutual TLS, as in a mesh: both sides show a certificate.

    MNEMON_ADDRESS=memory.internal:7171 python python_mtls_service.py \
        --ca ca.pem --cert service.pem --key service.key --user-id ana "What does Ana eat?"

Where the server maps certificates to roles no API key is needed; else `MNEMON_API_KEY` goes along too.
"""

from __future__ import annotations

import argparse
import sys

from mnemon import Client, MnemonError


def main(arguments: list[str]) -> int:
    """Asks one question; 0 if it was answered."""
    parser = argparse.ArgumentParser(description="Calls Mnemon through mutual TLS.")
    parser.add_argument("--ca", required=True, help="PEM file of the authority that signed the server")
    parser.add_argument("--cert", required=True, help="PEM file of this service's certificate")
    parser.add_argument("--key", required=True, help="PEM file of its private key")
    parser.add_argument("--server-name", help="the name in the server's certificate, if not the address's")
    parser.add_argument("--user-id", required=True)
    parser.add_argument("question")
    given = parser.parse_args(arguments)
    with Client(
        root_certificates=given.ca,
        client_certificate=given.cert,
        client_key=given.key,
        server_name=given.server_name,
        timeout=10,
    ) as client:
        try:
            for hit in client.search(given.question, user_id=given.user_id, top_k=3):
                if hit.memory is not None:
                    print(f"{hit.score:.2f} {hit.memory.text}")
        except MnemonError as error:
            print(f"{error.code}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
