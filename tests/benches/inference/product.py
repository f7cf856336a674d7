"""What of all this a customer's conversation feels: Ponto's own server, beside itself."""

import contextlib
import itertools
import json
import math
import shutil
import threading
import time

from .ours import questions
from .process import Failed, successful
from .report import Row

CONVERSATIONS = 6
DRAFTS = 4
DRAFTED = 12
REQUESTS = 200
numbers = itertools.count()


def _request(*messages):
    """A conversation that no other is like; roles alternate and the customer begins."""
    number = next(numbers)
    roles = itertools.cycle(["customer", "agent"])
    turns = [{"id": f"m-{number}-{at}", "role": next(roles), "text": text} for at, text in enumerate(messages)]
    conversation = {"id": f"c-{number}", "channel": "web_chat", "locale": "en", "messages": turns}
    return {"conversation": conversation, "mode": "draft"}


def prefix(bench):
    """Time to the first token of a draft, and of the next one in the same conversation, about the same document."""
    name, _ = next(bench.models())
    data = bench.folder / "prefix"
    headers = bench.ours.data(data)
    by_document = {}
    for question, document in questions():
        by_document.setdefault(document, []).append(question)
    first, second = [], []
    with bench.ours.serve(data, "candle", name) as server:
        _stream(server, headers, by_document.pop(next(iter(by_document)))[0])  # what all share is read once
        for asked in by_document.values():
            if len(first) == CONVERSATIONS:
                break
            bench.say(f"the second suggestion with {name}, conversation {len(first) + 1} of {CONVERSATIONS}")
            before = _stream(server, headers, asked[0])
            after = before and len(asked) > 1 and _stream(server, headers, asked[0], before[1], asked[1])
            if after:
                first.append(before[0])
                second.append(after[0])
    if not first:
        raise Failed(f"{name} drafts nothing twice in a conversation")
    what = f"{name}, first token of the second draft of a conversation, {len(first)} conversations"
    return [Row("prefix", what, "s", second, first, "the first draft", ("ratio", "<=", 0.2))]


def lookup(bench):
    """Seconds of writing a grounded draft, with guesses at its next words from the prompt and without; the replies are
    the same."""
    name, _ = next(bench.models())
    guessing, plain = bench.folder / "guessing", bench.folder / "plain"
    headers = bench.ours.data(guessing)
    shutil.copytree(guessing, plain)
    without = {"PONTO__CANDLE__PROMPT_LOOKUP": "false"}
    with bench.ours.serve(guessing, "candle", name) as one, bench.ours.serve(plain, "candle", name, without) as two:
        ours, theirs = [], []
        for _ in bench.turns(f"drafts with {name}, with guesses and without"):
            taken = {one: 0.0, two: 0.0}
            for question, _ in questions()[::4][:DRAFTED]:
                texts = []
                for server in taken:
                    answer = successful(server, "/v1/suggest", _request(question), headers)
                    taken[server] += answer["timings_ms"]["generation"] / 1000
                    texts.append([draft["text"] for draft in answer["drafts"]])
                if texts[0] != texts[1]:
                    raise Failed(f"guesses change the reply to “{question}”: {texts}")
            ours.append(taken[one] / DRAFTED)
            theirs.append(taken[two] / DRAFTED)
    what = f"{name}, a draft of the demo, prompt and reply, {DRAFTED} questions"
    return [Row("lookup", what, "s", ours, theirs, "without guesses")]


def _stream(server, headers, *messages):
    """(seconds to the first token, draft), or None where the model drafts nothing."""
    first, answer = None, {}
    for seconds, name, data in server.events("/v1/suggest", _request(*messages), headers):
        if name == "delta" and first is None:
            first = seconds
        elif name == "suggestion":
            answer = json.loads(data)
    drafts = answer.get("drafts") or []
    return (first, drafts[0]["text"]) if first is not None and drafts else None


def latency(bench):
    """p99 of what asks no chat model, while drafts are being written and while none is."""
    name, _ = next(bench.models())
    drafting, quoting = bench.folder / "drafting", bench.folder / "quoting"
    headers = bench.ours.data(drafting)
    shutil.copytree(drafting, quoting)
    asked = [question for question, _ in questions()[:40]]
    health = lambda server, _: server.ask("GET", "/healthz")
    query = lambda question: {"query": question, "language": "en"}
    search = lambda server, question: successful(server, "/v1/knowledge/search", query(question), headers)
    suggest = lambda server, question: successful(server, "/v1/suggest", _request(question), headers)
    with bench.ours.serve(drafting, "candle", name) as one, bench.ours.serve(quoting, "extractive", name) as two:
        measured = [
            ("`suggest --backend extractive` beside it", two, suggest),
            ("search in the same server", one, search),
            ("/healthz of the same server", one, health),
        ]
        for _, server, call in measured:
            _p99(server, call, asked)
        idle, busy = ({what: [] for what, *_ in measured} for _ in range(2))
        for _ in bench.turns(f"latency while {name} drafts"):
            for what, server, call in measured:
                idle[what].append(_p99(server, call, asked))
            with _drafting(one, headers, asked):
                for what, server, call in measured:
                    busy[what].append(_p99(server, call, asked))
    against = "while nothing is drafted"
    aim = ("ratio", "<=", 3)
    return [
        Row("latency", f"p99 of {what}, {DRAFTS} drafts of {name} at once", "ms", busy[what], idle[what], against, aim)
        for what, *_ in measured
    ]


def _p99(server, call, asked):
    times = []
    for question in itertools.islice(itertools.cycle(asked), REQUESTS):
        started = time.perf_counter()
        call(server, question)
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]


@contextlib.contextmanager
def _drafting(server, headers, asked):
    """`DRAFTS` drafts are being written at any time inside the `with`."""
    stop, failed = threading.Event(), []

    def write(offset):
        try:
            for question in itertools.cycle(asked[offset:] + asked[:offset]):
                if stop.is_set():
                    return
                successful(server, "/v1/suggest", _request(question), headers)
        except Exception as error:  # told to the caller below
            failed.append(error)

    threads = [threading.Thread(target=write, args=(10 * index,)) for index in range(DRAFTS)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
