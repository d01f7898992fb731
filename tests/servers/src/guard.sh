# Keeps one server: guard DIRECTORY stays|goes SIGNAL
#
# `start` and `stop` come by standard input, a line each, and are answered by a line. The end of the input ends the
# server, and that end comes whatever happens to the process at its other side. The server is the session that
# DIRECTORY/run leads; SIGNAL stops it at once.
directory=$1 fate=$2 signal=$3
server=

# Zombies don't count: in a container nobody may ever wait for those that the server leaves to process 1.
lives() {
    cat /proc/[0-9]*/stat 2>/dev/null | grep -q ") [^ZX] [0-9]* $server "
}

start() {
    setsid sh "$directory/run" </dev/null >>"$directory/server.log" 2>&1 &
    server=$!
    # Until it leads its session it could not be stopped; it may also have ended already.
    tries=0
    until lives || [ "$tries" -ge 50 ]; do
        tries=$((tries + 1))
        sleep 0.01
    done
    echo "$server"
}

stop() {
    [ -n "$server" ] || return 0
    kill -s "$signal" -- "-$server" 2>/dev/null
    tries=0
    while lives && [ "$tries" -lt 1000 ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || kill -s KILL -- "-$server" 2>/dev/null
        sleep 0.02
    done
    # A process whose first thread is a zombie may still have others, and its ports as long as it has them.
    wait "$server" 2>/dev/null
    server=
}

finish() {
    stop
    [ "$fate" = stays ] || rm -rf -- "$directory"
}

trap finish EXIT
trap 'exit 1' HUP INT TERM
while read -r word; do
    case $word in
    start) start ;;
    stop) stop; echo stopped ;;
    esac
done
