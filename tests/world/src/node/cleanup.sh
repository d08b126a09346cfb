# Removes what a node leaves behind, after containerd has ended, however it ended. Needs DIR, SOCKET and NODE.
#
# Containers are found by runc's own records below DIR, shims by our socket in their arguments, so nothing of
# another containerd on this machine is touched.

# The kubelet is on a leash of its own and ends at the same time: it must not start anything meanwhile.
for _ in $(seq 100); do
    [ -e "$DIR/../kubelet-$NODE.pid" ] || break
    sleep 0.1
done
for container in "$DIR"/runc/k8s.io/*/; do
    [ -d "$container" ] && runc --root "$DIR/runc/k8s.io" delete --force "$(basename "$container")"
done
for cmdline in /proc/[0-9]*/cmdline; do
    tr '\0' ' ' <"$cmdline" 2>/dev/null | grep -q "^[^ ]*containerd-shim.*$SOCKET" || continue
    pid=${cmdline#/proc/}
    kill -KILL "${pid%/cmdline}"
done
for address in "$DIR"/state/io.containerd.runtime.v2.task/k8s.io/*/address; do
    [ -e "$address" ] && rm -f "$(sed 's,^unix://,,' "$address")"
done
# Mounts may lie upon mounts: the latest first.
for _ in 1 2 3; do
    awk -v dir="$DIR/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r mount; do
        umount "$mount" 2>/dev/null || umount -l "$mount"
    done
done
# The kubelet links the logs of containers here, whatever its other directories are.
for link in /var/log/containers/*.log; do
    case $(readlink "$link") in "$DIR"/*) rm -f "$link" ;; esac
done
# The parents of the containers' control groups; one in use by another containerd is not empty and stays.
rmdir /sys/fs/cgroup/k8s.io /sys/fs/cgroup/*/k8s.io 2>/dev/null
exit 0
