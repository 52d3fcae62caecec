"""usage: scripts/sbom.py VERSION: what kfw needs at run time, with all that that needs, as SPDX 2.3 in JSON on stdout.

Of the environment that it runs in: names, versions, licences and who needs whom, as each distribution says of itself.
https://spdx.github.io/spdx-spec/v2.3/
"""

import json
import os
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution

ROOT = "kfw-cli"


def normalized(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(found: Distribution) -> list[str]:
    """The names of what it needs without any extra; what is for another system only may be missing here."""
    lines = [line for line in found.requires or () if "extra ==" not in line]
    return [normalized(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in lines]


def closure(root: str) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += needs(found[name])
    return dict(sorted(found.items()))


def package(name: str, version: str, found: Distribution) -> dict[str, object]:
    about = found.metadata
    licence = about.get("License-Expression") or "NOASSERTION"
    return {
        "SPDXID": f"SPDXRef-{name}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseDeclared": licence,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": f"pkg:pypi/{name}@{version}",
            }
        ],
    }


def document(version: str) -> dict[str, object]:
    found = closure(ROOT)
    if ROOT not in found:
        raise SystemExit(f"{ROOT} is not installed in this environment; make setup")
    made = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{ROOT}-{version}",
        "documentNamespace": f"urn:kfw:sbom:{version}",
        "creationInfo": {
            "created": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: scripts/sbom.py"],
        },
        "packages": [
            package(name, version if name == ROOT else one.version, one) for name, one in found.items()
        ],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": f"SPDXRef-{ROOT}",
            },
            *(
                {
                    "spdxElementId": f"SPDXRef-{name}",
                    "relationshipType": "DEPENDS_ON",
                    "relatedSpdxElement": f"SPDXRef-{other}",
                }
                for name, one in found.items()
                for other in sorted(set(needs(one)) & found.keys())
            ),
        ],
    }


if __name__ == "__main__":
    print(json.dumps(document(sys.argv[1]), indent=1))
