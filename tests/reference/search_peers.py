#!/usr/bin/env python3
"""`medley bench --search` beside a numpy scan, usearch and sqlite-vec, all exact, on the vectors that Medley wrote.
   python search_peers.py --medley PATH [--vectors 7000 100000 1000000] [--runs 15] [--threads 1 2]
   (pip install numpy usearch sqlite-vec apsw); every engine in a process of its own, one after the other"""
import argparse, glob, json, os, statistics, subprocess, sys, tempfile, time

DIMENSIONS, TOP = 256, 100
ENGINES = ["numpy f32", "numpy f16", "usearch f16", "usearch f32", "sqlite-vec f32"]


def vectors(folder, count):
    import numpy
    [path] = glob.glob(os.path.join(folder, "vectors.*"))
    return numpy.fromfile(path, numpy.float16, count * DIMENSIONS).reshape(count, DIMENSIONS)


def best(scores):
    import numpy
    top = numpy.argpartition(-scores, min(TOP, len(scores) - 1))[:TOP]
    return top[numpy.argsort(-scores[top], kind="stable")]


def engine(name, x, threads, folder):
    """A function from a query to the best rows."""
    import numpy
    if name == "numpy f32":
        x = x.astype(numpy.float32)
        return lambda query: best(x @ query)
    if name == "numpy f16":                       # numpy multiplies 16 bits one by one: in pieces that fit the cache instead
        return lambda query: best(numpy.concatenate([x[i:i + 2048].astype(numpy.float32) @ query for i in range(0, len(x), 2048)]))
    if name.startswith("usearch"):
        from usearch.index import MetricKind, search
        kind = numpy.float16 if name.endswith("f16") else numpy.float32
        x = numpy.ascontiguousarray(x.astype(kind))
        return lambda query: search(x, query.astype(kind), TOP, MetricKind.IP, exact=True, threads=threads).keys
    import apsw, sqlite_vec
    path = os.path.join(folder, "peer.sqlite")
    connection = apsw.Connection(path)
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.execute(f"create virtual table peer using vec0(vector float[{DIMENSIONS}] distance_metric=cosine)")
    with connection:
        connection.executemany("insert into peer(rowid, vector) values (?, ?)",
                               ((i, row.tobytes()) for i, row in enumerate(x.astype(numpy.float32))))
    connection.execute("pragma mmap_size = 4000000000").fetchall()
    ask = f"select rowid from peer where vector match ? and k = {TOP} order by distance"
    return lambda query: numpy.array([row for row, in connection.execute(ask, (query.tobytes(),))])


def child(arguments):
    import numpy
    [count], [threads] = arguments.vectors, arguments.threads
    x = vectors(arguments.folder, count)
    random = numpy.random.default_rng(1)
    queries = [query / numpy.linalg.norm(query) for query in random.standard_normal((arguments.runs + 1, DIMENSIONS), numpy.float32)]
    with tempfile.TemporaryDirectory() as folder:
        search, seconds = engine(arguments.engine, x, threads, folder), []
        for query in queries:
            start = time.perf_counter()
            found = search(query)
            seconds.append(time.perf_counter() - start)
        exact = best(numpy.concatenate([x[i:i + 2048].astype(numpy.float64) @ query.astype(numpy.float64) for i in range(0, count, 2048)]))
        recall = len(set(map(int, found)) & set(map(int, exact))) / len(exact)
    seconds = seconds[1:]
    print(json.dumps({"least": min(seconds), "median": statistics.median(seconds), "recall": recall}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--medley")
    parser.add_argument("--vectors", type=int, nargs="+", default=[7000, 100000, 1000000])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        return child(arguments)
    for count in arguments.vectors:
        with tempfile.TemporaryDirectory() as folder:
            bench = [arguments.medley, "bench", "--search", str(count), "--keep", folder, "--runs", str(arguments.runs), "--json"]
            lines = [json.loads(line) for line in subprocess.run(bench, check=True, capture_output=True, text=True).stdout.splitlines()]
            ours = {line["work"]: line for line in lines}
            for line in lines:
                print(f"{count:>8}  medley {line['work']:<26}" + (f"{line['bytes'] / 1e6:>9.1f} MB" if "bytes" in line else
                      f"{line['least'] * 1e3:>9.2f} ms {line['median'] * 1e3:>9.2f} ms"))
            for threads in arguments.threads:
                mine = ours["scan, one thread" if threads == 1 else "scan, all threads"]
                for name in ENGINES:
                    if name.startswith("sqlite") and threads > 1:
                        continue                                        # it has one
                    blas = {name: str(threads) for name in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]}
                    command = [sys.executable, __file__, "--vectors", str(count), "--runs", str(arguments.runs), "--threads", str(threads), "--folder", folder, "--engine", name]
                    line = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | blas).stdout)
                    print(f"{count:>8}  {name:<17} {threads} thread{'s' if threads > 1 else ' '}       {line['least'] * 1e3:>9.2f} ms {line['median'] * 1e3:>9.2f} ms"
                          f"  recall {line['recall']:.3f}  medley is {line['least'] / mine['least']:.1f} and {line['median'] / mine['median']:.1f} times as fast", flush=True)


if __name__ == "__main__":
    main()
