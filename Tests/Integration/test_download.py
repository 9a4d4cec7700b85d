#!/usr/bin/env python3
"""Downloads from servers that misbehave: verified, or the right error; never a wrong byte at a final name.

    test_download.py                  everything, in a few minutes
    test_download.py --fast           without what has to wait for a watchdog; --slow: only that
    test_download.py --only redirect  cases whose name holds a word
    test_download.py --list           the cases

Each case of the table is played by one location alone and by one with a mirror that works, for a release with block indexes
and without. See `play` for what is then demanded of every case.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import sys
import tempfile
import time
import typing

import faults
from downloads import TOKEN, Catalog, MiB, Workspace
from faultserver import FaultServer
from proxy import Certificate
from support import expect

SIZE = 9 * MiB
WORKS, FAILS, EITHER = "works", "fails", "either"


@dataclasses.dataclass
class Case:
    """A fault, and what is right when the location that plays it is the only one. With a mirror every case works."""
    name: str
    fault: typing.Callable
    alone: str
    limit: int = 60                 # seconds until it has to have ended by itself
    slow: bool = False              # it has to wait; these run all at once
    lies: bool = False              # right sizes, wrong bytes: the location is distrusted, and named though a mirror helped
    tls: bool = False
    peer: typing.Callable = None    # the fault of a second server that this one points to
    check: typing.Callable = None   # more to demand: (server, peer, later) → None or what is wrong
    connections: int = None
    indexed: bool = False           # only for a release with block indexes
    server: dict = dataclasses.field(default_factory=dict)


def with_(fault, **more):
    return functools.partial(fault, **more)


def honest(x):
    """No fault."""
    x.honest() if x.data is not None else x.answer(404)


def waits(seconds):
    """Nothing is asked of a path for so long after it was refused; half a second is for what was on its way."""
    def check(server, peer, later):
        for refusal in server.log:
            if refusal.status in (429, 503):
                early = [r for r in server.log if r.path == refusal.path and
                         refusal.answered + 0.5 < r.started < refusal.answered + seconds - 0.1]
                if early:
                    return "asked again %.1f s after “not before %s s”" % (early[0].started - refusal.answered, seconds)
    return check


def few_connections(server, peer, later):
    return "%d connections at once" % server.peak if server.peak > 16 else None


def untouched(server, peer, later):
    return "the address without TLS was asked: %s" % peer.log[0].path if peer.log else None


def reuses(count):
    def check(server, peer, later):
        sent = later.bytes_sent("model.bin")
        return "%d bytes came again" % sent if sent > SIZE - count + 3 * MiB else None
    return check


reset, close, status, flip = (with_(f) for f in (faults.reset_after, faults.close_after, faults.status, faults.flipped))
BLOCKS = {"indexed": True, "server": {"only": "*/blocks/*"}}
CASES = [
    #    what the server does                           fault                                      alone   more
    Case("nothing wrong",                               honest,                                    WORKS, check=few_connections),
    Case("nothing wrong, TLS",                          honest,                                    WORKS, tls=True),
    Case("two connections at once, others reset",       honest,                                    WORKS, server={"limit": 2}),

    Case("200 for a range",                             faults.whole_for_range,                    WORKS),
    Case("wrong start in Content-Range",                faults.wrong_range_start,                  EITHER),
    Case("wrong total in Content-Range",                faults.wrong_range_total,                  EITHER),
    Case("206 without Content-Range",                   faults.no_content_range,                   EITHER),
    Case("a body longer than the range",                faults.long_range,                         EITHER),
    Case("multipart for one range",                     faults.multipart,                          EITHER),
    Case("416 with a lying length",                     faults.lying_416,                          EITHER, limit=45),
    Case("garbage behind each answer",                  faults.garbage_after_body,                 WORKS),
    Case("no length, whole",                            faults.no_length,                          WORKS),
    Case("no length, TLS, whole",                       faults.no_length,                          WORKS, tls=True),

    Case("body ends at half its length",                faults.short_body,                         EITHER, limit=120),
    Case("close after 1.5 MB of each answer",           with_(close, count=1_500_000),             WORKS),
    Case("reset after 1.5 MB of each answer",           with_(reset, count=1_500_000),             WORKS),
    Case("reset after 300 kB of each answer",           with_(reset, count=300_000),               WORKS, limit=120),
    Case("reset after 0 bytes of each answer",          with_(reset, count=0),                     FAILS, limit=180, slow=True),
    Case("dies after 7 MiB",                            with_(faults.dies_after, count=7 * MiB),   FAILS, limit=180, slow=True,
         connections=2, check=reuses(7 * MiB)),
    Case("TLS cut in the middle",                       faults.short_body,                         EITHER, limit=120, tls=True),
    Case("TLS cut in the middle, no length",            faults.cut_without_length,                 EITHER, limit=120, tls=True),
    Case("endless body, no length",                     faults.endless,                            EITHER),
    Case("endless body in chunks",                      faults.endless_chunked,                    EITHER),

    Case("silence",                                     faults.silent,                             FAILS, limit=240, slow=True),
    Case("a head, then silence",                        faults.head_only,                          FAILS, limit=240, slow=True),
    Case("silence after 400 kB of each answer",         with_(faults.silent_after, count=400_000), EITHER, limit=240, slow=True),
    Case("one byte a second",                           faults.trickle,                            FAILS, limit=240, slow=True),
    Case("one byte a second on the first connection",   faults.first_trickles,                     WORKS, limit=90, slow=True),

    Case("503 twice",                                   with_(status, code=503, times=2),          WORKS),
    Case("503 twice, Retry-After 2",                    with_(status, code=503, times=2, retry_after=2), WORKS, check=waits(2)),
    Case("503 for ever",                                with_(status, code=503),                   FAILS, limit=180, slow=True),
    Case("503 for ever, Retry-After 1",                 with_(status, code=503, retry_after=1),    FAILS, limit=180, slow=True),
    Case("429 twice",                                   with_(status, code=429, times=2),          WORKS),
    Case("429 twice, Retry-After 2",                    with_(status, code=429, times=2, retry_after=2), WORKS, check=waits(2)),
    Case("429 once, Retry-After as a date",             with_(status, code=429, times=1, retry_after="date"), WORKS, check=waits(1)),
    Case("429 once, RateLimit t=2",                     with_(faults.rate_limit, times=1, seconds=2), WORKS, check=waits(2)),
    Case("429 for ever",                                with_(status, code=429),                   FAILS, limit=180, slow=True),
    Case("429, Retry-After tomorrow",                   with_(status, code=429, retry_after=86400), FAILS, limit=180, slow=True),
    Case("500 once",                                    with_(status, code=500, times=1),          WORKS),
    Case("500 for ever",                                with_(status, code=500),                   FAILS, limit=180, slow=True),
    Case("404",                                         with_(status, code=404),                   FAILS),
    Case("401",                                         with_(status, code=401),                   FAILS),
    Case("403 after three requests",                    with_(faults.expires, times=3),            EITHER),
    Case("403 always",                                  with_(faults.expires, times=0),            FAILS),
    Case("signed addresses that expire",                with_(faults.signed, times=1),             WORKS, peer=faults.storage),

    Case("redirect to another origin",                  faults.redirect_to_peer,                   WORKS, peer=honest),
    Case("redirect from https to http",                 faults.redirect_to_peer,                   FAILS, peer=honest, tls=True,
         check=untouched),
    Case("redirect without end",                        faults.redirect_loop,                      FAILS),
    Case("redirect to nowhere",                         faults.redirect_nowhere,                   FAILS),

    Case("another ETag in each answer",                 faults.new_etag_each_time,                 EITHER),
    Case("replaced after 4 MiB, new ETag",              with_(faults.replaced, after=4 * MiB),     FAILS),
    Case("replaced after 4 MiB, same ETag",             with_(faults.replaced, after=4 * MiB, same_etag=True), FAILS, lies=True),
    Case("second half of another file, new ETag",       faults.second_half_of_another,             FAILS),
    Case("second half of another file, same ETag",      with_(faults.second_half_of_another, same_etag=True), FAILS, lies=True),
    Case("one bit wrong",                               with_(flip, at=5 * MiB + 7),               FAILS, lies=True),
    Case("one bit wrong in the first byte",             with_(flip, at=0),                         FAILS, lies=True),
    Case("one bit wrong in the last byte",              with_(flip, at=SIZE - 1),                  FAILS, lies=True),
    Case("one bit wrong, the first time only",          with_(flip, at=5 * MiB, where="first"),    EITHER),
    Case("one bit wrong in answers to ranges",          with_(flip, at=5 * MiB, where="ranges"),   EITHER),
    Case("the right range said, another sent",          faults.shifted,                            FAILS, lies=True),
    Case("a page instead of the file",                  faults.html_page,                          FAILS),
    Case("a page of the file's size",                   faults.html_page_of_right_size,            FAILS, lies=True),
    Case("gzip anyway",                                 faults.gzip_whole,                         EITHER),
    Case("gzip anyway in ranges",                       faults.gzip_range,                         EITHER),

    # An index only helps: whatever it is or says, the file is fetched and is right.
    Case("index: 404",                                  with_(status, code=404),                   WORKS, **BLOCKS),
    Case("index: one bit wrong",                        with_(flip, at=9),                         WORKS, **BLOCKS),
    Case("index: a page instead",                       faults.html_page,                          WORKS, **BLOCKS),
    Case("index: endless",                              faults.endless,                            WORKS, **BLOCKS),
    Case("index: silence",                              faults.silent,                             WORKS, limit=240, slow=True, **BLOCKS),
]


def play(case, mirror, index, catalog, certificate):
    """Runs a case, and then once more with a server that works. What is demanded of every case:

    - it ends by itself, with the model right and nothing wrong or left over in the store; or with a status that is not 0,
      words that name the location, no model, and nothing wrong at a final name;
    - with a mirror, and where the table says so alone, it works;
    - the second run works, fetches nothing of what is there, and never much more than the file;
    - the source's token reaches no other origin.
    """
    root = catalog.place(index)
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(FaultServer(root, case.peer)) if case.peer else None
        server = stack.enter_context(
            FaultServer(root, case.fault, peer=peer, tls=certificate if case.tls else None, **case.server))
        helper = stack.enter_context(FaultServer(root)) if mirror else None
        later = stack.enter_context(FaultServer(root))
        work = stack.enter_context(Workspace(catalog))
        env = dict({"SSL_CERT_FILE": certificate.authority} if case.tls else {}, TOKEN=TOKEN)
        work.declare(server.url, [helper.url] if mirror else [], "token: { env: TOKEN }", case.connections)

        first = work.run(case.limit, env)
        said = "\n" + first.output
        expect(mirror or case.indexed or any(server.plays(r.path) for r in server.log), "no file was ever asked for" + said)
        expect(first.status is not None, "it did not end within %d s" % case.limit + said)
        works = first.status == 0
        if mirror or case.alone == WORKS:
            expect(works, "it did not work" + said)
        if case.alone == FAILS and not mirror:
            expect(not works, "it worked" + said)
        expect(work.wrong_files() == [], "wrong: %s%s" % (work.wrong_files(), said))
        if works:
            expect(work.left_over() == [], "left over: %s%s" % (work.left_over(), said))
            expect(work.is_right(), "status 0, and the files are not right" + said)
        else:
            expect(not work.active(), "it failed, and there is a model" + said)
            expect(any(s.netloc in first.output for s in (server, peer) if s), "the location is not named" + said)
        if mirror and case.lies and any(r.wrong for r in server.log):
            expect(server.netloc in first.output, "the location that sent wrong bytes is not named" + said)
        expect(TOKEN not in first.output, "the token is printed" + said)

        work.declare(later.url, connections=case.connections)
        second = work.run(60)
        expect(second.status == 0 and work.is_right(), "the next pass, all well: exit %s\n%s" % (second.status, second.output))
        expect(work.wrong_files() + work.left_over() == [], "wrong or left over after it: %s" % (
            work.wrong_files() + work.left_over()))
        sent = later.bytes_sent("model.bin")
        expect(sent == 0 if works else sent <= 2 * SIZE + 2 * MiB, "the next pass fetched %d bytes again" % sent)
        if case.check and (problem := case.check(server, peer, later)):
            raise SystemExit("FAILED: " + problem + said)
        for other in (peer, later):
            leaks = [r.path for r in other.log if r.authorization] if other else []
            expect(not leaks, "the token reached another origin: %s" % leaks)
        return first.seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--fast", action="store_true", help="without those that have to wait")
    parser.add_argument("--slow", action="store_true", help="only those that have to wait")
    parser.add_argument("--list", action="store_true", help="only list the cases")
    parser.add_argument("--jobs", type=int, default=4, help="how many at once, of those that need not wait")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.name and not (options.fast if case.slow else options.slow)]
    if options.list:
        for case in cases:
            print("%-46s alone: %-7s %s" % (case.name, case.alone, "slow" if case.slow else ""))
        return
    start = time.monotonic()
    failures = collections.defaultdict(list)
    with Catalog(SIZE) as catalog, tempfile.TemporaryDirectory() as directory:
        certificate = Certificate(directory)
        indexes = (False, True) if catalog.has_index else (False,)
        with concurrent.futures.ThreadPoolExecutor(64) as slow, concurrent.futures.ThreadPoolExecutor(options.jobs) as fast:
            futures = {
                (slow if case.slow else fast).submit(play, case, mirror, index, catalog, certificate): (case, mirror, index)
                for case in sorted(cases, key=lambda case: not case.slow) for mirror in (False, True) for index in indexes
                if index or not case.indexed}
            for future in concurrent.futures.as_completed(futures):
                case, mirror, index = futures[future]
                name = "%s, %s, %s" % (case.name, "with a mirror" if mirror else "alone", "index" if index else "no index")
                try:
                    print("ok      %s (%.1f s)" % (name, future.result()), flush=True)
                except (SystemExit, Exception) as problem:  # every case is played, whatever one of them shows
                    text = str(problem) if isinstance(problem, SystemExit) else repr(problem)
                    failures[name] = text
                    print("FAILED  %s: %s" % (name, text.removeprefix("FAILED: ")), flush=True)
    if not indexes[1:]:
        print("(publish wrote no block index, so nothing was played with one)")
    if failures:
        raise SystemExit("FAILED: %d of %d:\n  %s" % (len(failures), len(futures), "\n  ".join(
            "%s: %s" % (name, text.removeprefix("FAILED: ").split("\n")[0]) for name, text in sorted(failures.items()))))
    print("downloads: %d cases ended as they should, in %.0f s" % (len(futures), time.monotonic() - start))


if __name__ == "__main__":
    sys.exit(main())
