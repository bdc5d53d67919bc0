"""cluster.yaml and cluster.local.yaml, as Ray and EC2 would read them, without either."""

import copy
import os
import re
import subprocess
import tomllib
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]
REMOTE = "~/latent-verdict/"
# What Ray's AWS provider reads; it says nothing of a misspelt key.
PROVIDER_KEYS = {
    "type",
    "region",
    "availability_zone",
    "cache_stopped_nodes",
    "use_internal_ips",
    "use_external_head_ip",
    "security_group",
    "key_pair",
    "aws_credentials",
    "cloudwatch",
    "disable_node_updaters",
}


@pytest.fixture
def written() -> dict:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


@pytest.fixture
def config(written: dict) -> dict:
    """As Ray fills it in: with the provider's defaults, and set-up commands merged per kind of node."""
    return prepare_config(copy.deepcopy(written))


@pytest.fixture(params=["cluster.yaml", "cluster.local.yaml"])
def either(request: pytest.FixtureRequest) -> dict:
    """Each of the two files, as it is written."""
    return yaml.safe_load((ROOT / request.param).read_text())


@pytest.fixture
def filled(either: dict) -> dict:
    """Each of them as Ray fills it in."""
    return prepare_config(copy.deepcopy(either))


@pytest.fixture
def head(config: dict) -> dict:
    return config["available_node_types"][config["head_node_type"]]


@pytest.fixture
def workers(config: dict) -> list[dict]:
    return [node for name, node in config["available_node_types"].items() if name != config["head_node_type"]]


def start_of(commands: list[str]) -> str:
    (start,) = [command for command in commands if "ray start" in command]
    return start


def test_ray_accepts_it(filled: dict) -> None:
    validate_config(filled)


@pytest.mark.parametrize("spoil", [{"idle_minutes": 5}, {"head_node_type": "nobody"}])
def test_ray_would_refuse_a_spoilt_one(written: dict, spoil: dict) -> None:
    with pytest.raises(Exception, match="idle_minutes|head_node_type"):
        validate_config(prepare_config(written | spoil))


def test_ray_would_refuse_one_of_ones_own_without_machines() -> None:
    local = yaml.safe_load((ROOT / "cluster.local.yaml").read_text())
    del local["provider"]["worker_ips"]
    with pytest.raises(Exception, match="worker_ips"):
        prepare_config(local)


def test_all_machines_of_ones_own_are_wanted_and_none_is_given_back() -> None:
    local = yaml.safe_load((ROOT / "cluster.local.yaml").read_text())
    machines = prepare_config(copy.deepcopy(local))["available_node_types"]["local.cluster.node"]
    count = len(local["provider"]["worker_ips"])
    assert (machines["min_workers"], machines["max_workers"]) == (count, count)
    assert local["provider"]["head_ip"] not in local["provider"]["worker_ips"]


def test_nothing_is_done_as_root_on_machines_of_ones_own() -> None:
    assert "sudo" not in (ROOT / "cluster.local.yaml").read_text()


@pytest.mark.parametrize("there", [("gcc", "git", "make", "tmux"), ("gcc", "git", "make")])
def test_a_machine_of_ones_own_that_lacks_a_program_is_named(tmp_path: Path, there: tuple[str, ...]) -> None:
    for program in (*there, "hostname"):
        _program(tmp_path / program, "echo host-7")
    (check,) = yaml.safe_load((ROOT / "cluster.local.yaml").read_text())["initialization_commands"]
    done = subprocess.run(
        ["/bin/bash", "-c", check], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    missing = "tmux is missing on host-7; install it there\n"
    assert (done.returncode, done.stderr) == ((0, "") if "tmux" in there else (1, missing))


def test_both_files_mount_the_same_parts_of_the_repository(written: dict) -> None:
    local = yaml.safe_load((ROOT / "cluster.local.yaml").read_text())
    assert local["file_mounts"] == written["file_mounts"]


def test_nothing_is_left_to_the_defaults_of_the_provider(written: dict) -> None:
    # Ray's own defaults bind the dashboard to every interface, install another Ray and never end.
    commands = ("setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    limits = ("max_workers", "idle_timeout_minutes", "available_node_types", "file_mounts")
    for name in (*limits, *(f"{when}_commands" for when in commands)):
        assert name in written


def test_provider_keys_are_ones_that_ray_reads(config: dict) -> None:
    assert set(config["provider"]) <= PROVIDER_KEYS
    assert config["provider"]["cache_stopped_nodes"] is False


def test_ec2_accepts_every_node_config(head: dict, workers: list[dict]) -> None:
    run_instances = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances")
    for node in [head, *workers]:
        request = node["node_config"] | {"MinCount": 1, "MaxCount": 1}
        report = ParamValidator().validate(request, run_instances.input_shape)
        assert not report.has_errors(), report.generate_report()
    report = ParamValidator().validate({"InstanceTyp": "m7i.xlarge"} | request, run_instances.input_shape)
    assert "InstanceTyp" in report.generate_report()


def test_every_image_is_named(head: dict, workers: list[dict]) -> None:
    # Where none is, Ray takes an image of Ubuntu 18.04.
    for node in [head, *workers]:
        assert re.match(r"resolve:ssm:/aws/service/\S+$|ami-[0-9a-f]{17}$", node["node_config"]["ImageId"])


def test_workers_are_autoscaled_spot_gpus(config: dict, workers: list[dict]) -> None:
    assert config["idle_timeout_minutes"] > 0
    for node in workers:
        assert node["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert node["resources"]["GPU"] >= 1 and node["resources"]["CPU"] >= 1
        assert node["min_workers"] == 0 < node["max_workers"] <= config["max_workers"]


def test_the_head_stays_and_takes_no_pack(head: dict) -> None:
    assert "InstanceMarketOptions" not in head["node_config"]
    assert "GPU" not in head["resources"] and head["max_workers"] == 0
    # Latents are read where they lie, and reading asks for a part of a core.
    assert head["resources"]["CPU"] >= 1


def test_resources_are_whole_numbers(head: dict, workers: list[dict]) -> None:
    for node in [head, *workers]:
        assert all(type(amount) is int for amount in node["resources"].values())


def test_every_package_is_mounted_and_nothing_large(filled: dict) -> None:
    mounts = filled["file_mounts"]
    here = {remote: local for remote, local in mounts.items() if remote.startswith(REMOTE)}
    assert all(remote == REMOTE + local for remote, local in here.items())
    assert all((ROOT / local).exists() for local in here.values())
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert {name.rstrip("*") for name in packages["include"]} <= set(here.values())
    assert {"pyproject.toml", "constraints.txt", "Makefile"} <= set(here.values())
    assert not {".", ".venv", "latents", "runs"} & set(here.values())


def test_it_is_set_up_from_the_constraints(filled: dict) -> None:
    (install,) = [command for command in filled["setup_commands"] if "make" in command.split()]
    assert f"-C {REMOTE.rstrip('/')} install" in install
    assert "-c constraints.txt -e" in (ROOT / "Makefile").read_text()
    versions = (ROOT / "constraints.txt").read_text()
    assert "\nray==" in versions and "\nboto3==" in versions
    assert "://" not in versions


def test_every_shell_of_every_node_asks_for_the_token(filled: dict, tmp_path: Path) -> None:
    """The command that switches authentication on, carried out in an empty home, twice."""
    assert filled["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    (switch,) = [command for command in filled["setup_commands"] if "RAY_AUTH_MODE" in command]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    shell = {"env": plain | {"HOME": str(tmp_path)}, "check": True, "capture_output": True, "text": True}
    for _ in range(2):
        subprocess.run(["bash", "-c", switch], **shell)
    said = subprocess.run(["bash", "-c", 'source ~/.bashrc; echo "$RAY_AUTH_MODE $PATH"'], **shell).stdout
    assert said.startswith(f"token {tmp_path}/latent-verdict/.venv/bin:")
    assert len((tmp_path / ".bashrc").read_text().splitlines()) == 1


def test_set_up_bears_being_run_twice(filled: dict, tmp_path: Path) -> None:
    """Every set-up command, carried out twice in one empty home, as a worker does it: the second time the
    environment's own python3 stands first in PATH, in which ``pip install --user`` is refused.
    """
    home, tools = tmp_path / "home", tmp_path / "tools"
    environment = home / "latent-verdict" / ".venv" / "bin"
    for folder in (home / ".ray", home / ".local" / "bin", environment, tools):
        folder.mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("token")
    _program(
        environment / "python3", "exit 1  # pip in a virtual environment: can not perform a '--user' install"
    )
    for stand_in in (tools / "make", tools / "machine-python3", home / ".local" / "bin" / "uv"):
        _program(stand_in, "exit 0")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    search = f"{tools}:/usr/bin:/bin"
    for _ in range(2):
        for command in filled["setup_commands"]:
            command = command.replace("/usr/bin/python3", str(tools / "machine-python3"))
            line = f"source ~/.bashrc 2>/dev/null; {command}"
            shell = {"env": plain | {"HOME": str(home), "PATH": search}, "capture_output": True, "text": True}
            done = subprocess.run(["bash", "-c", line], **shell)
            assert done.returncode == 0, (command, done.stderr)


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_no_disk_outlives_its_machine(head: dict, workers: list[dict]) -> None:
    for node in [head, *workers]:
        for disk in node["node_config"]["BlockDeviceMappings"]:
            assert disk["Ebs"]["DeleteOnTermination"] is True


def test_what_people_open_listens_on_loopback(filled: dict) -> None:
    commands = filled["head_start_ray_commands"]
    start = start_of(commands)
    assert "--head" in start and "--dashboard-host=127.0.0.1" in start
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start
    (mlflow,) = [command for command in commands if "mlflow server" in command.replace('"', "")]
    assert "--host 127.0.0.1" in mlflow
    assert "0.0.0.0" not in yaml.safe_dump(filled)


def test_workers_join_the_head(filled: dict) -> None:
    port = re.search(r"--port=(\d+)", start_of(filled["head_start_ray_commands"])).group(1)
    assert f"--address=$RAY_HEAD_IP:{port} " in start_of(filled["worker_start_ray_commands"])


def test_commands_are_whole_lines_of_shell(filled: dict) -> None:
    for name, commands in filled.items():
        for command in commands if name.endswith("_commands") else []:
            assert "\n" not in command
            subprocess.run(["bash", "-n", "-c", command], check=True, capture_output=True)
