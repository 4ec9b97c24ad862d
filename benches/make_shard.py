"""Makes a large snapshot of one shard for benchmarks of the snapshot reader, outside the tree.

    python3 benches/make_shard.py --bytes 5GiB
    python3 benches/make_shard.py --bytes 300MiB --codec best_compression

A real Elasticsearch 7.10.2 indexes log entries whose sources add up to `--bytes`, with a mapping that indexes nothing of them, and takes a snapshot. The
repository is left in the cache directory (`MIG_CACHE_DIR`, or `~/.cache/mig`) under `bench/`; its description is printed as JSON and kept beside it. What the
server needs is in `tests/fixtures/server.py`. The server and its data need about twice the repository's size in the temporary directory while this runs.
"""

import argparse
import concurrent.futures
import json
import pathlib
import random
import re
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures"))

from server import Server, cache_dir  # noqa: E402

VERSION = "7.10.2"
BODY_DOCUMENTS = 8_000
SENDERS = 3
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

WORDS = (
    "accepted account after again agent allowed already attempt backend balance batch before bucket buffer cache cancelled cart catalog charge checkout client "
    "closed cluster commit completed config connection consumer coupon created customer database deadline declined delayed delivered deploy disk dropped email "
    "empty endpoint error event exceeded expired failed fallback fetched flush gateway handler header health ignored index inventory invoice job key latency "
    "limit loaded locked login lookup message missing mutex network notified offer order packet paid partner pending picked pool price product profile queue "
    "quota received record refund region rejected replica request reserved response retry rolled route saved scheduled search sent session shard shipped "
    "signature skipped slow snapshot stale started stock stored stream success supplier task tenant timeout token topic trace updated upload user version "
    "waiting warehouse webhook worker written"
).split()
SERVICES = ["basket", "billing", "catalog", "checkout", "delivery", "identity", "search", "stock"]
ROUTES = ["/api/v2/orders", "/api/v2/orders/{}", "/api/v2/products/{}", "/api/v2/basket", "/api/v2/search?q={}", "/api/v2/users/{}/profile", "/healthz"]
LEVELS = ["DEBUG"] * 2 + ["INFO"] * 14 + ["WARN"] * 3 + ["ERROR"]

ENTRY = (
    '{"@timestamp":"2020-11-%02dT%02d:%02d:%02d.%03dZ","level":"%s","service":{"name":"%s","version":"4.%d.%d","instance":"%s-%02d"},'
    '"trace":{"id":"%032x","span":"%016x"},"http":{"method":"%s","path":"%s","status":%d,"bytes":%d,"took_ms":%.2f},'
    '"client":{"ip":"10.%d.%d.%d","session":"%08x"},"kubernetes":{"namespace":"shop-production","node":"node-%03d"},"message":"%s"}'
)


def main():
    arguments = parse_arguments()
    documents = arguments.bytes // arguments.doc_bytes
    name = f"es-{VERSION}-{arguments.codec}-{arguments.bytes >> 20}MiB"
    target = cache_dir() / "bench" / name
    started = time.monotonic()
    with Server(VERSION, heap="2g", settings=["indices.memory.index_buffer_size: 40%"]) as server:
        server.put("/logs", index_settings(arguments.codec))
        source_bytes = fill(server, documents, arguments.doc_bytes)
        server.refresh("logs")
        server.flush("logs")
        location = server.add_repository("bench", compress=True, max_snapshot_bytes_per_sec="0")
        server.snapshot("bench", "bench", indices="logs", include_global_state=False)
        description = {
            "path": str(target),
            "snapshot": "bench",
            "index": "logs",
            "codec": arguments.codec,
            "docs": server.get("/logs/_count")["count"],
            "source_bytes": source_bytes,
            "segments": len(server.get("/_cat/segments/logs?format=json")),
            "repository_bytes": sum(file.stat().st_size for file in location.rglob("*") if file.is_file()),
        }
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(location, target)
    description["seconds"] = round(time.monotonic() - started)
    shown = json.dumps(description, indent=1)
    target.with_name(name + ".json").write_text(shown + "\n")
    print(shown)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--bytes", type=size, default=size("5GiB"), help="of all sources together, such as 300MiB (default: 5GiB)")
    parser.add_argument("--codec", choices=["default", "best_compression"], default="default")
    parser.add_argument("--doc-bytes", type=int, default=800, help="of one source, about (default: 800; at least 500)")
    return parser.parse_args()


def size(text):
    match = re.fullmatch(r"(\d+)(|KiB|MiB|GiB)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text}: write it like 300MiB or 5GiB")
    return int(match[1]) * UNITS[match[2]]


def index_settings(codec):
    return {
        "settings": {
            "index.number_of_shards": 1,
            "index.number_of_replicas": 0,
            "index.codec": codec,
            "index.refresh_interval": "-1",
            "index.translog.durability": "async",
            "index.translog.flush_threshold_size": "2gb",
        },
        "mappings": {"enabled": False},
    }


def fill(server, documents, doc_bytes):
    """Sends bulk bodies from a few threads; each body's content depends on its number only. Returns the bytes of all sources."""
    sizes = [BODY_DOCUMENTS] * (documents // BODY_DOCUMENTS) + [documents % BODY_DOCUMENTS]
    sent = 0
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as senders:
        jobs = [senders.submit(send, server, number, count, doc_bytes) for number, count in enumerate(sizes) if count]
        for done, job in enumerate(jobs, 1):
            sent += job.result()
            if done % max(1, len(jobs) // 20) == 0:
                print(f"{done * 100 // len(jobs)} %", file=sys.stderr, flush=True)
    return sent


def send(server, number, count, doc_bytes):
    entries = render(random.Random(number), count, doc_bytes)
    answer = server.text("POST", "/logs/_bulk?filter_path=errors", '{"index":{}}\n' + '\n{"index":{}}\n'.join(entries) + "\n", "application/x-ndjson")
    if answer != '{"errors":false}':
        raise SystemExit(f"bulk: {answer}")
    return sum(map(len, entries))


def render(rng, count, doc_bytes):
    """Log entries in ASCII; the message is as long as the size asks for."""
    below, bits, choice = rng.random, rng.getrandbits, rng.choice
    phrases = [" ".join(rng.choices(WORDS, k=rng.randrange(4, 9))) for _ in range(600)]
    entries = []
    for _ in range(count):
        random_bits = bits(64)
        small = [random_bits >> shift & 0xFF for shift in range(0, 64, 8)]
        service = SERVICES[small[0] & 7]
        path = ROUTES[small[1] % len(ROUTES)].format(bits(20))
        clock = int(below() * 86_400_000)
        entry = ENTRY % (
            small[2] % 30 + 1,
            clock // 3_600_000,
            clock // 60_000 % 60,
            clock // 1000 % 60,
            clock % 1000,
            LEVELS[small[3] % 20],
            service,
            small[4] & 7,
            small[5] & 31,
            service,
            small[6] & 15,
            bits(128),
            bits(64),
            "POST" if small[7] & 3 == 0 else "GET",
            path,
            (200, 200, 200, 201, 204, 304, 404, 500)[small[7] >> 5],
            bits(15),
            below() * 300,
            small[0] >> 3,
            small[1],
            small[2],
            bits(32),
            small[3] & 63,
            "%s",
        )
        missing = doc_bytes - len(entry) + 2
        message = choice(phrases)
        while len(message) < missing:
            message += f" {choice(phrases)} id={bits(24)}"
        entries.append(entry.replace("%s", message[: max(missing, 0)].rstrip()))
    return entries


if __name__ == "__main__":
    main()
