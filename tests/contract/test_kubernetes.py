import copy
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "k8s/rayservice.yaml"
SERVE_CONFIGS = sorted((ROOT / "serve_configs").glob("*.yaml"))
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # three times faster where libyaml is there

Schema = dict[str, Any]
Validators = dict[tuple[str, str], jsonschema.Draft7Validator]


def load(text: str) -> Any:
    return yaml.load(text, Loader=LOADER)  # noqa: S506 - both loaders are the safe ones


def strict(schema: Schema) -> Schema:
    """Make the schema judge as the API server does after pruning is turned into an error."""
    made = dict(schema)
    for key in ("properties", "patternProperties"):
        if key in made:
            made[key] = {name: strict(sub) for name, sub in made[key].items()}
    for key in ("allOf", "anyOf", "oneOf"):
        if key in made:
            made[key] = [strict(sub) for sub in made[key]]
    for key in ("items", "additionalProperties", "not"):
        if isinstance(made.get(key), dict):
            made[key] = strict(made[key])
    return as_the_server_reads(made)


def as_the_server_reads(schema: Schema) -> Schema:
    fields = schema.get("properties", {})
    if fields and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    if "required" in schema:  # defaults are filled in before anything is validated
        schema["required"] = [r for r in schema["required"] if "default" not in fields.get(r, {})]
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
        schema.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    return schema


def validators(folder: Path) -> Validators:
    found = {}
    for path in sorted(folder.glob("ray.io_rayservices.yaml")):
        definition = load(path.read_text())["spec"]
        for version in definition["versions"]:
            schema = copy.deepcopy(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}  # Kubernetes' own, not in the CRD
            kind = (f"{definition['group']}/{version['name']}", definition["names"]["kind"])
            found[kind] = jsonschema.Draft7Validator(strict(schema))
    return found


def faults(known: Validators, document: Schema) -> list[str]:
    check = known[document["apiVersion"], document["kind"]]
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in check.iter_errors(document)
    ]


@pytest.fixture(scope="session")
def crds() -> Validators:
    folder = os.environ.get("TIERFOLD_CRDS")
    if not folder:
        pytest.skip("TIERFOLD_CRDS is not set: name a folder with KubeRay's CRDs to validate k8s/")
    return validators(Path(folder))


@pytest.fixture
def manifest() -> Schema:
    document: Schema = load(MANIFEST.read_text())
    return document


def pods(manifest: Schema) -> Iterator[Schema]:
    cluster = manifest["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        yield group["template"]["spec"]


def environment(pod: Schema) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}


def unknown_keys(model: Any, given: Any, at: str = "") -> Iterator[str]:
    """Yield keys that Ray's schema does not have: Ray itself drops them without a word."""
    for part in (model, *get_args(model)):
        if isinstance(given, list):
            for item in given:
                yield from unknown_keys(part, item, at) if part is not model else ()
        elif isinstance(given, dict) and hasattr(part, "model_fields"):
            for key, value in given.items():
                if key in part.model_fields:
                    annotation = part.model_fields[key].annotation
                    yield from unknown_keys(annotation, value, f"{at}/{key}")
                else:
                    yield f"{at}/{key}"


def test_the_service_fits_the_schemas_of_kuberay(crds: Validators, manifest: Schema) -> None:
    """What the API server would refuse, or prune without a word, is found before it is sent."""
    assert faults(crds, manifest) == []


def test_a_misspelt_key_is_caught(crds: Validators, manifest: Schema) -> None:
    """The check above would see a fault if there was one."""
    cluster = manifest["spec"]["rayClusterConfig"]
    cluster["headGroupSpec"]["rayStartParamz"] = {}
    cluster["authOptions"]["mode"] = "tokens"

    assert len(faults(crds, manifest)) == 2


@pytest.mark.parametrize("path", [MANIFEST, *SERVE_CONFIGS], ids=lambda path: path.name)
def test_the_serve_configuration_fits_rays_own_schema(path: Path) -> None:
    """Ray accepts the configuration, knows every key of it, and would find the application."""
    schema = pytest.importorskip("ray.serve.schema").ServeDeploySchema
    config = load(path.read_text())
    if path == MANIFEST:
        config = load(config["spec"]["serveConfigV2"])

    module, name = schema.model_validate(config).applications[0].import_path.split(":")
    assert hasattr(importlib.import_module(module), name)
    assert list(unknown_keys(schema, config)) == []


def test_a_misspelt_key_of_the_serve_configuration_is_caught(manifest: Schema) -> None:
    """A key that Ray would drop is reported with its place, also inside lists."""
    schema = pytest.importorskip("ray.serve.schema").ServeDeploySchema
    config = load(manifest["spec"]["serveConfigV2"])
    config["applications"][0]["import_pat"] = ""
    config["http_options"]["prot"] = 1

    assert sorted(unknown_keys(schema, config)) == [
        "/applications/import_pat",
        "/http_options/prot",
    ]


def test_head_and_workers_agree_about_the_proxy(manifest: Schema) -> None:
    """HAProxy works only with the same settings on every node, and those that `up` uses."""
    haproxy = pytest.importorskip("tierfold_actors.haproxy")
    environments = [environment(pod) for pod in pods(manifest)]

    assert environments[0]["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert environments[0]["RAY_SERVE_HAPROXY_BALANCE_ALGORITHM"] == haproxy.AFFINITY
    assert all(found == environments[0] for found in environments)


def test_nothing_is_open_by_accident(manifest: Schema) -> None:
    """One public port, a token for Ray, keys for callers, no root, and a head without work."""
    spec = manifest["spec"]
    cluster = spec["rayClusterConfig"]

    assert [port["port"] for port in spec["serveService"]["spec"]["ports"]] == [8000]
    assert cluster["authOptions"]["mode"] == "token"
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for pod in pods(manifest):
        folder = Path(environment(pod)["TIERFOLD_API_KEYS_FILE"]).parent
        mounts = pod["containers"][0]["volumeMounts"]
        assert {"name": "api-keys", "mountPath": str(folder), "readOnly": True} in mounts
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False
