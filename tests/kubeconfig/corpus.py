"""Kubeconfigs for the differential test, generated and hand-made. Each has one context, `c`, of cluster `a` and user `u`.

In the text `@HTTP@`, `@HTTPS@`, `@MTLS@` are URLs of the recorder's servers, `@PROXY@`, `@SPROXY@`, `@SOCKS@` of its
proxies, and `@...-PORT@` their ports; beside the file are ca.crt, ada.crt, ada.key and token.
"""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product

from tests.kube import certificates


@dataclass(frozen=True)
class Case:
    name: str
    text: str | bytes
    env: Mapping[str, str] = field(default_factory=dict)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def jwt(seconds: float | None) -> str:
    """An id-token that ends so many seconds from now; nobody here looks at its signature."""
    claims = {} if seconds is None else {"exp": int(time.time() + seconds)}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none"}, claims)
    ]
    return ".".join((*parts, "sig"))


CA_DATA = f"certificate-authority-data: {b64(certificates.ca())}"
HTTP = 'server: "@HTTP@"'
HTTPS = f'server: "@HTTPS@", {CA_DATA}'
MTLS = f'server: "@MTLS@", {CA_DATA}'
#: Goes nowhere but through a proxy.
FAR = f'server: "https://api.example.com:6443", {CA_DATA}'
FAR_HTTP = 'server: "http://api.example.com"'


@cache
def certificate() -> str:
    ada = certificates.pair("ada")
    return f"client-certificate-data: {b64(ada.certificate)}, client-key-data: {b64(ada.key)}"


EXEC = "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never"


def plugin(token: str = "plugged") -> str:
    answer = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": token},
    }
    return f'exec: {{{EXEC}, command: sh, args: ["-c", "echo $0", {json.dumps(json.dumps(answer))}]}}'


def oidc(**config: str) -> str:
    known = {
        "idp-issuer-url": "https://127.0.0.1:1",
        "client-id": "c",
        **{k.replace("_", "-"): v for k, v in config.items()},
    }
    inside = ", ".join(f'{key}: "{value}"' for key, value in known.items() if value)
    return f"auth-provider: {{name: oidc, config: {{{inside}}}}}"


def config(
    cluster: str = HTTPS, user: str = "token: abc", context: str = "cluster: a, user: u", more: str = ""
) -> str:
    return f"""apiVersion: v1
kind: Config
clusters:
- name: a
  cluster: {{{cluster}}}
users:
- name: u
  user: {{{user}}}
contexts:
- name: c
  context: {{{context}}}
current-context: c
{more}"""


def cases() -> list[Case]:
    made = [
        *_generated(),
        *_servers(),
        *_logins(),
        *_impersonation(),
        *_trust(),
        *_proxies(),
        *_yaml(),
        *_contexts(),
    ]
    names = [case.name for case in made]
    assert len(names) == len(set(names)), "two cases of one name"
    return made


def _generated() -> Iterator[Case]:
    servers = {"http": HTTP, "https": HTTPS, "mtls": MTLS, "via proxy": f'{FAR}, proxy-url: "@PROXY@"'}
    logins = {
        "token": "token: abc",
        "token file": "tokenFile: token",
        "basic": "username: ada, password: pw",
        "certificate": certificate(),
        "certificate files": "client-certificate: ada.crt, client-key: ./ada.key",
        "certificate and token": f"{certificate()}, token: abc",
        "plugin": plugin(),
        "plugin and token": f"{plugin()}, token: abc",
        "oidc": oidc(id_token=jwt(3600)),
    }
    acts = {"": "", " as bob": ', as: bob, as-groups: [x, "y z"], as-user-extra: {a/b: [v]}'}
    for (server, cluster), (login, user), (name, act) in product(
        servers.items(), logins.items(), acts.items()
    ):
        yield Case(f"{login} over {server}{name}", config(cluster, user + act))


def _servers() -> Iterator[Case]:
    """What may stand in `server`."""
    for url in (
        "@HTTP@/",
        " @HTTP@ ",
        "@HTTP@/pre/fix/",
        "@HTTP@//pre//",
        "@HTTP@/a%2fb/",
        "@HTTP@/a b",
        "@HTTP@/ü",
        "@HTTP@/x/../y",
        "@HTTP@/..",
        "@HTTP@/;x/~a$&+,=:@",
        "@HTTP@/%zz",
        "@HTTP@?x=1",
        "@HTTP@/p?token=1#f",
        "HTTP://127.0.0.1:@http-PORT@",
        "http://LOCALHOST:@http-PORT@",
        "http://[::1]:@http-PORT@",
        "http://[127.0.0.1]:@http-PORT@",
        "127.0.0.1:@http-PORT@",
        "localhost:@http-PORT@",
        "localhost:@http-PORT@/a",
        "//127.0.0.1:@http-PORT@",
        "http:127.0.0.1:@http-PORT@",
        "http://joe:pw@127.0.0.1:@http-PORT@",
        "http://joe@127.0.0.1:@http-PORT@",
        "http://joe:p%40w@127.0.0.1:@http-PORT@",
        "http://joe:p@w@127.0.0.1:@http-PORT@",
        "http://127.0.0.1:0@http-PORT@",
        "ftp://127.0.0.1:@http-PORT@",
        "unix:///x",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:-1",
        "http://127.0.0.1:x",
        "http://127.0.0.1:0",
        "http://",
        "http:///x",
        "://x",
        "",
        "http://a b:1",
        "@HTTP@\\t",
        "@HTTP@\\n",
        "https://" + "x" * 64 + ".example",
        "https://a..example",
    ):
        yield Case(f"server {url!r}", config(f'server: "{url}"'))
    yield Case("server without any field", config(""))
    yield Case(
        "a login in an https URL", config(HTTPS.replace("@HTTPS@", "https://joe:pw@localhost:@https-PORT@"))
    )
    yield Case(
        "a login in the URL and a plugin",
        config(HTTPS.replace("@HTTPS@", "https://joe:pw@localhost:@https-PORT@"), plugin()),
    )
    yield Case("no scheme but a CA", config(f'server: "127.0.0.1:@http-PORT@", {CA_DATA}'))
    yield Case(
        "no scheme but insecure", config('server: "127.0.0.1:@http-PORT@", insecure-skip-tls-verify: true')
    )
    proxied = ', proxy-url: "@PROXY@"'
    for name, host in (
        ("IDN", "bücher.example"),
        ("upper case", "API.Example.com"),
        ("a dot at the end", "api.example.com."),
        ("IPv6", "[::1]"),
    ):
        yield Case(f"{name} through a proxy", config(FAR.replace("api.example.com", host) + proxied))
    yield Case("the default port through a proxy", config(FAR.replace(":6443", "") + proxied))


def _logins() -> Iterator[Case]:
    for name, user in {
        "a name without a password": "username: ada",
        "a password without a name": "password: pw",
        "nothing": "",
        "an empty token": 'token: ""',
        "a token and a name": "token: abc, username: ada, password: pw",
        "a token and a token file": "token: abc, tokenFile: token",
        "a token file that is missing": "tokenFile: nope",
        "a newline after the token": 'token: "abc\\n"',
        "a newline in the token": 'token: "abc\\ndef"',
        "a NUL in the token": 'token: "abc\\0def"',
        "a tab in the token": 'token: "abc\\tdef"',
        "blanks around the token": 'token: " abc "',
        "a token that is not ASCII": 'token: "aüc"',
        "a token like a date": "token: 2026-11-21",
        "a token that is null": "token: ~",
        "a key without a certificate": "client-key: ada.key",
        "certificate data and a file": f"{certificate()}, client-certificate: ada.crt",
        "a certificate file that is missing": "client-certificate: nope, client-key: ada.key",
        "a certificate that is none": "client-certificate-data: YWJj, client-key-data: YWJj",
        "a certificate without a key": "client-certificate: ada.crt",
        "a plugin and a name": f"username: ada, password: pw, {plugin()}",
        "a plugin and a certificate": f"{certificate()}, {plugin()}",
        "a plugin and a token file": f"tokenFile: token, {plugin()}",
        "a plugin without a command": f"exec: {{{EXEC}}}",
        "a plugin without an apiVersion": "exec: {command: sh, interactiveMode: Never}",
        "a plugin of v1alpha1": "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: sh}",
        "a plugin of another mode": f"exec: {{{EXEC.replace('Never', 'Maybe')}, command: sh}}",
        "a plugin that is not installed": f"exec: {{{EXEC}, command: no-such-plugin}}",
        "a plugin with a variable without a name": f"exec: {{{EXEC}, command: sh, env: [{{value: x}}]}}",
        "a plugin without a mode": plugin().replace(", interactiveMode: Never", ""),
        "oidc that ended": oidc(id_token=jwt(-60)),
        "oidc that ends in 5 s": oidc(id_token=jwt(5)),
        "oidc without an end": oidc(id_token=jwt(None)),
        "oidc without an issuer": oidc(id_token=jwt(3600), idp_issuer_url=""),
        "oidc without a client": oidc(id_token=jwt(3600), client_id=""),
        "oidc that is not a JWT": oidc(id_token="abc"),
        "oidc without a token": oidc(),
        "oidc without a config": "auth-provider: {name: oidc}",
        "oidc and a token": f"token: abc, {oidc()}",
        "oidc and a certificate": f"{certificate()}, {oidc(id_token=jwt(3600))}",
        "oidc and a plugin": f"{plugin()}, {oidc(id_token=jwt(3600))}",
        "gcp": "auth-provider: {name: gcp}",
        "azure": "auth-provider: {name: azure}",
        "another auth-provider": "auth-provider: {name: openstack}",
    }.items():
        yield Case(f"login: {name}", config(MTLS, user))
    yield Case("gcp over http", config(HTTP, "auth-provider: {name: gcp}"))
    yield Case("a faulty plugin over http", config(HTTP, "exec: {command: sh}"))


def _impersonation() -> Iterator[Case]:
    for name, user in {
        "all of it": 'as: bob, as-uid: "7", as-groups: [a, b], as-user-extra: {Foo/Bar: [x, z], "a%b c": ["é"]}',
        "odd keys": 'as: bob, as-user-extra: {"üA~!*": [v], k: [], "": [v]}',
        "blanks": 'as: " bob "',
        "not ASCII": "as: bü",
        "groups without as": "as-groups: [a]",
        "extra without as": "as-user-extra: {a: [b]}",
        "uid without as": 'as-uid: "7"',
        "a newline": 'as: "a\\nb"',
        "a newline in extra": 'as: b, as-user-extra: {k: ["a\\nb"]}',
        "an empty group": 'as: b, as-groups: ["", x]',
    }.items():
        yield Case(f"impersonation: {name}", config(HTTPS, f"token: abc, {user}"))


def _trust() -> Iterator[Case]:
    """Who is trusted, and for which name."""
    ca = certificates.ca()
    bad = b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"
    body = b"".join(ca.split(b"\n")[1:-2])
    for name, data in {
        "Latin-1 in a comment": b"# caf\xe9\n" + ca,
        "CRLF": ca.replace(b"\n", b"\r\n"),
        "CR": ca.replace(b"\n", b"\r"),
        "a bad block before": bad + ca,
        "a bad block after": ca + bad,
        "a block that is not base64": bad.replace(b"YWJj", b"***") + ca,
        "a key before": certificates.pair("ada").key + ca,
        "blanks before": b"  \n\t" + ca,
        "indentation": b"\n".join(b"  " + line for line in ca.splitlines()),
        "blanks after each line": ca.replace(b"\n", b" \n"),
        "a byte order mark": b"\xef\xbb\xbf" + ca,
        "no newline at its end": ca.strip(),
        "one long line": b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n",
        "twice": ca + ca,
        "text": b"hello",
        "only a bad block": bad,
        "UTF-16": ca.decode().encode("utf-16"),
        "headers in the block": ca.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----\nX: y\n\n", 1),
        "another label": ca.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
        "another CA": certificates.pair("ada").certificate,
    }.items():
        yield Case(f"CA: {name}", config(f'server: "@HTTPS@", certificate-authority-data: {b64(data)}'))
    wrapped = b64(ca)[:40] + "\\n" + b64(ca)[40:]
    for name, cluster in {
        "wrapped base64": f'certificate-authority-data: "{wrapped}"',
        "a blank in the base64": f'certificate-authority-data: "{b64(ca)} "',
        "no base64": "certificate-authority-data: '***'",
        "empty data": 'certificate-authority-data: ""',
        "a file": "certificate-authority: ca.crt",
        "a file with dots": "certificate-authority: ./x/../ca.crt",
        "a file that is missing": "certificate-authority: nope",
        "a file in ~": "certificate-authority: ~/ca.crt",
        "data and a file": f"{CA_DATA}, certificate-authority: ca.crt",
        "none": "",
        "insecure": "insecure-skip-tls-verify: true",
        "insecure, yes": "insecure-skip-tls-verify: yes",
        "insecure, on": "insecure-skip-tls-verify: on",
        "insecure, quoted": 'insecure-skip-tls-verify: "true"',
        "insecure, 1": "insecure-skip-tls-verify: 1",
        "insecure and a CA": f"insecure-skip-tls-verify: true, {CA_DATA}",
        "not insecure and a CA": f"insecure-skip-tls-verify: no, {CA_DATA}",
        "another server name": f"{CA_DATA}, tls-server-name: kubernetes",
        "a wrong server name": f"{CA_DATA}, tls-server-name: nope",
        "a server name of a dot": f"{CA_DATA}, tls-server-name: .",
        "a server name with a dot at its end": f"{CA_DATA}, tls-server-name: kubernetes.",
        "a server name with blanks": f'{CA_DATA}, tls-server-name: " kubernetes "',
        "a server name that is an address": f"{CA_DATA}, tls-server-name: 127.0.0.1",
        "a server name and insecure": "insecure-skip-tls-verify: true, tls-server-name: nope",
    }.items():
        yield Case(f"trust: {name}", config(f'server: "@HTTPS@", {cluster}'))


def _proxies() -> Iterator[Case]:
    for url in (
        "http://joe:p%40w@127.0.0.1:@http-proxy-PORT@",
        "http://joe@127.0.0.1:@http-proxy-PORT@",
        "http://:@http-proxy-PORT@",
        "HTTP://127.0.0.1:@http-proxy-PORT@",
        "@PROXY@/path?q",
        " @PROXY@",
        "127.0.0.1:@http-proxy-PORT@",
        "@SPROXY@",
        "https://joe:pw@localhost:@https-proxy-PORT@",
        "@SOCKS@",
        "socks5://joe:pw@127.0.0.1:@socks-PORT@",
        "socks5h://127.0.0.1:@socks-PORT@",
        "ftp://127.0.0.1:@http-proxy-PORT@",
        "http://127.0.0.1:99999",
    ):
        yield Case(f"proxy-url {url!r}", config(f'{FAR}, proxy-url: "{url}"'))
    through_tls = 'proxy-url: "https://localhost:@https-proxy-PORT@"'
    yield Case("an http server through a proxy", config(f'{FAR_HTTP}, proxy-url: "@PROXY@"'))
    yield Case("an http server through SOCKS", config(f'{FAR_HTTP}, proxy-url: "@SOCKS@"'))
    yield Case(
        "an https proxy and a server name", config(f"{FAR}, tls-server-name: kubernetes, {through_tls}")
    )
    insecure = 'server: "https://api.example.com:6443", insecure-skip-tls-verify: true'
    yield Case("an https proxy, insecure", config(f"{insecure}, {through_tls}"))
    yield Case("proxy-url and NO_PROXY", config(f'{FAR}, proxy-url: "@PROXY@"'), {"NO_PROXY": "*"})
    for name, cluster, env in (
        ("HTTPS_PROXY", FAR, {"HTTPS_PROXY": "@PROXY@"}),
        ("https_proxy", FAR, {"https_proxy": "@PROXY@"}),
        ("both, the upper one counts", FAR, {"https_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "@PROXY@"}),
        ("HTTPS_PROXY without a scheme", FAR, {"HTTPS_PROXY": "127.0.0.1:@http-proxy-PORT@"}),
        ("HTTPS_PROXY with TLS", FAR, {"HTTPS_PROXY": "https://localhost:@https-proxy-PORT@"}),
        ("HTTPS_PROXY of SOCKS", FAR, {"HTTPS_PROXY": "@SOCKS@"}),
        ("HTTPS_PROXY for this machine", HTTPS, {"HTTPS_PROXY": "@PROXY@"}),
        ("HTTP_PROXY for this machine", HTTP, {"HTTP_PROXY": "@PROXY@"}),
        ("HTTP_PROXY for an https server", HTTPS, {"HTTP_PROXY": "http://127.0.0.1:1"}),
        ("HTTPS_PROXY of another kind", FAR, {"HTTPS_PROXY": "ftp://127.0.0.1:@http-proxy-PORT@"}),
        ("ALL_PROXY", FAR, {"ALL_PROXY": "@PROXY@"}),
        ("HTTP_PROXY", FAR_HTTP, {"HTTP_PROXY": "@PROXY@"}),
    ):
        yield Case(f"environment: {name}", config(cluster), env)
    for rule in (
        "example.com",
        ".example.com",
        "*.example.com",
        "ple.com",
        "example.com:443",
        "example.com:6443",
        "*",
    ):
        yield Case(f"NO_PROXY {rule}", config(FAR), {"HTTPS_PROXY": "@PROXY@", "NO_PROXY": rule})
    for rule in (":6443", "example.com.", "api.example.com", "API.Example.com", "10.0.0.0/8", "other, *"):
        yield Case(f"NO_PROXY {rule}", config(FAR), {"HTTPS_PROXY": "@PROXY@", "NO_PROXY": rule})
    yield Case("no_proxy", config(FAR), {"HTTPS_PROXY": "@PROXY@", "no_proxy": "example.com"})


def _yaml() -> Iterator[Case]:
    good = config()

    def user(lines: str) -> str:
        return good.replace("  user: {token: abc}", f"  user:\n{lines}")

    merged = "x-one: &one {token: merged, username: ~}\nx-two: &two {token: other, as: bob}\n"
    for name, text in {
        "a separator at its end": f"{good}---\n",
        "a second document": f"{good}---\ncurrent-context: other\n",
        "a second document that is none": f"{good}---\n{{[\n",
        "a separator before": f"---\n{good}",
        "an empty document before": f"---\n---\n{good}",
        "a byte order mark": b"\xef\xbb\xbf" + good.encode(),
        "CRLF": good.replace("\n", "\r\n"),
        "CR": good.replace("\n", "\r"),
        "UTF-16": good.encode("utf-16"),
        "UTF-16 without a mark": good.encode("utf-16-le"),
        "Latin-1 in a comment": b"# caf\xe9\n" + good.encode(),
        "a control character": good.replace("token: abc", 'token: "a\x01b"'),
        "empty": "",
        "comments only": "# nothing\n",
        "null": "null\n",
        "null sections": "clusters: null\nusers: ~\ncontexts:\ncurrent-context:\n",
        "words": "just words\n",
        "a list": "- a\n",
        "no kind": good.replace("kind: Config\n", "").replace("apiVersion: v1\n", ""),
        "another kind": good.replace("kind: Config", "kind: Pod"),
        "another version": good.replace("apiVersion: v1", "apiVersion: v2"),
        "a section that is a mapping": good.replace(
            "users:\n- name: u\n  user: {token: abc}", "users: {u: {token: abc}}"
        ),
        "a name twice": good.replace("users:\n", "users:\n- name: u\n  user: {token: first}\n"),
        "another name twice": good.replace("users:\n", "users:\n" + "- {name: v, user: {}}\n" * 2),
        "a section twice": good.replace("users:\n", "users: []\nusers:\n"),
        "a field twice": good.replace("token: abc", "token: first, token: abc"),
        "Clusters": good.replace("clusters:", "Clusters:"),
        "Token": good.replace("token: abc", "Token: abc"),
        "unknown fields": good.replace("token: abc", "token: abc, color: red") + "color: red\n5: x\n",
        "preferences": good + "preferences: {colors: true}\nextensions: [{name: a, extension: {kind: x}}]\n",
        "merge": merged + user("    <<: *one\n    as: bob\n"),
        "merge below": merged + user("    token: mine\n    <<: *one\n"),
        "merge above": merged + user("    <<: *one\n    token: mine\n"),
        "merge a list": merged + user("    <<: [*one, *two]\n"),
        "merge an entry": "x: &x {name: u, user: {token: merged}}\n"
        + good.replace("- name: u\n  user: {token: abc}", "- <<: *x"),
        "merge in quotes": merged + user('    "<<": *one\n    token: abc\n'),
        "merge of a text": user("    <<: words\n    token: abc\n"),
        "an anchor": good.replace("token: abc", "token: &t abc, as: *t"),
        "an anchor that is missing": good.replace("token: abc", "token: *t"),
        "an anchor in itself": good + "x: &x [*x]\n",
        "an alias bomb": good
        + "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)),
        "deep": good + "x: " + "[" * 2_000 + "]" * 2_000 + "\n",
        "very deep": good + "x: " + "[" * 20_000 + "]" * 20_000 + "\n",
        "a tab before a key": good.replace("  user:", "\tuser:"),
        "tabs elsewhere": good.replace("user: {", "user:\t{").replace(
            "current-context: c", "current-context: c\t"
        ),
        "a key that is a list": good + "[a]: x\n",
        "a key that is null": good + "~: x\n",
        "a tag": good.replace("token: abc", "token: !mine abc"),
        "a tag of text": good.replace("token: abc", "token: !!str 12"),
        "a tag of bytes": good.replace("token: abc", "token: !!binary YWJj"),
        "a tag of Python": good.replace("token: abc", "token: !!python/name:os.system abc"),
        "a number for a token": good.replace("token: abc", "token: 12345"),
        "yes for a token": good.replace("token: abc", "token: yes"),
        "a list for a token": good.replace("token: abc", "token: [abc]"),
        "a fault in another user": good.replace("users:\n", "users:\n- {name: v, user: {token: [x]}}\n"),
        "a fault in another cluster": good.replace(
            "clusters:\n", "clusters:\n- {name: b, cluster: {server: 5, x: y}}\n"
        ),
        "bad base64 in another user": good.replace(
            "users:\n", "users:\n- {name: v, user: {client-key-data: '*'}}\n"
        ),
        "a bad flag in another cluster": good.replace(
            "clusters:\n", 'clusters:\n- {name: b, cluster: {insecure-skip-tls-verify: "yes"}}\n'
        ),
        "an entry that is null": good.replace("users:\n", "users:\n-\n"),
        "an entry that is a text": good.replace("users:\n", "users:\n- words\n"),
        "names like other things": good.replace("name: u", "name: on").replace("user: u", "user: on"),
        "a block text": user("    token: |-\n      abc\n"),
        "a block text with a newline": user("    token: |\n      abc\n"),
        "JSON": json.dumps(
            {
                "clusters": [
                    {"name": "a", "cluster": {"server": "@HTTPS@", "certificate-authority": "ca.crt"}}
                ],
                "users": [{"name": "u", "user": {"token": "abc"}}],
                "contexts": [{"name": "c", "context": {"cluster": "a", "user": "u"}}],
                "current-context": "c",
            },
            indent="\t",
        ),
        "JSON that ends too early": '{"current-context": "c"',
    }.items():
        yield Case(f"YAML: {name}", text)


def _contexts() -> Iterator[Case]:
    for name, text in {
        "no user": config(context="cluster: a"),
        "a user that does not exist": config(context="cluster: a, user: z"),
        "an empty user": config(context='cluster: a, user: ""'),
        "no cluster": config(context="user: u"),
        "a cluster that does not exist": config(context="cluster: z, user: u"),
        "no current context": config().replace("current-context: c\n", ""),
        "an empty current context": config().replace("current-context: c\n", 'current-context: ""\n'),
        "a current context that does not exist": config().replace(
            "current-context: c\n", "current-context: z\n"
        ),
        "a namespace that is a number": config(context="cluster: a, user: u, namespace: 12"),
        "an empty user name": config(context='cluster: a, user: ""').replace("name: u", 'name: ""'),
    }.items():
        yield Case(f"context: {name}", text)
