"""The sh scripts that run on a device: the lock, the run folder, the cache, and the deadline, all kept there.

They are POSIX sh and run in mksh, toybox, busybox, dash and bash. ``@NAME@`` stands for a word that is put in quoted.

Layout under the base folder, which belongs to one user of the device::

    lock            a symbolic link to "PID.START.DEADLINE" of its keeper: made in one step, content and all
    cache/SHA256    files that were pushed, named by their content
    runs/ID/        of one call of bench: gone when its keeper ends
"""

from __future__ import annotations

import re

from repbnn_edge.devices.shell import quote

_COMMON = """
start_of() {
  { read -r line </proc/"$1"/stat; } 2>/dev/null || return 1
  set -- ${line##*) }
  echo "${20}"
}
alive() { [ -n "$2" ] && [ "$(start_of "$1")" = "$2" ]; }
nap() {
  s= d=
  trap 'd=1; [ -n "$s" ] && kill $s' TERM
  sleep "$1" & s=$!
  [ -n "$d" ] && kill $s
  wait $s
  [ -n "$d" ] && exit
}
rest() { nap 1; alive "$2" "$3" || exit; nap "$1"; }
"""
"""``alive PID START``: is a process still that one, not another of its number.

``rest SECONDS PID START``: the sleep of a watch over a process. A signal may come between any two commands, and a shell
forgets one that comes to a child just forked: so the watch looks once, a second later, whether anything is left to
watch.
"""

KEEPER = (
    """
exec 3<&0 </dev/null
gone=
trap : PIPE
trap gone=1 HUP INT TERM
umask 077
b=@BASE@
m=@MARK@
why=$(mkdir -p "$b" 2>&1)
if [ ! -d "$b" ] || [ -L "$b" ] || [ ! -O "$b" ] || ! chmod 700 "$b"; then echo "$m unusable $why"; exit 0; fi
why=$(mkdir -p "$b/cache" "$b/runs" 2>&1) || { echo "$m unusable $why"; exit 0; }
"""
    + _COMMON
    + """
now=$(date +%s)
mine=$$.$(start_of $$).$((now + @SECONDS@))
if ! ln -s "$mine" "$b/lock" 2>/dev/null; then
  held=$(readlink "$b/lock")
  pid=${held%%.*}; end=${held##*.}; born=${held#*.}; born=${born%%.*}
  case $pid$born$end in *[!0-9]*) pid=0; born=; end=0;; esac
  if alive "$pid" "$born"; then
    if [ "$end" -gt "$now" ]; then echo "$m busy $((end - now))"; exit 0; fi
    kill -9 "$pid" 2>/dev/null
  fi
  mv "$b/lock" "$b/stale.$$" 2>/dev/null && rm -f "$b/stale.$$"
  if ! ln -s "$mine" "$b/lock" 2>/dev/null; then
    if [ -L "$b/lock" ]; then echo "$m busy 1"; else echo "$m unusable no links can be made there"; fi
    exit 0
  fi
fi
for f in "$b"/runs/*/pid; do
  { read -r pid born <"$f"; } 2>/dev/null && alive "$pid" "$born" && kill -9 "$pid"
done
rm -rf "$b"/runs/* "$b"/cache/.new-* "$b"/stale.*
r="$b/runs/"@ID@
why=$(mkdir "$r" 2>&1) || { rm -f "$b/lock"; echo "$m unusable $why"; exit 0; }
finish() {
  trap '' HUP INT TERM
  { read -r pid born <"$r/pid"; } 2>/dev/null && alive "$pid" "$born" && kill -9 "$pid"
  cd /
  rm -rf "$r"
  [ "$(readlink "$b/lock")" = "$mine" ] && rm -f "$b/lock"
  kill "$c" "$w" 2>/dev/null
  exit 0
}
echo "$m ready"
me=${mine%.*}
( exec >/dev/null 2>&1; read -r word <&3 ) & c=$!
(
  exec >/dev/null 2>&1 3<&-
  rest @SECONDS@ "${me%.*}" "${me#*.}"
  alive "${me%.*}" "${me#*.}" && kill "${me%.*}"
) & w=$!
trap finish HUP INT TERM
[ -n "$gone" ] && finish
wait $c
finish
"""
)
"""Takes the lock, sweeps what dead calls left, makes the run folder, and lives as long as its connection.

When its stdin ends (bench is done, was killed, or the cable was pulled) or its seconds are over it ends what runs in
the folder and removes the folder and the lock. Prints one word: ``ready``; ``busy SECONDS`` of somebody else's lock; or
``unusable WHY`` where the folder cannot be had, or is another user's.
"""

RUN = (
    """
exec 3<&0 </dev/null
gone=
trap : PIPE
trap gone=1 HUP INT TERM
umask 077
m=@MARK@
"""
    + _COMMON
    + """
cd @FOLDER@ || { echo "$m gone"; exit 0; }
@COMMAND@ 3<&- & r=$!
born=$(start_of $r)
echo "$r $born" >pid
end() { alive $r "$born" && kill -9 $r; }
( exec >/dev/null 2>&1; read -r word <&3; end ) & c=$!
(
  exec >/dev/null 2>&1 3<&-
  rest @SECONDS@ $r "$born"
  : >late
  end
) & w=$!
trap end HUP INT TERM
[ -n "$gone" ] && end
wait $r; code=$?
while alive $r "$born"; do wait $r; code=$?; done # a signal ends a wait too
kill $c $w 2>/dev/null
rm -f pid
echo; echo "$m exit $code"
if [ -e late ]; then rm -f late; echo "$m late"; fi
times
"""
)
"""Runs one command in the run folder; ends it when its connection or its seconds are over, whatever it does itself.

A shell says "Killed" of a child on a stderr that may be gone: SIGPIPE must not end it before its children are.
"""

HASHES = """
cd @CACHE@ || exit 9
for n in @NAMES@; do
  f=$n
  [ -f ".new-$n" ] && f=.new-$n
  [ -f "$f" ] || continue
  h=$(sha256sum <"$f" 2>/dev/null || toybox sha256sum <"$f" 2>/dev/null || busybox sha256sum <"$f" 2>/dev/null)
  h=${h%% *}
  if [ "$h" = "$n" ] && chmod 700 "$f" && touch "$f" && { [ "$f" = "$n" ] || mv -f "$f" "$n"; }; then
    echo "$n"
  else
    rm -f "$f"
  fi
done
"""
"""Of the named files, those in the cache whose content is what the name says; pushed ones take their place there.

All others of these names are removed.
"""

ROOM = """
cd @CACHE@ || exit 9
have=@NEED@
kib() { size=$(wc -c <"$1"); have=$((have + (size + 1023) / 1024)); }
for f in @NAMES@; do [ -f "$f" ] && kib "$f"; done
for f in $(ls -t); do
  case $f in *[!0-9a-f]*) continue;; esac
  case " "@KEEP@" " in *" $f "*) continue;; esac
  kib "$f"
  [ "$have" -gt @LIMIT@ ] && rm -f "$f"
done
:
"""
"""Removes files that were used longest ago until what comes fits; all sizes in KiB."""

CLEAN = """
b=@BASE@
[ -d "$b" ] && [ ! -L "$b" ] && [ -O "$b" ] || exit 0
du -sk "$b/cache" 2>/dev/null
rm -rf "$b/cache"
:
"""
"""Empties the cache under the keeper's lock; prints how many KiB it had."""


def fill(script: str, **words: str | int) -> str:
    """Put words in: each becomes exactly one word of the shell, but ``COMMAND`` and ``NAMES``, which are several."""

    def word(match: re.Match[str]) -> str:
        value = words[match[1].lower()]
        if match[1] in ("COMMAND", "NAMES") or isinstance(value, int):
            return str(value)
        return quote(value)

    return re.sub(r"@([A-Z]+)@", word, script)
