"""The demonstration: a double of RunningHub, and the settings that lead to it."""

from collections.abc import MutableMapping

from tools.servers.ports import LOOPBACK, free_port, is_free

PORT = 8188
KEY = "demo"
NAME = "runninghub"


def add_double(commands: MutableMapping[str, str], environment: MutableMapping[str, str]) -> None:
    """Add the double to what is run, with a key of its own in front of those that are set."""
    port = PORT if is_free(PORT) else free_port()
    state = ".local/runninghub"
    commands[NAME] = f"python -m tools.runninghub_double --port {port} --key {KEY} --state {state}"
    keys = [f"{KEY}={KEY}@http://{LOOPBACK}:{port}", environment.get("RUNNINGHUB_KEYS", "")]
    hosts = [environment.get("HTTP_ALLOW_HOSTS", ""), f"{LOOPBACK}:{port}"]
    environment["RUNNINGHUB_KEYS"] = ",".join(filter(None, keys))
    environment["HTTP_ALLOW_HOSTS"] = ",".join(filter(None, hosts))
    environment.setdefault("STATUS_CHECK_INTERVAL", "2")
    print(f"RunningHub is played by a double on port {port}: see docs/runninghub.md", flush=True)


def let_double_call(environment: MutableMapping[str, str]) -> None:
    """Have the double send its webhooks to the API, whose PORT is known by now."""
    environment.setdefault("PUBLIC_URL", f"http://{LOOPBACK}:{environment['PORT']}")
