"""Where kfw does something else than kubectl, and why. Each is proven by the differential test: one that is not listed
fails it, and so does one that is not there any more."""

from typing import Literal

#: "kfw goes on": kubectl refuses. "kfw refuses": kubectl sends a request. "other request": both send one.
Kind = Literal["kfw goes on", "kfw refuses", "other request"]

_OTHERS = "kubectl refuses the whole file; for kfw a faulty entry concerns only the contexts that use it"
_NOBODY = "kubectl asks for a name and a password on the terminal; kfw has none, and goes there as nobody"
_BLANKS = "nobody means blanks around a URL or a name of a host"
_TEXT = "kubectl refuses the whole file; where a text is wanted, kfw takes what is written"
_BOTH = "kubectl refuses, and says that the data would override the file: kfw takes the data"
_PEM = "Go's PEM decoder finds no block here; what is meant is beyond doubt"
_TUNNEL = (
    "kfw asks a proxy for a tunnel (CONNECT) whatever goes through it, as kubectl's own port-forward does"
)

DIFFERENCES: dict[str, tuple[Kind, str]] = {
    "server ' @HTTP@ '": ("kfw goes on", _BLANKS),
    "server '@HTTP@\\\\t'": ("kfw goes on", _BLANKS),
    "server '@HTTP@\\\\n'": ("kfw goes on", _BLANKS),
    "proxy-url ' @PROXY@'": ("kfw goes on", _BLANKS),
    "trust: a server name with blanks": ("kfw goes on", _BLANKS),
    "server 'http://[127.0.0.1]:@http-PORT@'": ("kfw refuses", "brackets are for IPv6 addresses (RFC 3986)"),
    "server 'localhost:@http-PORT@/a'": ("kfw goes on", "a path is as clear without a scheme as with one"),
    "login: a password without a name": ("kfw goes on", _NOBODY),
    "login: nothing": ("kfw goes on", _NOBODY),
    "login: an empty token": ("kfw goes on", _NOBODY),
    "login: a token that is null": ("kfw goes on", _NOBODY),
    "login: a key without a certificate": ("kfw goes on", _NOBODY),
    "YAML: Token": ("kfw goes on", _NOBODY),
    "context: no user": ("kfw goes on", _NOBODY),
    "context: an empty user": ("kfw goes on", _NOBODY),
    "login: certificate data and a file": ("kfw goes on", _BOTH),
    "trust: data and a file": ("kfw goes on", _BOTH),
    "login: a plugin without a mode": (
        "kfw goes on",
        "it is never interactive with kfw, so the mode is clear",
    ),
    "login: oidc without an issuer": ("kfw goes on", "its id-token is valid, and the issuer is not asked"),
    "login: oidc without a client": ("kfw goes on", "its id-token is valid, and the issuer is not asked"),
    "CA: CR": ("kfw goes on", _PEM),
    "CA: blanks before": ("kfw goes on", _PEM),
    "CA: indentation": ("kfw goes on", _PEM),
    "CA: a byte order mark": ("kfw goes on", _PEM),
    "trust: a blank in the base64": (
        "kfw goes on",
        "kubectl takes line breaks there; a blank is no more doubtful",
    ),
    "proxy-url '127.0.0.1:@http-proxy-PORT@'": ("kfw goes on", "kubectl takes it in HTTPS_PROXY"),
    "proxy-url 'socks5h://127.0.0.1:@socks-PORT@'": (
        "kfw goes on",
        "socks5 is the same: the proxy looks names up",
    ),
    "an http server through a proxy": ("other request", _TUNNEL),
    "environment: HTTP_PROXY": ("other request", _TUNNEL),
    "an https proxy and a server name": (
        "other request",
        "kubectl wants the server's name in the proxy's certificate, too; kfw wants the proxy's own",
    ),
    "environment: HTTPS_PROXY of another kind": ("kfw refuses", "kubectl speaks HTTP to an ftp:// proxy"),
    "YAML: another name twice": ("kfw goes on", _OTHERS),
    "YAML: a fault in another user": ("kfw goes on", _OTHERS),
    "YAML: a fault in another cluster": ("kfw goes on", _OTHERS),
    "YAML: bad base64 in another user": ("kfw goes on", _OTHERS),
    "YAML: a bad flag in another cluster": ("kfw goes on", _OTHERS),
    "YAML: an entry that is a text": ("kfw goes on", _OTHERS),
    "YAML: a key that is null": (
        "kfw goes on",
        "kubectl refuses the whole file; it is an unknown field like any other",
    ),
    "YAML: a number for a token": ("kfw goes on", _TEXT),
    "YAML: yes for a token": ("kfw goes on", _TEXT),
    "YAML: names like other things": ("kfw goes on", _TEXT),
    "context: a namespace that is a number": ("kfw goes on", _TEXT),
    "YAML: deep": ("kfw refuses", "100 levels are enough for a kubeconfig; kubectl takes 10,000"),
}
