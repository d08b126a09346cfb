# Runs a program on a leash: when stdin closes, however its owner ended, the program is killed.
#
#   leash.sh NAME DIR AFTER PROGRAM ARGS...
#
# The program's pid goes to stdout. DIR/NAME.pid holds this script's own, until AFTER has cleaned up.
name=$1 dir=$2 after=$3
shift 3
exec 3<&0 </dev/null 2>>"$dir/$name.log"
echo $$ >"$dir/$name.pid"
"$@" >>"$dir/$name.log" 3<&- &
child=$!
{
    exec >/dev/null
    read -r _ <&3
    kill -KILL $child
} 2>/dev/null &
watcher=$!
exec 3<&-
echo $child
exec >/dev/null
wait $child
code=$?
kill $watcher 2>/dev/null
[ -z "$after" ] || sh -c "$after" >>"$dir/$name.log"
rm -f "$dir/$name.pid"
exit $code
