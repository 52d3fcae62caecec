"""Whose certificates are taken where nobody names a CA."""

import ssl


def system_trust() -> ssl.SSLContext:
    """This machine's CAs, as Go and curl take them. From Python 3.13 on its own default is stricter (VERIFY_X509_STRICT)
    and refuses what many companies' CAs issue, for example without an Authority Key Identifier."""
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
