"""Kubeconfigs: valid ones with values, styles and bytes changed, and what is none at all. Secrets are marked."""

import base64
import inspect
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from kfw.errors import KfwError
from kfw.kube.login import Login
from kfw.kubeconfig.entries import Access
from kfw.target.registry import ClusterRegistry
from tests.fakes import forward
from tests.fuzz import memory, outside_files, values
from tests.fuzz.area import Area, Case, Finding
from tests.fuzz.yaml_writer import YamlWriter, bomb, merge_bomb

#: Processor seconds that one context of one set of files may take: the machine may be busy with other things.
_QUICK = 1.0
#: Bytes that reading one set of files may take for a while.
_PEAK = 200 << 20
_CONTEXTS = ("dev", "prod", "no-such", "")
#: Keys whose values are secret, whatever is in them: they stay at their place.
_SECRET = {
    *(
        "token",
        "password",
        "client-key-data",
        "server",
        "proxy-url",
        "value",
        "args",
        "config",
        "client-secret",
    ),
    *("id-token", "refresh-token", "access-token", "installHint"),
}


async def read_access(registry: ClusterRegistry, files: Sequence[str], context: str) -> Access:
    """As the daemon reads them. Raises UsageError."""
    found: Any = registry.access(forward("fuzzed", kubeconfig=tuple(files), context=context))
    return await found if inspect.isawaitable(found) else found


class Kubeconfig(Area):
    name = "kubeconfig"

    async def case(self, case: Case) -> None:
        files = [_file(case, f"config{number}") for number in range(case.random.choice((1, 1, 1, 2, 3)))]
        before = memory.reset_peak()
        async with ClusterRegistry() as registry:
            for context in case.random.sample(_CONTEXTS, 3):
                await _read(case, registry, files, context)
        if (most := memory.peak() - before) > _PEAK:
            raise Finding(f"reading kubeconfigs takes {most >> 20} MB")


async def _read(case: Case, registry: ClusterRegistry, files: Sequence[str], context: str) -> None:
    began = time.process_time()
    try:
        access = await read_access(registry, files, context)
    except KfwError as error:
        case.must_not_show("an error about a kubeconfig", f"{error.what}\n{error.fix}\n{error!r}")
    else:
        case.must_not_show("the repr of what a kubeconfig says", repr(access))
        await _log_in(case, access)
    if (took := time.process_time() - began) > _QUICK:
        raise Finding(f"a kubeconfig takes {took:.1f} s of the processor")


async def _log_in(case: Case, access: Access) -> None:
    """With what is written there, and in the files that it names. No program of a made-up name is run."""
    if access.user.exec is not None:
        return
    try:
        given = await Login(access).credentials()
    except KfwError as error:
        case.must_not_show("an error about a login", f"{error.what}\n{error.fix}\n{error!r}")
    else:
        case.must_not_show("the repr of credentials", repr(given))


def _file(case: Case, name: str) -> str:
    path = case.folder / name
    match case.random.randrange(24):
        case 0:
            outside_files.spoil(case.random, path)
        case 1:
            path.write_bytes(_no_kubeconfig(case))
        case _:
            path.write_bytes(_encoded(case.random, _text(case), str(case.mark)))
    return str(path)


def _no_kubeconfig(case: Case) -> bytes:
    random = case.random
    match random.randrange(7):
        case 0:
            return random.randbytes(random.choice((0, 1, 10, 5000)))
        case 1:
            return values.deep_json(random, random.choice((10, 900, 5000, 200_000)))
        case 2:
            return f"apiVersion: v1\nkind: Config\nx:\n{_indented(bomb(random, random.choice((3, 9, 60)), 10))}\n".encode()
        case 3:
            return f"apiVersion: v1\nkind: Config\nx:\n{_indented(merge_bomb(random.choice((2, 5, 8)), 9))}\n".encode()
        case 4:
            return values.json_bytes(values.value(random))
        case 5:
            return b"".join(b" " * depth + b"a:\n" for depth in range(random.choice((50, 2000))))
        case _:
            return random.choice(
                (b"- ", b"? ", b"a: ", b"&a ", b"!", b"[", b"{", b"'", b'"', b"\t")
            ) * random.choice((1, 50, 20_000))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _text(case: Case) -> str:
    random, data = case.random, _config(case)
    if random.random() < 0.7:
        data = values.mutate(random, data, random.choice((1, 1, 1, 2, 3, 8)), _stays)
        _change_secrets(case, data)
    if random.random() < 0.05:
        data["contexts"] = [{"name": f"c{number}", "context": {"cluster": "dev"}} for number in range(3000)]
    return YamlWriter(random, str(case.mark), random.choice((0.0, 0.05, 0.3))).document(data)


def _stays(path: values.Path, _: Any) -> bool:
    return bool(path) and path[-1] in _SECRET


def _change_secrets(case: Case, data: Any) -> None:
    """Secrets with what a file may have around them, still at their place."""
    for path, holder, key in list(values.places(data)):
        secret = holder[key] if isinstance(key, str) and path[-1] in _SECRET else None
        if isinstance(secret, str) and str(case.mark) in secret and case.random.random() < 0.3:
            odd = values.text(case.random)
            holder[key] = case.random.choice(
                (secret + odd, odd + secret, [secret], {"x": secret}, f"{secret}\n", f" {secret}")
            )


def _config(case: Case) -> dict[str, Any]:
    """A kubeconfig as it should be, with two of each."""
    random = case.random
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "dev",
        "preferences": {},
        "clusters": [{"name": name, "cluster": _cluster(case)} for name in ("dev", "prod")],
        "users": [{"name": name, "user": _user(case)} for name in ("ada", "joe")],
        "contexts": [
            {"name": "dev", "context": {"cluster": "dev", "user": "ada", "namespace": "shop"}},
            {"name": "prod", "context": {"cluster": random.choice(("prod", "dev", "none")), "user": "joe"}},
        ],
    }


def _cluster(case: Case) -> dict[str, Any]:
    random, mark = case.random, case.mark
    every: dict[str, Any] = {
        "server": random.choice(
            (
                "https://127.0.0.1:6443",
                f"https://joe:{mark}@127.0.0.1",
                f"https://h/?token={mark}",
                random.choice(values.URLS),
            )
        ),
        "certificate-authority-data": random.choice(
            (_PEM_CA, "", "!", "YWJj", base64.b64encode(b"no PEM").decode())
        ),
        "certificate-authority": random.choice(("ca.crt", "/dev/zero", "../x")),
        "insecure-skip-tls-verify": random.choice((True, False, "yes", "true")),
        "tls-server-name": "kubernetes",
        "proxy-url": random.choice(
            (f"http://joe:{mark}@127.0.0.1:1", f"socks5://joe:{mark}@h", "https://h", "ftp://h")
        ),
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"a": [1]}}],
    }
    return {"server": every["server"], **_some(random, every)}


def _user(case: Case) -> dict[str, Any]:
    random, mark = case.random, case.mark
    key = base64.b64encode(
        f"-----BEGIN PRIVATE KEY-----\n{mark}\n-----END PRIVATE KEY-----\n".encode()
    ).decode()
    every: dict[str, Any] = {
        "token": f"tok-{mark}",
        "tokenFile": random.choice(("token", "/dev/zero", "")),
        "username": "joe",
        "password": f"{mark}",
        "client-certificate-data": _PEM_CA,
        "client-key-data": key,
        "client-key": "client.key",
        "as": "root",
        "as-groups": ["a", "b"],
        "as-user-extra": {"a/b": ["c"], "ü %": ["d", ""]},
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./login",
            "args": ["get-token", f"--oidc-client-secret={mark}"],
            "env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": f"{mark}"}],
            "interactiveMode": "IfAvailable",
            "installHint": "install it",
        },
        "auth-provider": {
            "name": "oidc",
            "config": {"client-secret": f"{mark}", "id-token": f"a.{mark}.b", "refresh-token": f"{mark}"},
        },
    }
    return _some(random, every)


def _some(random: Random, every: Mapping[str, Any]) -> dict[str, Any]:
    names = random.sample(sorted(every), random.randrange(1, len(every) + 1))
    return {name: every[name] for name in names}


def _encoded(random: Random, text: str, mark: str) -> bytes:
    """As bytes, some of them changed: never on a line with a secret or beside one, where a change would move it to a place
    that is shown, as names are."""
    encoding = random.choice(
        ("utf-8",) * 12 + ("utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32", "cp1252")
    )
    if random.random() < 0.1:
        text = text.replace("\n", random.choice(("\r\n", "\r", "\n\n", " \n", "\t\n")))
    if random.random() < 0.7:
        return text.encode(encoding, errors="replace")
    blocks = _without_secrets(text, mark)
    at = random.randrange(len(blocks))
    changed = values.bytes_changed(
        random, blocks[at][1].encode(errors="replace"), random.randrange(1, 5), _HARMLESS
    )
    parts = [
        changed if number == at and free else block.encode(errors="replace")
        for number, (free, block) in enumerate(blocks)
    ]
    return b"".join(parts)


#: None that begins a quoted text, or a block, into which what follows would be swallowed.
_HARMLESS = bytes(set(range(256)) - set(b"'\"|>\\?&*"))


def _without_secrets(text: str, mark: str) -> list[tuple[bool, str]]:
    """Runs of lines: those with a secret, and, free to be changed, those far from one."""
    lines = text.splitlines(keepends=True)
    near = {n + by for n, line in enumerate(lines) if case_in(line, mark) for by in (-1, 0, 1)}
    runs: list[tuple[bool, str]] = []
    for number, line in enumerate(lines):
        free = number not in near
        if runs and runs[-1][0] == free:
            runs[-1] = (free, runs[-1][1] + line)
        else:
            runs.append((free, line))
    return runs


def case_in(line: str, mark: str) -> bool:
    return mark in line or "-data" in line


_PEM_CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").decode()
