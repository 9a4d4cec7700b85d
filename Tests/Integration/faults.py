"""What can go wrong on the way from a web server, each a short function of one exchange (see faultserver.py).

Those that take more than the exchange are given the rest by `functools.partial`. `x.number` counts the requests for this
path that came before, on this server; `x.server.bytes_sent(x.path)` what was sent of it.
"""
import email.utils
import gzip
import random
import time

MiB = 1 << 20


# Answers to ranges

def whole_for_range(x):
    """200 and the whole file, whatever was asked for."""
    x.honest(whole=True)


def wrong_range_start(x):
    """206 for a part that begins 5 bytes later than asked, and says so."""
    _partial(x, shift=5)


def wrong_range_total(x):
    """206 with the right bytes of a file whose size is said to be another."""
    _partial(x, total=len(x.data) + 1)


def no_content_range(x):
    """206 that does not say which part it is."""
    _partial(x, says=False)


def _partial(x, shift=0, total=None, says=True):
    if not x.span:
        return x.honest()
    start, end = x.span
    start = min(start + shift, end - 1)
    fields = {"ETag": x.etag, "Content-Range": x.content_range(start, end, total)}
    x.head(206, fields if says else {"ETag": x.etag}, length=end - start)
    x.send(memoryview(x.data)[start:end])


def long_range(x):
    """206 that says the right part, and whose body goes on 1000 bytes beyond it."""
    if not x.span:
        return x.honest()
    start, end = x.span
    x.head(206, {"ETag": x.etag, "Content-Range": x.content_range(start, end)}, length=end - start + 1000)
    x.send(bytes(memoryview(x.data)[start:end]) + b"x" * 1000, wrong=True)


def garbage_after_body(x):
    """A right answer, and behind it bytes that nobody asked for, where the next answer would begin."""
    x.honest()
    x.channel.write(b"HTTP/9.9 garbage\r\n" * 10)


def multipart(x):
    """One range asked, multipart/byteranges answered."""
    if not x.span:
        return x.honest()
    start, end = x.span
    body = b"--cut\r\nContent-Type: application/octet-stream\r\nContent-Range: %s\r\n\r\n%s\r\n--cut--\r\n" % (
        x.content_range(start, end).encode(), bytes(x.data[start:end]))
    x.answer(206, body, {"Content-Type": "multipart/byteranges; boundary=cut", "ETag": x.etag})


def lying_416(x):
    """416 for every range, with the length of the file and a short text, as Debian's docker-registry does."""
    if not x.headers.get("range"):
        return x.honest()
    x.head(416, {"Content-Range": "bytes */%d" % len(x.data)}, length=len(x.data) or 1)
    x.send(b"requested range not satisfiable\r\n")
    x.silence()


# Bodies that end too early, too late or never

def short_body(x):
    """Half of what Content-Length says, then the end."""
    start, end = x.bounds
    x.honest(upto=(end - start) // 2)
    x.close()


def close_after(x, count):
    """The connection ends after so many bytes of each answer."""
    x.honest(upto=count)
    if x.bounds[1] - x.bounds[0] > count:
        x.close()


def reset_after(x, count):
    """The connection is reset after so many bytes of each answer."""
    x.honest(upto=count)
    if x.bounds[1] - x.bounds[0] > count:
        x.reset()


def dies_after(x, count):
    """Works until so many bytes of this path were sent; from then on 500."""
    rest = count - x.server.bytes_sent(x.path)
    if rest <= 0:
        return x.answer(500, b"broken")
    x.honest(upto=rest)
    if x.bounds[1] - x.bounds[0] > rest:
        x.close()


def no_length(x):
    """Right bytes whose end is only the end of the connection; allowed, and with TLS told from a cut by close_notify."""
    _without_length(x, x.bounds[1])


def cut_without_length(x):
    """The same, cut in the middle; with TLS there is no close_notify."""
    _without_length(x, sum(x.bounds) // 2)
    x.close()


def _without_length(x, end):
    fields = {"ETag": x.etag}
    if x.span:
        fields["Content-Range"] = x.content_range(*x.span)
    x.head(206 if x.span else 200, fields)
    x.send(memoryview(x.data)[x.bounds[0]:end])


def endless(x):
    """The bytes asked for, then zeros without end; no Content-Length."""
    _without_length(x, x.bounds[1])
    while True:
        x.send(bytes(65536), wrong=True)


def endless_chunked(x):
    """The same in chunks."""
    fields = {"ETag": x.etag, "Transfer-Encoding": "chunked"}
    if x.span:
        fields["Content-Range"] = x.content_range(*x.span)
    x.head(206 if x.span else 200, fields)
    body = memoryview(x.data)[slice(*x.bounds)]
    while True:
        x.channel.write(b"%x\r\n" % (len(body) or 1))
        x.send(body or b"x")
        x.channel.write(b"\r\n")
        body = bytes(65536)


# Time

def silent(x):
    """The request is read and never answered."""
    x.silence()


def head_only(x):
    """A right head, and then nothing."""
    x.honest(upto=0)
    x.silence()


def silent_after(x, count):
    """Each answer stops after so many bytes and says nothing more."""
    x.honest(upto=count)
    if x.bounds[1] - x.bounds[0] > count:
        x.silence()


def trickle(x):
    """One byte a second."""
    x.honest(upto=0)
    for at in range(*x.bounds):
        x.send(memoryview(x.data)[at:at + 1])
        x.silence(1)


def first_trickles(x):
    """One byte a second for the first request of a file; the others are answered well."""
    return trickle(x) if x.number == 0 else x.honest()


# Refusals

def status(x, code, times=None, retry_after=None, body=b"<html>no</html>"):
    """A status instead of the file: for the first requests (`times`), or always."""
    if times is not None and x.number >= times:
        return x.honest()
    value = email.utils.formatdate(time.time() + 2, usegmt=True) if retry_after == "date" else retry_after
    x.answer(code, body, {} if value is None else {"Retry-After": value})


def rate_limit(x, times, seconds):
    """429 with the fields of the IETF draft instead of Retry-After, as the Hugging Face hub sends them."""
    if x.number >= times:
        return x.honest()
    x.answer(429, b"slow down", {"RateLimit": '"resolvers";r=0;t=%d' % seconds,
                                 "RateLimit-Policy": '"fixed window";"resolvers";q=3000;w=300'})


def expires(x, times):
    """The address works for some requests; then it is 403 for good."""
    return x.honest() if x.number < times else x.answer(403, b"<Error><Code>AccessDenied</Code></Error>")


def signed(x, times):
    """Redirects to an address of the peer's that works for some requests only; asked again, this server gives another."""
    with x.server.lock:
        x.server.memory["tickets"] = ticket = x.server.memory.get("tickets", 0) + 1
    x.server.peer.memory["times"] = times
    x.redirect("%ssigned/%d/%s" % (x.server.peer.url, ticket, x.path))


def storage(x):
    """What stands behind `signed`: /signed/TICKET/PATH, each ticket for some requests."""
    from faultserver import contents
    _, ticket, path = x.path.split("/", 2)
    if x.number >= x.server.memory["times"]:
        return x.answer(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
    x.data, x.etag = contents("%s/%s" % (x.server.root, path))
    x.honest()


# Redirects

def redirect_loop(x):
    """To itself, for ever."""
    x.redirect("%s%s" % (x.server.url, x.path))


def redirect_to_peer(x):
    """To the same file of another origin."""
    x.redirect(x.server.peer.url + x.path)


def redirect_nowhere(x):
    """302 without Location."""
    x.answer(302)


# Bytes of another file

def other(data):
    """Another file of the same size."""
    return random.Random(len(data)).randbytes(len(data))


def new_etag_each_time(x):
    """The right bytes, with another ETag in every answer."""
    x.honest(etag='"e%d"' % x.number)


def replaced(x, after, same_etag=False):
    """The file is overwritten in place, also under an answer that is on its way, once so many bytes of it were sent; its
    ETag changes, or (nastier) does not."""
    old, new = x.data, other(x.data)
    x.honest(upto=0, etag='"replaced"' if x.server.bytes_sent(x.path) >= after and not same_etag else None)
    if x.record.status in (200, 206):
        start, end = x.bounds
        for at in range(start, end, 65536):
            is_new = x.server.bytes_sent(x.path) >= after
            x.send((new if is_new else old)[at:min(at + 65536, end)], wrong=is_new)


def second_half_of_another(x, same_etag=False):
    """Behind its middle the file is another one: answers that begin there carry another ETag, or (nastier) the same."""
    half = len(x.data) // 2
    mixed = x.data[:half] + other(x.data)[half:]
    x.honest(mixed, etag='"other"' if x.bounds[0] >= half and not same_etag else None)


def flipped(x, at, where="all"):
    """One bit is wrong, every time: in all answers, in the first that has it, or in answers to ranges only."""
    start, end = x.bounds
    if not start <= at < end or (where == "ranges" and not x.span) or (where == "first" and x.server.memory.get(x.path)):
        return x.honest()
    x.server.memory[x.path] = True
    x.honest(x.data[:at] + bytes([x.data[at] ^ 1]) + x.data[at + 1:])


def shifted(x):
    """Says the right range and sends bytes from elsewhere."""
    x.honest(x.data[1:] + x.data[:1])


def html_page(x):
    """200 and a page to log in, as hotels do."""
    x.answer(200, b"<!doctype html><title>Welcome</title>Please log in." * 20, {"Content-Type": "text/html"})


def html_page_of_right_size(x):
    """The same page, padded to the length that is expected, also for ranges."""
    x.honest((b"<!doctype html><title>Welcome</title>" + b" " * len(x.data))[:len(x.data)])


def gzip_whole(x):
    """200 and the file compressed, though identity was asked for."""
    body = gzip.compress(x.data, 1)
    x.answer(200, body, {"ETag": x.etag, "Content-Encoding": "gzip"})


def gzip_range(x):
    """206 with the right Content-Range and the part compressed."""
    body = gzip.compress(x.data[slice(*x.bounds)], 1)
    fields = {"ETag": x.etag, "Content-Encoding": "gzip"}
    if x.span:
        fields["Content-Range"] = x.content_range(*x.span)
    x.answer(206 if x.span else 200, body, fields)
