"""What no linter knows of the manifests: that they agree with each other, the image and the configuration.

    manifests.py <built.yaml> <directory>

All faults are told at once. Of a build that makes its own Secrets, each workload is laid out below the
directory: its files as its pod sees them, and its variables in the file `variables`. One line per workload is
printed, its directory and the path of its configuration in it.
"""

import base64
import json
import pathlib
import re
import sys
import tomllib

import yaml

SERVER = ("Deployment", "refunds")
UID = 65532
# App::run gives the drain all of shutdown_grace_ms, then telemetry flushes for FLUSH_MS_MAX and a little.
FLUSH_S = 6
# Of a call that is taken at the last moment, where the configuration sets none.
UNARY_DEADLINE_MS = 30_000
VOLUMES = {"configMap", "secret", "emptyDir"}

root = pathlib.Path(__file__).resolve().parent.parent
faults = []


def law(holds, what):
    if not holds:
        faults.append(what)


def read(path):
    return (root / path).read_text()


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def files_of(objects, pod):
    """The files of the pod's ConfigMaps and Secrets by their paths; of a Secret that is not built, none."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    built_secrets = any(kind == "Secret" for kind, _ in objects)
    files = {}
    for mount in pod["containers"][0]["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            key, decode = ("ConfigMap", volume["configMap"]["name"]), str.encode
        elif "secret" in volume:
            key, decode = ("Secret", volume["secret"]["secretName"]), base64.b64decode
        else:
            continue
        if key[0] == "Secret" and not built_secrets:
            continue
        law(key in objects, f"no {key[0]} {key[1]} is built, which a volume names")
        for name, text in objects.get(key, {}).get("data", {}).items():
            files[f"{mount['mountPath']}/{name}"] = decode(text)
    return files


def config_path(container):
    arguments = container["args"]
    return arguments[arguments.index("--config") + 1]


def check_pod(name, workload):
    """The Pod Security Standard "restricted", and what operations of this service want beyond it."""
    pod = pod_of(workload)
    security = pod["securityContext"]
    law(security.get("runAsNonRoot") is True, f"{name}: runAsNonRoot is not true")
    users = [security.get(key) for key in ("runAsUser", "runAsGroup", "fsGroup")]
    law(users == [UID] * 3, f"{name}: user, group and fsGroup are not {UID}, the image's")
    law(security.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{name}: not the runtime's seccomp")
    law(pod.get("automountServiceAccountToken") is False, f"{name}: mounts a token of the cluster")
    law(pod.get("enableServiceLinks") is False, f"{name}: takes variables of other Services")
    law(not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), f"{name}: shares the host's")
    for volume in pod["volumes"]:
        law(VOLUMES >= volume.keys() - {"name"}, f"{name}: the volume {volume['name']} is of no plain kind")
        if "secret" in volume:
            law(volume["secret"].get("defaultMode") == 0o400, f"{name}: {volume['name']} is not of mode 0400")
    for container in pod["containers"] + pod.get("initContainers", []):
        inner = container["securityContext"]
        law(inner.get("allowPrivilegeEscalation") is False, f"{name}: privileges may grow")
        law(inner.get("readOnlyRootFilesystem") is True, f"{name}: the root file system is writable")
        law(inner.get("capabilities") == {"drop": ["ALL"]}, f"{name}: not all capabilities are dropped")
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        law("cpu" not in limits, f"{name}: has a CPU limit")
        law(limits.get("memory") == requests.get("memory"), f"{name}: memory limit and request differ")
        version = re.search(r'^version = "(.+)"', read("Cargo.toml"), re.MULTILINE)[1]
        image = container["image"]
        law("@sha256:" in image or image.endswith(f":{version}"), f"{name}: {image} is not version {version}")


def check_server(objects, config):
    """Ports, probes and times of the server."""
    workload = objects[SERVER]
    pod, rolling = pod_of(workload), workload["spec"]["strategy"]["rollingUpdate"]
    container = pod["containers"][0]
    host, _, port = config["server"]["listen"].rpartition(":")
    port = int(port)
    law(host in ("0.0.0.0", "[::]"), f"the server listens on {host}, where no other pod reaches it")
    law(rolling["maxUnavailable"] == 0, "a rollout takes a pod away before its successor is ready")
    law([p["containerPort"] for p in container["ports"]] == [port], f"containerPort is not {port}")
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    for (kind, name), other in objects.items():
        if kind == "Service":
            for p in other["spec"]["ports"]:
                target = p["targetPort"]
                law(ports.get(target, target) == port, f"Service {name} leads to {target}, not to {port}")
                law(p.get("appProtocol") == "kubernetes.io/h2c", f"Service {name} does not say h2c")
        if kind == "NetworkPolicy":
            allowed = [p["port"] for rule in other["spec"].get("ingress", []) for p in rule["ports"]]
            law(set(allowed) <= {port}, f"NetworkPolicy {name} lets in {allowed}, not {port}")
    alive = re.search(r'const LIVENESS: .*?= "(.*?)";', read("src/grpc.rs"))[1]
    startup, live, ready = (container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness"))
    for name, probe in (("startup", startup), ("liveness", live)):
        # The other names of gRPC health follow the database, which no restart brings back.
        asked = probe.get("grpc", {})
        law(asked == {"port": port, "service": alive}, f"{name} does not ask {alive!r}: the process alone")
    law(startup["periodSeconds"] * startup["failureThreshold"] == 60, "startup may not take 2 s x 30")
    names = re.search(r"const NAMES: .*?=\s+(.*?);", read("src/grpc.rs"), re.DOTALL)[1]
    known = re.findall(r'"([^"]*)"', names)
    asked = ready.get("grpc", {})
    law(asked.get("port") == port, f"readiness does not ask health on {port}")
    law(asked.get("service", "") in known, f"health knows {known}, not {asked.get('service')!r}")
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    least = pause + config["server"]["shutdown_grace_ms"] / 1000 + FLUSH_S
    grace = pod["terminationGracePeriodSeconds"]
    law(grace >= least, f"terminationGracePeriodSeconds {grace} does not cover the {least} s of an end")
    server = config["server"]
    drained = server["drain_delay_ms"] + server.get("unary_deadline_max_ms", UNARY_DEADLINE_MS)
    law(drained <= server["shutdown_grace_ms"], f"a call may take {drained} ms of the end, beyond its grace")
    client = json.loads(read("deploy/client/service-config.json"))
    watched = client["healthCheckConfig"]["serviceName"]
    law(watched == asked.get("service"), f"callers watch {watched!r}, and readiness asks another name")
    image = read("deploy/Dockerfile")
    law(re.findall(r"^EXPOSE (.+)", image, re.M) == [str(port)], f"the Dockerfile does not expose {port}")
    law(re.findall(r"^USER (.+)", image, re.M)[-1:] == [f"{UID}:{UID}"], f"the image does not run as {UID}")


def check_denied(objects):
    """Every workload's pods are of a policy that denies both ways by default."""
    denying = [
        policy["spec"]["podSelector"].get("matchLabels", {}).items()
        for (kind, _), policy in objects.items()
        if kind == "NetworkPolicy" and policy["spec"].keys() == {"podSelector", "policyTypes"}
        if set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    ]
    for (kind, name), workload in objects.items():
        if kind in ("Deployment", "Job"):
            labels = workload["spec"]["template"]["metadata"]["labels"].items()
            law(any(one <= labels for one in denying), f"{kind} {name}: no policy denies by default")


def lay_out(files, container, directory):
    """Writes the files below a directory, and has the configuration name them there."""
    for name, content in files.items():
        target = directory / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    config = directory / config_path(container).lstrip("/")
    mounted = "|".join(re.escape(mount["mountPath"]) for mount in container["volumeMounts"])
    text = config.read_text()
    config.write_text(re.sub(f'"({mounted})/', lambda found: f'"{directory}{found[1]}/', text))
    variables = [f"{one['name']}={one['value']}\n" for one in container.get("env", []) if "value" in one]
    (directory / "variables").write_text("".join(variables))
    print(directory, config.relative_to(directory))


def main():
    built, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    documents = [one for one in yaml.safe_load_all(built.read_text()) if one]
    objects = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    law(SERVER in objects, "there is no Deployment refunds")
    secrets = any(kind == "Secret" for kind, _ in objects)
    check_denied(objects)
    laid_out = []
    for (kind, name), workload in objects.items():
        if kind not in ("Deployment", "Job"):
            continue
        check_pod(f"{kind} {name}", workload)
        pod = pod_of(workload)
        container = pod["containers"][0]
        files, path = files_of(objects, pod), config_path(container)
        law(path in files, f"{kind} {name}: nothing is mounted at {path}")
        if (kind, name) == SERVER and path in files:
            check_server(objects, tomllib.loads(files[path].decode()))
        laid_out.append((files, container, directory / f"{kind}-{name}".lower()))
    for fault in faults:
        print(f"{built.stem}: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)
    for one in laid_out if secrets else []:
        lay_out(*one)


main()
