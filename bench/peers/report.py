"""The tables of compare.py, in Markdown, from its records."""

OURS = "squeezenet"
BEST = "ours against the best peer"


def short(variant):
    return "v" + variant.removeprefix("squeezenet").replace("_", ".")


def peers_of(figures):
    return {name: f for name, f in figures.items() if not name.startswith(OURS)}


def grid(title, head, columns, rows):
    """columns: labels; rows: (label, cells)."""
    lines = [f"## {title}", "", f"| {head} | " + " | ".join(columns) + " |",
             "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {label} | " + " | ".join(cells) + " |" for label, cells in rows]
    return "\n".join(lines) + "\n"


def engines_in(records):
    return list(dict.fromkeys(name for r in records for name in r["figures"]))


def rows_of(records, cell):
    """One row an engine, one cell a record; a dash where the engine did not run, a star where
    other programs disturbed it."""
    def marked(record, name):
        figure = record["figures"].get(name)
        return cell(record, figure) + "*" * bool(figure["disturbed"]) if figure else "–"
    return [(f"**{name}**" if name == OURS else name, [marked(r, name) for r in records])
            for name in engines_in(records)]


def ratio_row(label, records, ratio):
    """ratio(ours, peer): below or above 1 as the title says; the best peer is the fastest."""
    cells = []
    for r in records:
        peers = peers_of(r["figures"])
        best = max(peers, key=lambda name: peers[name]["images_per_second"], default=None)
        cells.append(f"**{ratio(r['figures'][OURS], peers[best]):.2f}x** {best}" if best else "–")
    return f"*{label}*", cells


def time_ratio(ours, peer):
    return ours["latency_ms_median"] / peer["latency_ms_median"]


def rate_ratio(ours, peer):
    return ours["images_per_second"] / peer["images_per_second"]


def columns_of(records):
    return [f"{short(r['variant'])}, {r['threads']} thread{'s' * (r['threads'] > 1)}"
            for r in records]


def peak_share(record, figure):
    """Of the direct convolution's arithmetic; Winograd does less and so may pass 100 %."""
    gflops = 1e-3 * record["gflop_batch"] * figure["images_per_second"] / record["batch"] * 1e3
    return f"{100 * gflops / record['peak_gflops']:.0f} %"


def infer_table(records, batch):
    records = [r for r in records if r["task"] == "infer" and r["batch"] == batch]
    if not records:
        return ""
    if batch == 1:
        title = "Inference, one image: ms (share of the FMA peak)"
        rows = rows_of(records,
                       lambda r, f: f"{f['latency_ms_median']:.2f} ({peak_share(r, f)})")
        rows.append(ratio_row(f"time, {BEST}", records, time_ratio))
    else:
        title = f"Inference, batch {batch}: img/s (share of the FMA peak)"
        rows = rows_of(records, lambda r, f: f"{f['images_per_second']:.0f} ({peak_share(r, f)})")
        rows.append(ratio_row(f"img/s, {BEST}", records, rate_ratio))
    return grid(title, "engine", columns_of(records), rows)


def error_table(records):
    records = [r for r in records if r["task"] == "infer" and r["errors"]]
    return records and grid(
        "Largest error of a logit against PyTorch in double precision", "engine",
        [f"{c}, batch {r['batch']}" for c, r in zip(columns_of(records), records)],
        [(name, [f"{r['errors'][name]:.1e}" if name in r["errors"] else "–" for r in records])
         for name in dict.fromkeys(name for r in records for name in r["errors"])])


def steadiness_table(records):
    """Of every engine on the same machine in the same minutes, which tells ours from the host's."""
    one = {(r["variant"], r["threads"]): r["figures"] for r in records
           if r["task"] == "infer" and r["batch"] == 1}
    most = max((threads for _, threads in one), default=0)
    variants = list(dict.fromkeys(variant for variant, _ in one))
    rows = {}
    for variant in variants:
        several, single = one[variant, most], one.get((variant, 1), {})
        for name, figure in several.items():
            ratios = [figure["latency_ms_p99"] / figure["latency_ms_median"]]
            if most > 1 and name in single:
                ratios.append(1 / time_ratio(figure, single[name]))
            rows.setdefault(name, []).append(", ".join(f"{ratio:.2f}x" for ratio in ratios))
    return one and grid(f"Steadiness with {most} threads, one image: p99 / median, against 1 thread",
                        "engine", map_short(variants), rows.items()) + own_table(one, variants)


def own_table(one, variants):
    """What only this program is asked: more threads than processors, and the first run."""
    rows = {"time, 4 threads against 2": [], "first run / median": []}
    for variant in variants:
        double = one.get((variant, 2))
        ours = (double or one[variant, 1])[OURS]
        four = double and double.get(f"{OURS}, 4 threads")
        for label, value in zip(rows, (four and time_ratio(four, ours),
                                       ours["latency_ms_first"] / ours["latency_ms_median"])):
            rows[label].append(f"{value:.2f}x" if value else "–")
    return "\n" + grid("This program, one image", "", map_short(variants), rows.items())


def map_short(variants):
    return [short(variant) for variant in variants]


def train_table(records):
    records = [r for r in records if r["task"] == "train"]
    if not records:
        return ""

    def rss_ratio(ours, peer):
        return ours["rss_mb"] / peer["rss_mb"]
    rows = rows_of(records,
                   lambda r, f: f"{f['images_per_second']:.1f}, {f['rss_mb']:.0f} MB")
    rows.append(ratio_row(f"img/s, {BEST}", records, rate_ratio))
    rows.append(ratio_row("peak memory against that peer", records, rss_ratio))
    return grid(f"Training step, batch {records[0]['batch']}: img/s, peak memory of the process",
                "engine", columns_of(records), rows)


def load_table(records):
    records = [r for r in records if r["task"] == "load"]
    if not records:
        return ""
    return grid("JPEG file to augmented, normalised 224 x 224 floats: img/s", "loader",
                [f"{r['threads']} thread{'s' * (r['threads'] > 1)}" for r in records],
                [*rows_of(records, lambda r, f: f"{f['images_per_second']:.0f}"),
                 ratio_row(f"img/s, {BEST}", records, rate_ratio)])


def start_table(records):
    records = [r for r in records if r["task"] == "start"]
    if not records:
        return ""
    return grid("From exec to the first top-5 of a JPEG: ms, peak memory", "engine",
                [short(r["variant"]) for r in records],
                [*rows_of(records,
                          lambda r, f: f"{f['latency_ms_median']:.1f}, {f['rss_mb']:.0f} MB"),
                 ratio_row(f"time, {BEST}", records, time_ratio)])


def render(machine, records):
    records = sorted(records, key=lambda r: (r["variant"], r["threads"]))
    batches = sorted({r["batch"] for r in records if r["task"] == "infer"})
    parts = [machine, *(infer_table(records, batch) for batch in batches), error_table(records),
             steadiness_table(records), train_table(records), load_table(records),
             start_table(records)]
    return "\n".join(part for part in parts if part)
