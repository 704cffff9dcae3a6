"""The shape of a bench result, as docs/bench-json.md describes it."""

from __future__ import annotations

from .shapes import (
    Shape,
    flag,
    interval,
    keyed,
    listed,
    maybe,
    number,
    plain,
    positive,
    rising,
    text,
    whole,
)

__all__ = ["BENCH", "SCHEMA_VERSION"]

SCHEMA_VERSION = 2
"""Of docs/bench-json.md: what is written, and all that is read."""

ANY = text()
SHARE = number(0, 1)
TIME = number(0)
COUNT = whole()
NAMES = listed(ANY)

PACKED = keyed(dtype=text("uint8", "uint16", "uint32"), count=COUNT, data=ANY)

OVER_LAUNCHES = interval("median", keyed(median=TIME, low=TIME, high=TIME, runs=COUNT))

SIZE = keyed(
    bytes=COUNT,
    zipped_bytes=maybe(COUNT),
    parameters=maybe(COUNT),
    nonzero_parameters=maybe(COUNT),
    macs=maybe(COUNT),
    int8_mac_share=maybe(SHARE),
    zeros=maybe(ANY),
)

INPUT = keyed(
    channels=whole(1),
    height=whole(1),
    width=whole(1),
    mean=listed(number()),
    std=listed(number()),
)

SPEEDUP = interval(
    "ratio",
    keyed(
        ratio=positive,
        low=number(0),
        high=number(0),
        verdict=text("baseline", "faster", "slower", "no difference shown", "too noisy"),
        rounds=listed(positive),
    ),
)

LATENCY = interval(
    "median",
    keyed(
        threads=maybe(whole(1)),
        batch_size=whole(1),
        median=positive,
        low=TIME,
        high=TIME,
        p5=TIME,
        p95=TIME,
        p99=TIME,
        percentiles=rising(listed(TIME, least=101, most=101)),
        runs=COUNT,
        rounds=COUNT,
        launches=COUNT,
        images_per_s=number(0),
        cpu_ms=maybe(TIME),
        gpu=maybe(plain(4)),
        speedup=maybe(SPEEDUP),
    ),
)

CLASS = keyed(label=ANY, images=COUNT, correct=COUNT)

ACCURACY = interval(
    "top1",
    keyed(
        images=whole(1),
        correct=COUNT,
        top1=SHARE,
        low=SHARE,
        high=SHARE,
        top5=maybe(SHARE),
        top5_correct=maybe(COUNT),
        chance=SHARE,
        constant=flag,
        per_class=listed(CLASS),
        worst_class=maybe(CLASS),
        confusions=listed(keyed(label=ANY, predicted=ANY, count=COUNT)),
        predictions=PACKED,
    ),
)

AGREEMENT = interval(
    "difference",
    keyed(
        images=whole(1),
        same=COUNT,
        lost=COUNT,
        won=COUNT,
        moved=COUNT,
        difference=number(-1, 1),
        low=number(-1, 1),
        high=number(-1, 1),
        p=SHARE,
        verdict=text("worse", "better", "no difference shown"),
        per_class=listed(
            keyed(label=ANY, images=COUNT, before=COUNT, after=COUNT, lost=COUNT, won=COUNT)
        ),
        confusions=listed(keyed(label=ANY, predicted=ANY, before=COUNT, after=COUNT)),
    ),
)

PROFILE = keyed(
    threads=whole(1),
    batch_size=whole(1),
    limit_ms=maybe(TIME),
    attained=maybe(number(0)),
    measured_ms=maybe(TIME),
    layers=listed(
        keyed(
            name=ANY,
            op=ANY,
            int8=flag,
            macs=maybe(COUNT),
            bytes=maybe(COUNT),
            limit_ms=maybe(TIME),
            limit=maybe(text("compute", "memory")),
            ms=maybe(TIME),
            share=maybe(SHARE),
        )
    ),
)

PEAK = keyed(
    threads=whole(1),
    flops_per_s=number(0),
    bytes_per_s=number(0),
    int8_ops_per_s=maybe(number(0)),
    cache_bytes=maybe(COUNT),
    cache_bytes_per_s=maybe(number(0)),
)

FILE = keyed(
    file=ANY,
    name=ANY,
    kind=text("checkpoint", "onnx", "engine"),
    sha256=maybe(ANY),
    runtime=maybe(ANY),
    device=maybe(ANY),
    provider=maybe(ANY),
    error=maybe(ANY),
    warnings=NAMES,
    input=maybe(INPUT),
    labels=maybe(NAMES),
    size=maybe(SIZE),
    load_ms=maybe(OVER_LAUNCHES),
    first_inference_ms=maybe(OVER_LAUNCHES),
    peak_memory_bytes=maybe(COUNT),
    accuracy=maybe(ACCURACY),
    agreement=maybe(AGREEMENT),
    latency=listed(LATENCY),
    profile=maybe(PROFILE),
)

BUDGET = keyed(
    budget=ANY,
    file=ANY,
    limit=number(),
    unit=ANY,
    value=maybe(number()),
    low=maybe(number()),
    high=maybe(number()),
    verdict=text("held", "missed", "not shown"),
    sentence=ANY,
)

BENCH: Shape = keyed(
    schema_version=whole(SCHEMA_VERSION, SCHEMA_VERSION),
    kind=text("bench"),
    nnc=ANY,
    created=ANY,
    command=maybe(NAMES),
    environment=plain(6),
    settings=keyed(
        device=ANY,
        provider=maybe(ANY),
        threads=listed(whole(1), least=1),
        batch_sizes=listed(whole(1), least=1),
        rounds=COUNT,
        seconds=number(0),
        launches=COUNT,
        seed=COUNT,
        images=maybe(COUNT),
        cpus=maybe(listed(COUNT)),
    ),
    data=maybe(keyed(name=ANY, images=whole(1), classes=NAMES, sha256=ANY, labels=PACKED)),
    noise=keyed(
        verdict=text("quiet", "noisy", "unknown"),
        reasons=NAMES,
        steal=maybe(number(0)),
        waiting=maybe(number(0)),
        load=maybe(number(0)),
    ),
    peaks=maybe(listed(PEAK)),
    files=listed(FILE, least=1),
    budgets=listed(BUDGET),
)
"""What `read_bench` holds a file to; keys that a later nnc may add are let through."""
