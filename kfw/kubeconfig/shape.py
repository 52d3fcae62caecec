"""A kubeconfig file as it is written; every value may be null. Other keys are ignored, as kubectl does.

https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from typing import Any

from msgspec import Struct, field


class Named(Struct):
    name: str


class Extension(Named):
    extension: Any = None


class Cluster(Struct, rename="kebab"):
    server: str | None = None
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool | None = None
    tls_server_name: str | None = None
    proxy_url: str | None = None
    extensions: list[Extension] | None = None


class Variable(Struct):
    name: str
    value: str | None = None


class Exec(Struct, rename="camel"):
    command: str
    api_version: str
    args: list[str] | None = None
    env: list[Variable] | None = None
    install_hint: str | None = None
    provide_cluster_info: bool | None = None
    interactive_mode: str | None = None


class AuthProvider(Struct):
    name: str = ""


class User(Struct, rename="kebab"):
    token: str | None = None
    token_file: str | None = field(default=None, name="tokenFile")
    username: str | None = None
    password: str | None = None
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    exec: Exec | None = None
    auth_provider: AuthProvider | None = None
    as_: str | None = field(default=None, name="as")
    as_uid: str | None = None
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None


class Context(Struct):
    cluster: str | None = None
    user: str | None = None
    namespace: str | None = None


class NamedCluster(Named):
    cluster: Cluster | None = None


class NamedUser(Named):
    user: User | None = None


class NamedContext(Named):
    context: Context | None = None


class File(Struct, rename="kebab"):
    current_context: str | None = None
    clusters: list[NamedCluster] | None = None
    users: list[NamedUser] | None = None
    contexts: list[NamedContext] | None = None
