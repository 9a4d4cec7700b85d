#!/usr/bin/env bash
# Shows windows, approvals, urgent releases and news, on a temporary copy.
#
#   examples/windows/run.sh                          with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/windows/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"
publish() {
    mkdir "build-$1"
    echo "version $1 works" >"build-$1/model.txt"
    run reconcile publish "build-$1" --to catalog --model vad --version "$1" "${@:2}"
    expect 0
}
expect_active() {
    local now; now="$(cat models/vad/model.txt 2>/dev/null || echo nothing)"
    [ "$now" = "$*" ] || { echo "UNEXPECTED: “$now” is active and not “$*”" >&2; exit 1; }
}

# The example is made to run at any time: its window lies where it must be from now on. `minute -2` is the cron expression
# for every day at what the clock showed two hours ago.
minute() { python3 -c '
import datetime, sys
now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=float(sys.argv[1]))
print(now.minute, now.hour, "* * *")' "$1"; }
# The window begins that many hours from now and lasts one; the time without changes begins five hours ago, or as the second
# number says, and lasts one, too.
set_window() {
    sed -e "s/allow: \"[^\"]*\"/allow: \"$(minute "$1")\"/" \
        -e "s/deny: \"[^\"]*\", duration: 10d/deny: \"$(minute "${2:--5}")\", duration: 1h/" \
        "$here/desired-state.yaml" >desired-state.yaml
    run grep -Eo '(allow|deny): "[^"]*", duration: [0-9a-z]*' desired-state.yaml
}
news() { python3 -c '
import json, sys
for line in open(sys.argv[1]):
    news = json.loads(line)
    print("%-16s %s: %s" % (news["kind"], news["model"], news["message"]))' "$1"; }

say "The window began two hours ago and lasted one: it is closed now, at $(date -u +%H:%M) UTC, until tomorrow."
set_window -2
publish 1.0.0
say "A first installation waits, too. A person can say that this one need not, and must say why."
run reconcile --dry-run
expect 0 "prepared only" "waits for its window"
run reconcile pass --override-window --progress none
expect 64 "needs --reason"
expect_active nothing
run reconcile pass --override-window --reason "the first installation" --progress none
expect 0 "1.0.0  installed"
expect_active version 1.0.0 works

say "A patch is fetched, staged and checked now. The plan says when it is activated."
publish 1.0.1
run reconcile --dry-run
expect 0 "prepared only" "waits for its window, which opens"
run reconcile --progress none
expect 0 "prepared, to be activated later"
run reconcile --dry-run
expect 0 "Nothing to do"
expect_active version 1.0.0 works

say "The window opens: only the switch and the probe are left."
set_window -0.5
run reconcile --dry-run
expect 0 "(activate probe confirm)"
run reconcile --progress none
expect 0 "1.0.0 → 1.0.1  replaced"
expect_active version 1.0.1 works

say "The window is closed again. A minor step waits for a person."
set_window -2
publish 1.1.0
run reconcile --progress none
expect 0 "1.1.0  needs approval (minor step)"

say "A minor step that is critical waits for nobody, but for the window still."
publish 1.1.1 --priority critical
run reconcile --progress none
expect 0 "1.0.1 → 1.1.1  prepared, to be activated later" "1.1.1  waits for its window"
expect_active version 1.0.1 works

say "Somebody is woken by it and does not want to wait until tomorrow."
run reconcile --override-window --reason "ticket 4711: it crashes on silence" --progress none
expect 0 "1.0.1 → 1.1.1  replaced"
expect_active version 1.1.1 works
run reconcile history --limit 1
expect 0 "confirmed  1.0.1" "windows overridden: ticket 4711"

say "A major step waits for a person first, and then for the window. The yes lasts a week."
publish 2.0.0
run reconcile --progress none
expect 0 "2.0.0  needs approval (major step)"
run reconcile approve vad
expect 0 "1.1.1 → 2.0.0"
run reconcile history --limit 1
expect 0 approved until
run reconcile --progress none
expect 0 "2.0.0  prepared, to be activated later" "waits for its window"
expect_active version 1.1.1 works

say "The window opens, but nothing may change just now: deny beats allow."
set_window -0.5 -0.25
run reconcile --progress none
expect 0 "waits for its window" "Nothing to do"
expect_active version 1.1.1 works

say "Now it may."
set_window -0.5
run reconcile --progress none
expect 0 "1.1.1 → 2.0.0  replaced"
expect_active version 2.0.0 works

say "What was told to whom: everything to news.jsonl, what is critical to urgent.jsonl."
run news news.jsonl
expect 0 "vad: 1.0.1 is available: waits for its window" "vad: 1.1.0 is available: needs approval" "1.1.1 → 2.0.0 is active"
run news urgent.jsonl
expect 0 "vad: 1.1.1 is available" "1.0.1 → 1.1.1 is active"
[ "$(wc -l <urgent.jsonl)" -eq 2 ] || { echo "UNEXPECTED: urgent.jsonl has not two lines" >&2; exit 1; }
say "Each piece of news carries the head of the history. Kept elsewhere, it shows later whether the history was rewritten."
run tail -n 1 news.jsonl
expect 0 historyHead
run reconcile history --verify
expect 0 "each fits to the one before it"
run reconcile stats
expect 0 "vad"
