"""usage: python3 scripts/homebrew-formula.py PYLOCK ARCHIVE PYTHON VERSION [URL]

A Homebrew formula on stdout: kfw from ARCHIVE, which brew gets from URL (default: from where it is), and what PYLOCK, a
lock file of PEP 751, says that it needs. Each of these comes as source, as brew builds all itself.
"""

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: Packages of Homebrew's own: they have parts in Rust or C that take minutes to build.
OF_BREW = ("certifi", "cryptography")
#: What only those need.
OF_THEIRS = {"cffi", "pycparser"}

FORMULA = """\
class Kfw < Formula
  include Language::Python::Virtualenv

  desc "Keeps ports of Kubernetes clusters on localhost"
  url "{url}"
  version "{version}"
  sha256 "{sha256}"
  license "Apache-2.0"

{depends}

{resources}

  def install
    virtualenv_install_with_resources
    man1.install "docs/kfw.1"
    bash_completion.install "kfw/completion/scripts/kfw.bash" => "kfw"
    zsh_completion.install "kfw/completion/scripts/_kfw"
    fish_completion.install "kfw/completion/scripts/kfw.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/kfw version")
  end
end
"""


def formula(lock: Mapping[str, Any], archive: Path, python: str, version: str, url: str) -> str:
    return FORMULA.format(
        url=url or archive.resolve().as_uri(),
        version=version,
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        depends="\n".join(
            f'  depends_on "{name}"' for name in sorted((*OF_BREW, "libyaml", f"python@{python}"))
        ),
        resources="\n\n".join(resource(one) for one in needed(lock["packages"])),
    )


def needed(packages: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """In the order of their names, without what brew has, and what only Windows needs."""
    left_out = {*OF_BREW, *OF_THEIRS}
    wanted = [
        one
        for one in packages
        if one["name"] not in left_out
        and not re.search(r"sys_platform == 'win32'|os_name == 'nt'", one.get("marker", ""))
    ]
    return sorted(wanted, key=lambda one: str(one["name"]))


def resource(package: Mapping[str, Any]) -> str:
    """Its source archive. Raises SystemExit where there is none: brew could not build it."""
    source = package.get("sdist")
    if source is None:
        sys.exit(f"homebrew: {package['name']} {package['version']} has no source archive")
    return (
        f'  resource "{package["name"]}" do\n'
        f'    url "{source["url"]}"\n'
        f'    sha256 "{source["hashes"]["sha256"]}"\n'
        "  end"
    )


if __name__ == "__main__":
    lock_file, source_archive, *rest = sys.argv[1:]
    print(formula(tomllib.loads(Path(lock_file).read_text()), Path(source_archive), *rest), end="")
