"""List the installed packages.

`sbom` writes sbom.json (CycloneDX). `licences` prints a table, and fails where a licence is not allowed.
The same packages give the same bytes: there is no time and no random number in them.
"""

import re
import sys
import uuid
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pandas as pd
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from license_expression import ExpressionError, get_spdx_licensing
from packageurl import PackageURL

# What a licence asks of those who pass the package on. The first pattern that fits decides.
KINDS = {
    "copyleft": r"(?<!L)GPL|General Public License",
    "weak copyleft": r"LGPL|MPL|Mozilla|EPL|Eclipse",
    "permissive": r"MIT|BSD|Apache|PSF|Python Software Foundation|ISC|Zope|ZPL|HPND|Public Domain|CC0|Zlib",
}
SPDX = get_spdx_licensing()
ORDER = ["permissive", "weak copyleft", "copyleft", "unknown"]
# Licences from the package's own licence file, where its metadata name none.
TOLD_IN_FILES = {"axe-playwright-python": "MIT"}
# Packages of a kind that is refused, and why they may stay.
ALLOWED = {
    "grandalf": "it is offered under EPL 1.0 as well; DVC draws its graphs with it",
    "pygit2": "its licence lets programs of any licence link to it; DVC reads git with it",
}


def installed() -> list[Distribution]: # in order of their names, without this project
    "List the packages of this environment."
    packages = {_name(package): package for package in distributions()}
    return [packages[name] for name in sorted(set(packages) - {"mlproj"})]


def _name(package: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", package.name).lower()


def licence(package: Distribution) -> str:
    """Read a package's licence from its metadata: an expression, classifiers, or a few words.

    Several classifiers count as a choice between licences.
    """
    metadata = package.metadata
    lines = metadata.get_all("Classifier", [])
    approved = [line for line in lines if line.startswith("License :: OSI Approved ::")]
    classifiers = [line.rpartition(" :: ")[2] for line in approved]
    words = (metadata.get("License") or "").strip().splitlines() or [""]
    short = words[0] if len(words) == 1 and words[0] != "UNKNOWN" else ""
    expression = metadata.get("License-Expression") or " OR ".join(classifiers) or short
    return expression or TOLD_IN_FILES.get(_name(package), "") or "unknown"


def kind(expression: str) -> str: # one of ORDER
    "Say what a licence asks. Of several licences with OR the mildest counts, with AND the strictest."
    try:
        return _ask(SPDX.parse(expression))
    except ExpressionError: # the licence is in words
        return min(map(_kind, expression.split(" OR ")), key=ORDER.index)


def _ask(node: object) -> str: # of a parsed expression
    operator = getattr(node, "operator", "").strip()
    if operator not in ("AND", "OR"):
        return _kind(str(node))
    return (max if operator == "AND" else min)(map(_ask, node.args), key=ORDER.index)


def _kind(words: str) -> str:
    return next((name for name, pattern in KINDS.items() if re.search(pattern, words)), "unknown")


def table(packages: Iterable[Distribution]) -> pd.DataFrame: # index: package; columns: version, licence, kind
    licences = {_name(package): (package.version, licence(package)) for package in packages}
    rows = {name: (version, words, kind(words)) for name, (version, words) in licences.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["version", "licence", "kind"])
    return frame.rename_axis("package")


def refused(licences: pd.DataFrame) -> list[str]: # packages
    kinds = licences.kind.items()
    return [name for name, kind in kinds if kind in ("copyleft", "unknown") and name not in ALLOWED]


def _component(package: Distribution) -> Component:
    name, words = _name(package), licence(package)
    licences = [] if words == "unknown" else [LicenseFactory().make_from_string(words)]
    purl = PackageURL("pypi", name=name, version=package.version)
    return Component(name=name, version=package.version, licenses=licences, purl=purl, bom_ref=str(purl))


def bill_of_materials() -> str: # JSON
    "Describe the installed packages in the format of CycloneDX."
    components = [_component(package) for package in installed()]
    bom = Bom(
        components=components,
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, " ".join(str(part.purl) for part in components)),
    )
    bom.metadata.timestamp = None
    ours = Component(
        name="mlproj",
        type=ComponentType.APPLICATION,
        version=distribution("mlproj").version,
        bom_ref="mlproj",
    )
    bom.metadata.component = ours
    bom.register_dependency(ours, components)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


if __name__ == "__main__":
    if sys.argv[1] == "sbom":
        Path("sbom.json").write_text(bill_of_materials())
        sys.exit(print(f"sbom.json: {len(installed())} packages"))
    licences = table(installed())
    print(licences.to_string())
    print("\n" + licences.kind.value_counts().to_string())
    print(*(f"{name}: {why}" for name, why in ALLOWED.items()), sep="\n")
    sys.exit("not allowed: " + ", ".join(refused(licences)) if refused(licences) else None)
