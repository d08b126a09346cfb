# Removes a pods' network, however its owner ended. Needs DIR and BRIDGE.
PATH=$PATH:/usr/sbin:/sbin

# Containers go first: a network plugin at work would make the bridge anew.
for _ in $(seq 200); do
    [ -z "$(find "$DIR" -maxdepth 1 -name 'containerd-*.pid')" ] && break
    sleep 0.1
done
iptables --table nat --list-rules PREROUTING | grep -- "-i $BRIDGE " | sed 's/^-A/-D/' | while read -r rule; do
    # The rule is a line of words without quotes.
    # shellcheck disable=SC2086
    iptables --table nat $rule
done
ip link delete "$BRIDGE" 2>/dev/null
exit 0
