"""The cloud of the lab: moto answers in place of AWS, and every machine that it says is running runs here.

    python cloud.py STATE

It is the first process of namespaces of its own, and ends all of them with itself. A machine is a network
namespace on a bridge with an SSH server at the address that EC2 gave it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from moto.ec2.exceptions import InvalidAMIIdError
from moto.ec2.responses.instances import InstanceResponse
from moto.server import ThreadedMotoServer

HERE = Path(__file__).parent
GATEWAY, METADATA = "172.31.255.254", "169.254.169.254"  # EC2 gives addresses of 172.31.0.0/16
PORT = 5000
ENDPOINT = f"http://{GATEWAY}:{PORT}"
CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "lab", "aws_secret_access_key": "lab"}
ROLE = "ray-autoscaler-v1"  # that Ray gives its head
IMAGE = "ami-1e749f67"  # one that moto knows, for every name
_BY_NAME = "resolve:ssm:/aws/service/"


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)


class Machine:
    """A machine that has been started, and its cable."""

    def __init__(self, state: Path, number: int, record: dict[str, Any], key: str) -> None:
        self.name, self.cable, self.state = f"m{number}", f"cable{number}", state
        self.public = record.get("PublicIpAddress")
        own = record["PrivateIpAddress"]
        (state / f"{self.name}.key").write_text(key + "\n")
        for command in (
            f"ip netns add {self.name}",
            f"ip link add {self.cable} type veth peer name eth0 netns {self.name}",
            f"ip link set {self.cable} master bridge up",
            f"ip -n {self.name} link set lo up",
            f"ip -n {self.name} address add {own}/16 dev eth0",
            f"ip -n {self.name} link set eth0 up",
            f"ip -n {self.name} route add default via {GATEWAY}",
        ):
            run(command)
        if self.public:  # EC2 translates public addresses; here a machine answers to its own
            run(f"ip -n {self.name} address add {self.public}/32 dev lo")
            run(f"ip route add {self.public}/32 via {own}")
        apart = "unshare --mount --pid --fork --uts --ipc --kill-child=SIGKILL"
        boot = f"ip netns exec {self.name} {apart} bash {HERE}/machine.sh {state} {self.name}"
        with (state / f"{self.name}.log").open("w") as log:
            self.process = subprocess.Popen(boot.split(), stdout=log, stderr=log, start_new_session=True)
        first = ""
        while not first and self.process.poll() is None:
            time.sleep(0.05)
            pid = self.process.pid
            first = Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()
        known = {"id": record["InstanceId"], "address": own, "pid": first, "type": record["InstanceType"]}
        (state / f"{self.name}.json").write_text(json.dumps(known))

    def off(self) -> None:
        """As where the power goes: the cable first, so that nobody hears of the end."""
        subprocess.run(f"ip link set {self.cable} down".split(), check=False)
        self.process.kill()
        self.process.wait()
        subprocess.run(f"ip netns delete {self.name}".split(), check=False)
        if self.public:
            subprocess.run(f"ip route delete {self.public}/32".split(), check=False)
        (self.state / f"{self.name}.json").unlink()


class Metadata(BaseHTTPRequestHandler):
    """What a machine asks for at 169.254.169.254: a session, then the credentials of its role."""

    def do_PUT(self) -> None:
        self._answer("session")

    def do_GET(self) -> None:
        path = self.path.rstrip("/")
        if path.endswith("/iam/security-credentials"):
            self._answer(ROLE)
        elif path.endswith(f"/iam/security-credentials/{ROLE}"):
            ends = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
            keys = {"AccessKeyId": "lab", "SecretAccessKey": "lab", "Token": "lab"}
            answer = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": ends, "Expiration": ends, **keys}
            self._answer(json.dumps(answer))
        else:
            self.send_error(404)

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *ignored: object) -> None:
        """Say nothing."""


def complete_moto() -> None:
    """Teach moto's EC2 what Ray and cluster.yaml use of the real one: images by the names that publishers
    give them, and MaxCount machines, where moto starts MinCount.
    """
    asked = InstanceResponse._get_param

    def get_param(self: InstanceResponse, name: str, *others: object, **options: object) -> Any:
        value = asked(self, "MaxCount" if name == "MinCount" else name, *others, **options)
        if name != "ImageId" or not str(value).startswith("resolve:"):
            return value
        if not str(value).startswith(_BY_NAME):
            raise InvalidAMIIdError([value])
        return IMAGE

    InstanceResponse._get_param = get_param


def main() -> None:
    """Serve, and let machines run as EC2's records say, until the end of this process."""
    state = Path(sys.argv[1])
    for command in (
        "mount --make-rprivate /",
        "mount -t tmpfs run /run",
        "mkdir -p /run/netns",
        "ip link set lo up",
        "ip link add bridge type bridge",
        f"ip address add {GATEWAY}/16 dev bridge",
        f"ip address add {METADATA}/32 dev bridge",
        "ip link set bridge up",
    ):
        run(command)
    complete_moto()
    ThreadedMotoServer(ip_address=GATEWAY, port=PORT, verbose=False).start()
    threading.Thread(target=ThreadingHTTPServer((METADATA, 80), Metadata).serve_forever, daemon=True).start()
    ec2, iam = (boto3.client(name, endpoint_url=ENDPOINT, **CREDENTIALS) for name in ("ec2", "iam"))
    # Made by the first cluster of an account, at which Ray waits half a minute for it to be known everywhere.
    iam.create_instance_profile(InstanceProfileName=ROLE)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    (state / "ready").touch()
    machines: dict[str, Machine] = {}
    started = 0
    while True:
        found = [each for group in ec2.describe_instances()["Reservations"] for each in group["Instances"]]
        running = {each["InstanceId"]: each for each in found if each["State"]["Name"] == "running"}
        for name in running.keys() - machines.keys():
            started += 1
            names = [running[name]["KeyName"]]
            (key,) = ec2.describe_key_pairs(KeyNames=names, IncludePublicKey=True)["KeyPairs"]
            machines[name] = Machine(state, started, running[name], key["PublicKey"])
        for name in machines.keys() - running.keys():
            machines.pop(name).off()
        time.sleep(0.5)


if __name__ == "__main__":
    main()
